"""Run assertions, test functions, unittest's cases and examples on the names of the code."""

import ast
import copy
import inspect
import io
import sys
import types
import unittest
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from selfcritic.agent.sandbox.inside.code_names import Names, visible_names
from selfcritic.agent.sandbox.inside.codec import is_plain
from selfcritic.agent.sandbox.inside.importer import PACKAGE, CodeImporter
from selfcritic.agent.sandbox.inside.proxy import Proxy, type_name
from selfcritic.agent.sandbox.inside.remote import CodeExited, Tampered, Unsupported
from selfcritic.agent.sandbox.inside.unittest_engine import unittest_calls
from selfcritic.agent.sandbox.inside.worker import CODE_FILE, MAX_TEXT_CHARS, row_in_code

_TESTS_FILE = "<tests>"
_MAX_VALUE_CHARS = 200
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_DECOY = object()

# In the tests' namespace. Two leading underscores would be mangled inside classes.
_RECORDER_NAME, _EQUAL_NAME = "_record_operand_", "_is_equal_"
_TestCall = Callable[[], object]
Report = Callable[[Mapping[str, Any]], None]

_operands: dict[int, tuple[str, Any]] = {}  # source and value of each operand of the last assertion


class Test(NamedTuple):
    """A test, with the source that names what it tests."""

    name: str
    tree: ast.AST
    run: _TestCall
    is_counted: bool = True
    """False for a statement without assertions, such as an import."""


def run_tests(
    options: Mapping[str, Any], names: Names, module: types.ModuleType, report: Report
) -> None:
    """Run all tests and report each, its failure, and at the end the number of tests that ran.

    `names` are the names of the code, and `module` is what the tests import.
    """
    visible = visible_names(options, names)
    sys.meta_path.append(CodeImporter(module, names, options["source"]))
    if options["engine"] == "pytest":
        from selfcritic.agent.sandbox.inside.pytest_engine import run_with_pytest

        run_with_pytest(options, visible, report)
        return
    num_run = 0
    for test in _find_tests(options, names, visible):
        row = _row_of_tested(test, options["rows"])
        report({"test": test.name, "row": row})
        try:
            test.run()
        except (CodeExited, Tampered, Unsupported):
            raise
        except unittest.SkipTest as error:
            if row_in_code(error) is None:
                continue
            report({"failed": describe_failure(test.name, error, row)})
        except BaseException as error:  # noqa: BLE001 - every error is a result
            report({"failed": describe_failure(test.name, error, row)})
        num_run += test.is_counted
    report({"ran": num_run})


def _find_tests(options: Mapping[str, Any], code_names: Names, visible: Names) -> Iterator[Test]:
    """Yield statements first: they define the test functions and classes."""
    names = {
        **visible,
        "__name__": "tests",
        "__package__": PACKAGE,
        "__file__": str(Path("tests.py").resolve()),  # there is no such file
        _RECORDER_NAME: _record_operand,
        _EQUAL_NAME: _is_equal,
    }
    body = [
        *ast.parse(options["source"]).body,
        *ast.parse("\n".join(options["asserts"])).body,
    ]
    for node in body:
        is_counted = any(isinstance(part, ast.Assert | ast.Call) for part in ast.walk(node))
        if isinstance(node, _DEFINITIONS):
            is_counted = False
        yield Test(ast.unparse(node), copy.deepcopy(node), _statement_call(node, names), is_counted)
    for node in body:
        if isinstance(node, _DEFINITIONS) and node.name in names:
            for name, run in _definition_calls(names[node.name]):
                yield Test(name, node, run)
    entry = options["entry"]
    if entry:
        name = f"check({entry})"
        yield Test(name, ast.parse(name), lambda: names["check"](code_names[entry]))
    for source, expected in options["examples"]:
        yield Test(source, ast.parse(source), partial(_run_example, source, expected, names))


def _statement_call(node: ast.stmt, names: Names) -> _TestCall:
    module = ast.Module([node], [])
    tree = ast.fix_missing_locations(_OperandRecorder().visit(module))
    return lambda: exec(compile(tree, _TESTS_FILE, "exec"), names)  # noqa: S102 - sandboxed


class _OperandRecorder(ast.NodeTransformer):
    """Record the operands that each assertion compares."""

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        """Pass each operand through `_record_operand`, and compare two with `_is_equal`."""
        if not isinstance(node.test, ast.Compare):
            node.test = self._recorded(0, node.test)
            return node
        operands = [node.test.left, *node.test.comparators]
        recorded = [self._recorded(index, operand) for index, operand in enumerate(operands)]
        if len(operands) == 2 and isinstance(node.test.ops[0], ast.Eq):
            call = ast.Call(ast.Name(_EQUAL_NAME, ast.Load()), recorded, [])
            node.test = ast.copy_location(call, node.test)
            return node
        node.test.left = recorded[0]
        node.test.comparators = recorded[1:]
        return node

    @staticmethod
    def _recorded(index: int, operand: ast.expr) -> ast.expr:
        arguments = [ast.Constant(index), ast.Constant(ast.unparse(operand)), operand]
        call = ast.Call(ast.Name(_RECORDER_NAME, ast.Load()), arguments, [])
        return ast.copy_location(call, operand)


def _record_operand(index: int, source: str, value: Any) -> Any:
    if index == 0:
        _operands.clear()
    _operands[index] = (source, value)
    return value


def _is_equal(left: Any, right: Any) -> Any:
    """Compare as `==` does, but let no object equal everything."""
    is_equal = left == right
    if is_equal is not True or is_plain(left) == is_plain(right):
        return is_equal
    value = right if is_plain(left) else left
    if type(value) is Proxy:  # it has checked the same
        return is_equal
    equals_everything = value == _DECOY
    return not equals_everything


def _definition_calls(value: Any) -> Iterator[tuple[str, _TestCall]]:
    """Yield the calls of a test function or class, each with its name."""
    name = getattr(value, "__name__", "")
    if isinstance(value, type) and issubclass(value, unittest.TestCase):
        yield from unittest_calls(value)
    elif isinstance(value, type) and name.startswith("Test"):
        for method in dir(value):
            if method.startswith("test"):
                yield f"{name}.{method}", partial(_call_method, value, method)
    elif name.startswith("test") and inspect.isfunction(value):
        yield name, partial(_call, value)


def _call_method(test_class: type, method: str) -> None:
    instance = test_class()
    _call(getattr(instance, method))


def _call(function: Callable[[], object]) -> None:
    result = function()
    if inspect.iscoroutine(result):
        import asyncio  # slow, and rarely needed

        asyncio.run(result)


def _run_example(source: str, expected: str, names: Names) -> None:
    """Run an example as doctest does, but also accept equal values."""
    stdout = io.StringIO()
    value = None
    tree = ast.parse(source)
    with redirect_stdout(stdout):
        if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
            expression = ast.Expression(tree.body[0].value)
            value = eval(compile(expression, _TESTS_FILE, "eval"), names)  # noqa: S307 - sandboxed
        else:
            exec(compile(tree, _TESTS_FILE, "exec"), names)  # noqa: S102 - sandboxed
    printed = stdout.getvalue()
    if not expected or _is_expected(printed, value, expected.strip()):
        return
    actual = printed[:_MAX_VALUE_CHARS] if printed and value is None else short_repr(value)
    raise AssertionError(f"gives {actual}, not {expected.strip()}")


def _is_expected(printed: str, value: Any, expected: str) -> bool:
    import doctest  # slow, and only needed for examples

    output = printed if value is None else f"{printed}{value!r}\n"
    flags = doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1
    if doctest.OutputChecker().check_output(expected + "\n", output, flags):
        return True
    try:
        expected_value = ast.literal_eval(expected)
    except (ValueError, SyntaxError):
        return False
    if repr(expected_value) == repr(value):  # not `==`, since True == 1
        return True
    return type(value) in (set, dict) and bool(expected_value == value)


def _row_of_tested(test: Test, rows: Mapping[str, int]) -> int | None:
    """Return the row of the first definition that the test names."""
    for node in ast.walk(test.tree):
        name = str(getattr(node, "id", getattr(node, "attr", "")))
        if name in rows:
            return rows[name]
    return None


def describe_failure(name: str, error: BaseException, row: int | None) -> dict[str, Any]:
    """Return the record of a failed test."""
    text = str(getattr(error, "_text_", error))
    values: Sequence[tuple[str, str]] = []
    if type(error) is AssertionError and not error.args and row_in_code(error) is None:
        text = ""
        values = _describe_operands()
    if isinstance(error, SyntaxError) and error.filename == CODE_FILE:
        text = error.msg
    return {
        "test": name,
        "error": type(error).__name__,
        "text": text[:MAX_TEXT_CHARS],
        "values": values,
        "row": getattr(error, "_row_", row_in_code(error)) or row,
    }


def _describe_operands() -> list[tuple[str, str]]:
    """Return source and value of the last assertion's operands, except literals."""
    pairs = [(source, short_repr(value)) for source, value in _operands.values()]
    return [(source, text) for source, text in pairs if source != text]


def short_repr(value: object) -> str:
    """Return the repr of a value in at most 200 characters."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - the code can define its own __repr__
        text = f"a {type_name(value)} whose repr raises {type(error).__name__}"
    if len(text) <= _MAX_VALUE_CHARS:
        return text
    return text[: _MAX_VALUE_CHARS - 1] + "…"
