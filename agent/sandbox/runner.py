"""Runs tests against code: the program that stands in the sandbox. Its text is run there, with `main(…)` below it.

It knows the standard library only. On its standard output it writes lines of JSON, each behind a mark that the code
does not know of: `{"test": …}` before each test, `{"failed": …}` for each that fails, `{"done": true}` at the end. What
the code and the tests print goes nowhere. Code that sets out to deceive its tests can do so.
"""

import ast
import asyncio
import copy
import doctest
import importlib.abc
import importlib.machinery
import inspect
import io
import json
import os
import sys
import traceback
import types
import unittest
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from functools import partial
from typing import Any, NamedTuple

_CODE, _TESTS = "<draft>", "<tests>"
_SHOWN = 200  # characters of a value

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

_seen: dict[int, tuple[str, Any]] = {}  # what the last assertion compared: of each operand its source and its value


class Test(NamedTuple):
    """A test: how it is called, the source in which it names what it tests, and what runs it."""

    name: str
    tree: ast.AST
    run: Callable[[], object]


def main(mark: str, code: str, tests: str, asserts: Sequence[str], examples: Sequence[tuple[str, str]]) -> None:
    """Run the code, then every test against it; the code's own failure has no test's name."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")

    process = os.getpid()

    def tell(**what: Any) -> None:
        if os.getpid() != process:  # what the code forks comes by here as well
            os._exit(0)
        out.write(f"\n{mark}{json.dumps(what)}")
        out.flush()

    sys.stdin, sys.stdout = io.StringIO(), io.StringIO()
    module = sys.modules["draft"] = types.ModuleType("draft")
    load = Test("", ast.Pass(), lambda: exec(compile(code, _CODE, "exec"), vars(module)))  # noqa: S102 - sandboxed
    tell(test="", row=None)
    if failed := _failure(load, None):
        tell(failed=failed)
    else:
        rows = {node.name: node.lineno for node in ast.parse(code).body if isinstance(node, _DEFINITIONS)}
        sys.meta_path.append(_Stand(module))
        for test in _all(module, tests, asserts, examples):
            row = _tested(test, rows)
            tell(test=test.name, row=row)
            if failed := _failure(test, row):
                tell(failed=failed)
    tell(done=True)
    os._exit(0)  # threads that the code has left need not end


class _Stand(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Hands the draft to tests that import it, by whatever name: any that no module has."""

    def __init__(self, module: types.ModuleType) -> None:
        self.module = module

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        """Claim each module of which nobody else knows, unless it is part of a package."""
        return None if "." in fullname else importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """The draft under the name that is asked for."""
        named = types.ModuleType(spec.name)
        vars(named).update({name: value for name, value in vars(self.module).items() if not name.startswith("__")})
        return named

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing: the draft has run."""


def _all(
    module: types.ModuleType, tests: str, asserts: Sequence[str], examples: Sequence[tuple[str, str]]
) -> Iterator[Test]:
    names = {**vars(module), "__name__": "tests", "_saw_": _saw}
    body = [*ast.parse(tests).body, *ast.parse("\n".join(asserts)).body]
    for node in body:
        yield Test(ast.unparse(node), copy.deepcopy(node), _statement(node, names))
    for node in body:
        if isinstance(node, _DEFINITIONS) and node.name in names:
            yield from _defined(node, names[node.name])
    for source, want in examples:
        yield Test(source, ast.parse(source), _example(source, want, names))


def _defined(node: ast.AST, value: Any) -> Iterator[Test]:
    """The tests that a function or a class is."""
    name = value.__name__
    if inspect.isclass(value) and (issubclass(value, unittest.TestCase) or name.startswith("Test")):
        found = _methods(name, value)
    else:
        found = _calls(name, value) if name.startswith("test") and inspect.isfunction(value) else iter(())
    yield from (Test(called, node, run) for called, run in found)


def _statement(node: ast.stmt, names: dict[str, Any]) -> Callable[[], object]:
    tree = ast.fix_missing_locations(_Watched().visit(ast.Module([node], [])))
    return lambda: exec(compile(tree, _TESTS, "exec"), names)  # noqa: S102 - sandboxed


class _Watched(ast.NodeTransformer):
    """Keeps what an assertion compares; no name with two underscores in front, which classes would change."""

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        """Hand each operand through `_saw`."""
        if isinstance(node.test, ast.Compare):
            operands = [node.test.left, *node.test.comparators]
            watched: list[ast.expr] = [self._watched(at, one) for at, one in enumerate(operands)]
            node.test.left, *node.test.comparators = watched
        else:
            node.test = self._watched(0, node.test)
        return node

    @staticmethod
    def _watched(at: int, operand: ast.expr) -> ast.Call:
        arguments = [ast.Constant(at), ast.Constant(ast.unparse(operand)), operand]
        return ast.copy_location(ast.Call(ast.Name("_saw_", ast.Load()), arguments, []), operand)


def _saw(at: int, source: str, value: Any) -> Any:
    if at == 0:
        _seen.clear()
    _seen[at] = (source, value)
    return value


def _calls(name: str, function: Callable[..., object]) -> Iterator[tuple[str, Callable[[], object]]]:
    """The function's runs: one, or one for each set of values that pytest's `parametrize` gives it."""
    cases: list[dict[str, Any]] = [{}]
    for mark in getattr(function, "pytestmark", []):
        if mark.name in ("skip", "skipif", "xfail"):
            return
        if mark.name == "parametrize":
            cases = [{**case, **values} for values in _values(*mark.args) for case in cases]
    for case in cases:
        shown = ", ".join(f"{key}={_short(value)}" for key, value in case.items())
        yield f"{name}({shown})" if shown else name, partial(_run, function, case)


def _values(names: str | Sequence[str], rows: Any) -> Iterator[dict[str, Any]]:
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    for row in rows:
        plain = (row,) if isinstance(names, str) and len(keys) == 1 else row
        yield dict(zip(keys, row.values if type(row).__name__ == "ParameterSet" else plain, strict=True))


def _methods(name: str, of: type) -> Iterator[tuple[str, Callable[[], object]]]:
    for method in (method for method in dir(of) if method.startswith("test")):
        is_case = issubclass(of, unittest.TestCase)
        yield f"{name}.{method}", of(method).debug if is_case else partial(_method, of, method)


def _method(of: type, method: str) -> None:
    """Run a method of a plain class on an instance of its own."""
    _run(getattr(of(), method), {})


def _run(function: Callable[..., object], arguments: Mapping[str, Any]) -> None:
    result = function(**arguments)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def _example(source: str, want: str, names: dict[str, Any]) -> Callable[[], object]:
    """An example as doctest reads them. A value is as wanted, too, where both are written alike by Python."""

    def run() -> None:
        printed, value = io.StringIO(), None
        tree = ast.parse(source)
        with redirect_stdout(printed):
            if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
                value = eval(compile(ast.Expression(tree.body[0].value), _TESTS, "eval"), names)  # noqa: S307
            else:
                exec(compile(tree, _TESTS, "exec"), names)  # noqa: S102 - in the sandbox
        if want and not _is_wanted(printed.getvalue(), value, want.strip()):
            shown = _short(value) if value is not None or not printed.getvalue() else printed.getvalue()[:_SHOWN]
            raise AssertionError(f"gives {shown}, not {want.strip()}")

    return run


def _is_wanted(printed: str, value: Any, want: str) -> bool:
    shown = printed + (repr(value) + "\n" if value is not None else "")
    flags = doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1
    if doctest.OutputChecker().check_output(want + "\n", shown, flags):
        return True
    try:
        wanted = ast.literal_eval(want)
    except (ValueError, SyntaxError):
        return False
    # By what is written, since True == 1; but sets and dicts are the same in any order.
    return repr(wanted) == repr(value) or (type(value) in (set, dict) and bool(wanted == value))


def _tested(test: Test, rows: Mapping[str, int]) -> int | None:
    """The row of the function or the class that a test names first."""
    named = (str(getattr(node, "id", getattr(node, "attr", ""))) for node in ast.walk(test.tree))
    return next((rows[name] for name in named if name in rows), None)


def _failure(test: Test, row: int | None) -> Mapping[str, Any] | None:
    """What went wrong with a test, and where; None where nothing did, or the test does not want to be run."""
    try:
        test.run()
    except BaseException as error:  # noqa: BLE001 - whatever the code does is the result
        if type(error).__name__ in ("SkipTest", "Skipped"):
            return None
        return _told(test, error, row)
    return None


def _told(test: Test, error: BaseException, row: int | None) -> Mapping[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame.lineno for frame in frames if frame.filename == _CODE]
    text = str(error)
    if isinstance(error, SyntaxError) and error.filename == _CODE:
        inside, text = [error.lineno], error.msg
    asserted = type(error) is AssertionError and not error.args and frames[-1].filename == _TESTS
    return {
        "test": test.name,
        "error": type(error).__name__,
        "text": _values_seen() if asserted else text,
        "row": inside[-1] if inside else row,
    }


def _values_seen() -> str:
    """The values that the last assertion compared, where they are not written there."""
    known = {source: _short(value) for source, value in _seen.values()}
    return ", ".join(f"{source} is {value}" for source, value in known.items() if source != value)


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - the code's own __repr__
        text = f"a {type(value).__name__} whose repr raises {type(error).__name__}"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
