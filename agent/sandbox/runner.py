"""Run tests on code inside the sandbox.

This file is sent to the sandbox as text with a call of `main` appended. It may import the standard library only.

It writes JSON lines to stdout, each after a secret mark: `{"test": …}` before each test, `{"failed": …}` for each
failure, `{"done": true}` at the end. Output of the code and the tests is discarded. Code that is written to
deceive the tests can do so.
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

_CODE_FILE, _TESTS_FILE = "<draft>", "<tests>"
_MAX_VALUE_CHARS = 200
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

# In the tests' namespace. Two leading underscores would be mangled inside classes.
_RECORDER_NAME = "_record_operand_"
_TestCall = Callable[[], object]
_Namespace = dict[str, Any]

_operands: dict[int, tuple[str, Any]] = {}  # source and value of each operand of the last assertion


class Test(NamedTuple):
    """A test, with the source that names what it tests."""

    name: str
    tree: ast.AST
    run: _TestCall


def main(
    mark: str, code: str, tests: str, asserts: Sequence[str], examples: Sequence[tuple[str, str]]
) -> None:
    """Run the code, then every test, and end the process.

    If the code itself fails, the test's name is empty and no test is run.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    process = os.getpid()

    def report(**event: Any) -> None:
        if os.getpid() != process:  # a forked child of the code returned here
            os._exit(0)
        out.write(f"\n{mark}{json.dumps(event)}")
        out.flush()

    sys.stdin = io.StringIO()
    sys.stdout = io.StringIO()
    module = types.ModuleType("draft")
    sys.modules["draft"] = module
    load_code = Test("", ast.Pass(), lambda: exec(compile(code, _CODE_FILE, "exec"), vars(module)))  # noqa: S102 - sandboxed
    report(test="", row=None)
    failure = _run_test(load_code, None)
    if failure:
        report(failed=failure)
    else:
        _run_all(code, _find_tests(module, tests, asserts, examples), module, report)
    report(done=True)
    os._exit(0)  # does not wait for threads that the code left running


def _run_all(
    code: str, tests: Iterator[Test], module: types.ModuleType, report: Callable[..., None]
) -> None:
    rows = {
        node.name: node.lineno for node in ast.parse(code).body if isinstance(node, _DEFINITIONS)
    }
    sys.meta_path.append(_DraftImporter(module))
    for test in tests:
        row = _row_of_tested(test, rows)
        report(test=test.name, row=row)
        failure = _run_test(test, row)
        if failure:
            report(failed=failure)


class _DraftImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import the draft under any unused module name."""

    def __init__(self, module: types.ModuleType) -> None:
        self.module = module

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        """Claim every unknown module outside a package."""
        if "." in fullname:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Return a module with the draft's names."""
        module = types.ModuleType(spec.name)
        for name, value in vars(self.module).items():
            if not name.startswith("__"):
                setattr(module, name, value)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: the draft has already run."""


def _find_tests(
    module: types.ModuleType,
    tests: str,
    asserts: Sequence[str],
    examples: Sequence[tuple[str, str]],
) -> Iterator[Test]:
    """Yield statements first: they define the test functions and classes."""
    names = {**vars(module), "__name__": "tests", _RECORDER_NAME: _record_operand}
    body = [*ast.parse(tests).body, *ast.parse("\n".join(asserts)).body]
    for node in body:
        yield Test(ast.unparse(node), copy.deepcopy(node), _statement_call(node, names))
    for node in body:
        if isinstance(node, _DEFINITIONS) and node.name in names:
            for name, run in _definition_calls(names[node.name]):
                yield Test(name, node, run)
    for source, expected in examples:
        yield Test(source, ast.parse(source), partial(_run_example, source, expected, names))


def _statement_call(node: ast.stmt, names: _Namespace) -> _TestCall:
    module = ast.Module([node], [])
    tree = ast.fix_missing_locations(_OperandRecorder().visit(module))
    return lambda: exec(compile(tree, _TESTS_FILE, "exec"), names)  # noqa: S102 - sandboxed


class _OperandRecorder(ast.NodeTransformer):
    """Record the operands that each assertion compares."""

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        """Pass each operand through `_record_operand`."""
        if not isinstance(node.test, ast.Compare):
            node.test = self._recorded(0, node.test)
            return node
        operands = [node.test.left, *node.test.comparators]
        recorded = [self._recorded(index, operand) for index, operand in enumerate(operands)]
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


def _definition_calls(value: Any) -> Iterator[tuple[str, _TestCall]]:
    """Yield the calls of a test function or class, each with its name."""
    name = value.__name__
    if inspect.isclass(value) and (issubclass(value, unittest.TestCase) or name.startswith("Test")):
        yield from _method_calls(name, value)
    elif name.startswith("test") and inspect.isfunction(value):
        yield from _function_calls(name, value)


def _function_calls(name: str, function: Callable[..., object]) -> Iterator[tuple[str, _TestCall]]:
    """Yield one call, or one per case of pytest's `parametrize`."""
    cases: list[_Namespace] = [{}]
    for mark in getattr(function, "pytestmark", []):
        if mark.name in ("skip", "skipif", "xfail"):
            return
        if mark.name == "parametrize":
            cases = [
                {**case, **values} for values in _parametrize_cases(*mark.args) for case in cases
            ]
    for case in cases:
        arguments = ", ".join(f"{key}={_short_repr(value)}" for key, value in case.items())
        case_name = f"{name}({arguments})" if arguments else name
        yield case_name, partial(_call, function, case)


def _parametrize_cases(names: str | Sequence[str], rows: Any) -> Iterator[_Namespace]:
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    is_single = isinstance(names, str) and len(keys) == 1
    for row in rows:
        values = (row,) if is_single else row
        if type(row).__name__ == "ParameterSet":
            values = row.values
        yield dict(zip(keys, values, strict=True))


def _method_calls(name: str, test_class: type) -> Iterator[tuple[str, _TestCall]]:
    for method in dir(test_class):
        if not method.startswith("test"):
            continue
        if issubclass(test_class, unittest.TestCase):
            run: _TestCall = test_class(method).debug
        else:
            run = partial(_call_method, test_class, method)
        yield f"{name}.{method}", run


def _call_method(test_class: type, method: str) -> None:
    instance = test_class()
    _call(getattr(instance, method), {})


def _call(function: Callable[..., object], arguments: Mapping[str, Any]) -> None:
    result = function(**arguments)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def _run_example(source: str, expected: str, names: _Namespace) -> None:
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
    actual = printed[:_MAX_VALUE_CHARS] if printed and value is None else _short_repr(value)
    raise AssertionError(f"gives {actual}, not {expected.strip()}")


def _is_expected(printed: str, value: Any, expected: str) -> bool:
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


def _run_test(test: Test, row: int | None) -> Mapping[str, Any] | None:
    """Return the failure, or None if the test passes or is skipped."""
    try:
        test.run()
    except BaseException as error:  # noqa: BLE001 - every error is a result
        if type(error).__name__ in ("SkipTest", "Skipped"):
            return None
        return _failure_record(test, error, row)
    return None


def _failure_record(test: Test, error: BaseException, row: int | None) -> Mapping[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    code_rows = [frame.lineno for frame in frames if frame.filename == _CODE_FILE]
    text = str(error)
    if isinstance(error, SyntaxError) and error.filename == _CODE_FILE:
        code_rows = [error.lineno]
        text = error.msg
    elif type(error) is AssertionError and not error.args and frames[-1].filename == _TESTS_FILE:
        text = _describe_operands()
    return {
        "test": test.name,
        "error": type(error).__name__,
        "text": text,
        "row": code_rows[-1] if code_rows else row,
    }


def _describe_operands() -> str:
    """List the values of the last assertion's operands, except literals."""
    values = {source: _short_repr(value) for source, value in _operands.values()}
    return ", ".join(f"{source} is {value}" for source, value in values.items() if source != value)


def _short_repr(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - the code can define its own __repr__
        text = f"a {type(value).__name__} whose repr raises {type(error).__name__}"
    if len(text) <= _MAX_VALUE_CHARS:
        return text
    return text[: _MAX_VALUE_CHARS - 1] + "…"
