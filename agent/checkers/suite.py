"""Find out how a file of tests can be run, before anything runs."""

import ast
import importlib.util
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from selfcritic.agent.checkers.separability import SEPARABLE_FIXTURES, is_separable
from selfcritic.agent.checkers.suite_names import find_examples
from selfcritic.agent.errors import InputError

Engine = Literal["plain", "pytest"]
Mode = Literal["separate", "together"]

_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_DefinitionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_PYTEST_FIXTURES = {
    "cache",
    "capfd",
    "capfdbinary",
    "caplog",
    "capsys",
    "capsysbinary",
    "doctest_namespace",
    "monkeypatch",
    "pytestconfig",
    "record_property",
    "recwarn",
    "request",
    "subtests",
    "tmp_path",
    "tmp_path_factory",
    "tmpdir",
}
_SET_UP_NAME = re.compile(
    r"(?:setup|teardown)(?:_(?:module|function|class|method))?|(?:setUp|tearDown)Module"
)


@dataclass(frozen=True)
class Suite:
    """How to run a file of tests."""

    engine: Engine = "plain"
    mode: Mode = "separate"
    """Where the tests run: in a process separate from the code, or beside the code."""
    needs_entry: bool = False
    """Whether the file defines `check(candidate)`, as HumanEval does, and does not call it."""
    used: tuple[str, ...] = ()
    """Names that occur in the tests."""


def analyze(source: str) -> Suite:
    """Return how to run the tests.

    Raises:
        InputError: The source is not Python, no test in it would run, or the tests need something that is not there.
    """
    try:
        tree = ast.parse(source)
        symtable.symtable(source, "<tests>", "exec")  # finds more errors than the parser
    except (SyntaxError, ValueError) as error:
        raise InputError(
            f"The tests are not Python: {error}. Pass assertions or test functions."
        ) from error
    needs_entry = _needs_entry(tree)
    if not needs_entry and not any(_is_test(node) for node in tree.body) and not _has_doctest(tree):
        raise InputError(
            "There are no tests to run: add assertions, functions test_…, classes Test… with methods test_…, "
            "or a function check(candidate)."
        )
    engine: Engine = "plain"
    if _needs_pytest(tree):
        engine = "pytest"
        _check_pytest(tree)
    mode: Mode = "separate" if _is_separable(tree) else "together"
    used = set(re.findall(r"[^\W\d]\w*", source))  # in doctests, too
    return Suite(engine, mode, needs_entry, tuple(sorted(used)))


def _is_test(node: ast.AST) -> bool:
    """Return whether a statement of the file is or contains a test."""
    if isinstance(node, _FunctionNode):
        return node.name.startswith("test")
    if isinstance(node, ast.ClassDef):
        is_test_class = node.name.startswith("Test") or bool(node.bases)
        return is_test_class and any(
            isinstance(part, _FunctionNode) and part.name.startswith("test") for part in node.body
        )
    if _is_main_guard(node):
        return False
    return any(isinstance(part, ast.Assert) for part in ast.walk(node)) or _is_call(node)


def _is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _is_main_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _needs_entry(tree: ast.Module) -> bool:
    has_check = any(
        isinstance(node, ast.FunctionDef) and node.name == "check" and node.args.args
        for node in tree.body
    )
    if not has_check:
        return False
    statements = [node for node in tree.body if not isinstance(node, _DefinitionNode)]
    return not any(_calls(node, "check") for node in statements if not _is_main_guard(node))


def _calls(node: ast.AST, name: str) -> bool:
    return any(
        isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == name
        for part in ast.walk(node)
    )


def _has_doctest(tree: ast.Module) -> bool:
    nodes = [node for node in ast.walk(tree) if isinstance(node, _DefinitionNode | ast.Module)]
    return any(">>>" in (ast.get_docstring(node) or "") for node in nodes)


def _test_functions(tree: ast.Module) -> Iterator[_FunctionNode]:
    for node in tree.body:
        if isinstance(node, _FunctionNode) and node.name.startswith("test"):
            yield node
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, _FunctionNode) and part.name.startswith("test"):
                    yield part


def _needs_pytest(tree: ast.Module) -> bool:
    if _has_doctest(tree) or "pytest" in _imported_modules(tree):
        return True
    for node in tree.body:
        parts = [node, *node.body] if isinstance(node, ast.ClassDef) else [node]
        names = [part.name for part in parts if isinstance(part, _FunctionNode)]
        if any(_SET_UP_NAME.fullmatch(name) for name in names):
            return True
    return any(_fixture_names(function) for function in _test_functions(tree))


def _check_pytest(tree: ast.Module) -> None:
    if importlib.util.find_spec("pytest") is None:
        raise InputError(
            "The tests need pytest (for fixtures, marks, set-up functions or doctests): "
            "install it beside selfcritic with `pip install pytest`, or pass plain assertions."
        )
    defined = {node.name for node in ast.walk(tree) if isinstance(node, _FunctionNode)}
    for function in _test_functions(tree):
        unknown = _fixture_names(function) - defined - _PYTEST_FIXTURES
        if unknown:
            raise InputError(
                f"{function.name} takes the argument `{min(unknown)}`, for which there is no fixture: "
                "define it in the file. Plugins of pytest and conftest.py are not loaded."
            )


def _fixture_names(function: _FunctionNode) -> set[str]:
    """Return the arguments that no `parametrize` provides."""
    arguments = function.args
    names = {argument.arg for argument in [*arguments.args, *arguments.kwonlyargs]}
    names -= {"self", "cls"}
    for decorator in function.decorator_list:
        text = ast.unparse(decorator)
        if "parametrize" in text:
            names -= set(re.findall(r"\w+", text))
        elif "patch" in text or "given" in text:  # they pass arguments of any name
            return set()
    return names


def _imported_modules(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def _is_separable(tree: ast.Module) -> bool:
    functions = [node for node in ast.walk(tree) if isinstance(node, _FunctionNode)]
    for function in functions:
        fixtures = _fixture_names(function) & _PYTEST_FIXTURES
        if _may_take_fixtures(function) and not fixtures <= SEPARABLE_FIXTURES:
            return False
    examples = "\n".join(find_examples(tree))
    return is_separable(ast.Module([*tree.body, *ast.parse(examples).body], []))


def _may_take_fixtures(function: _FunctionNode) -> bool:
    return function.name.startswith("test") or bool(function.decorator_list)
