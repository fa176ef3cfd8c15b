"""Compute the results of short functions without executing their code.

It reads the subset of Python in which reference code and its typical mistakes are written: one function of one list,
with loops over lists, conditions, integers and None. It is some ten times faster than the sandbox, and safe: values and
steps are limited, and any other code raises `UnsupportedCode`, so that the caller can run it in the sandbox.
"""

import ast
import builtins
import marshal
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

MARSHAL_VERSION = 2
"""Distinguishes types, unlike ==: True is not 1."""

Environment = dict[str, Any]
Evaluate = Callable[[Environment], Any]
Signal = Literal["continue", "break", "return"]
Execute = Callable[[Environment], Signal | None]

_RESULT = "return"
"""Key of the returned value in an environment; it is no valid name."""
_MAX_ITERATIONS = 5_000
_MAX_LENGTH = 1_000  # of a list
_MAX_BITS = 256  # of an integer
# Numbers like 1e9 or 0x1, and escapes, for which Python may print a warning.
_UNUSUAL = re.compile(r"\d[A-Za-z_]|\\")

_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda element, values: element in values,
    ast.NotIn: lambda element, values: element not in values,
}
_BUILTINS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "len": len,
    "max": max,
    "min": min,
    "sorted": sorted,
    "sum": sum,
}
_RUNTIME_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    NameError,
    TypeError,
    ValueError,
)


class UnsupportedCode(Exception):  # noqa: N818 - not an error of the code
    """The code is outside the subset, or exceeds a limit."""


def run_function(code: str, inputs: Sequence[Sequence[int]]) -> Iterator[Any]:
    """Yield the result of function f for each input.

    Raises:
        SyntaxError: Python would reject the code.
        ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError: the code fails on an input.
        UnsupportedCode: the code must run in the sandbox.
    """
    function = _parse(code)
    parameter = function.args.args[0].arg
    body = _compile_body(function.body, in_loop=False)
    for xs in inputs:
        environment: Environment = {parameter: list(xs)}
        body(environment)
        yield environment.get(_RESULT)


def returns(code: str, inputs: Sequence[Sequence[int]], expected: Sequence[bytes]) -> bool:
    """Return whether the results are the expected ones, in marshal format.

    Raises:
        UnsupportedCode: the code must run in the sandbox.
    """
    try:
        for result, expected_result in zip(run_function(code, inputs), expected, strict=True):
            if marshal.dumps(result, MARSHAL_VERSION) != expected_result:
                return False
    except RecursionError as error:
        raise UnsupportedCode from error
    except (SyntaxError, *_RUNTIME_ERRORS):
        return False
    return True


def _parse(code: str) -> ast.FunctionDef:
    if _UNUSUAL.search(code):
        raise UnsupportedCode
    try:
        module = ast.parse(code)
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnsupportedCode from error
    if len(module.body) != 1 or not isinstance(module.body[0], ast.FunctionDef):
        raise UnsupportedCode
    function = module.body[0]
    arguments = function.args
    has_one_argument = len(arguments.args) == 1 and not (
        arguments.posonlyargs or arguments.vararg or arguments.kwonlyargs or arguments.kwarg
    )
    is_plain = not (function.decorator_list or function.returns or arguments.defaults)
    is_typed = any(argument.annotation for argument in arguments.args)
    if function.name != "f" or not has_one_argument or not is_plain or is_typed:
        raise UnsupportedCode
    if any(name == "f" or hasattr(builtins, name) for name in _assigned_names(function)):
        raise UnsupportedCode
    return function


def _assigned_names(function: ast.FunctionDef) -> Iterator[str]:
    yield function.args.args[0].arg
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _compile_body(statements: Sequence[ast.stmt], *, in_loop: bool) -> Execute:
    steps = [_compile_statement(statement, in_loop=in_loop) for statement in statements]

    def execute(environment: Environment) -> Signal | None:
        for step in steps:
            signal = step(environment)
            if signal is not None:
                return signal
        return None

    return execute


def _compile_statement(statement: ast.stmt, *, in_loop: bool) -> Execute:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return _compile_assignment(name, _compile(value))
        case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
            return _compile_assignment(
                name, _compile_operation(ast.Name(name, ast.Load()), op, value)
            )
        case ast.For(target=ast.Name(id=name), iter=iterable, body=body, orelse=[]):
            return _compile_loop(name, _compile(iterable), _compile_body(body, in_loop=True))
        case ast.If(test=test, body=body, orelse=orelse):
            return _compile_condition(
                _compile(test),
                _compile_body(body, in_loop=in_loop),
                _compile_body(orelse, in_loop=in_loop),
            )
        case ast.Continue() | ast.Break() if not in_loop:
            raise SyntaxError("continue or break outside of a loop")
        case ast.Continue():
            return lambda _: "continue"
        case ast.Break():
            return lambda _: "break"
        case ast.Return(value=value):
            return _compile_return(_compile(value or ast.Constant(None)))
        case ast.Expr(value=value):
            return _compile_expression_statement(_compile(value))
    raise UnsupportedCode


def _compile_assignment(name: str, value: Evaluate) -> Execute:
    def execute(environment: Environment) -> None:
        environment[name] = value(environment)

    return execute


def _compile_loop(name: str, iterable: Evaluate, body: Execute) -> Execute:
    def execute(environment: Environment) -> Signal | None:
        for iteration, value in enumerate(iterable(environment)):
            if iteration >= _MAX_ITERATIONS:
                raise UnsupportedCode
            environment[name] = value
            signal = body(environment)
            if signal == "return":
                return signal
            if signal == "break":
                break
        return None

    return execute


def _compile_condition(test: Evaluate, body: Execute, orelse: Execute) -> Execute:
    def execute(environment: Environment) -> Signal | None:
        if test(environment):
            return body(environment)
        return orelse(environment)

    return execute


def _compile_return(value: Evaluate) -> Execute:
    def execute(environment: Environment) -> Signal:
        environment[_RESULT] = value(environment)
        return "return"

    return execute


def _compile_expression_statement(value: Evaluate) -> Execute:
    def execute(environment: Environment) -> None:
        value(environment)

    return execute


def _compile(expression: ast.expr) -> Evaluate:
    match expression:
        case ast.Constant(value=bool() | int() | None as constant):
            return lambda _: constant
        case ast.Name(id=name):
            return _compile_name(name)
        case ast.List(elts=[]):
            return lambda _: []
        case ast.BinOp(left=left, op=op, right=right):
            return _compile_operation(left, op, right)
        case ast.UnaryOp(op=ast.USub() | ast.Not() as unary, operand=operand):
            return _compile_unary(unary, _compile(operand))
        case ast.BoolOp(op=boolean, values=values):
            is_and = isinstance(boolean, ast.And)
            return _compile_boolean([_compile(value) for value in values], is_and)
        case ast.Compare(left=left, ops=[comparison], comparators=[right]):
            return _compile_comparison(_compile(left), comparison, _compile(right))
        case ast.Subscript(value=value, slice=index):
            return _compile_subscript(_compile(value), _compile_index(index))
        case ast.Call():
            return _compile_call(expression)
    raise UnsupportedCode


def _compile_name(name: str) -> Evaluate:
    is_global = name == "f" or hasattr(builtins, name) or name.startswith("__")

    def evaluate(environment: Environment) -> Any:
        if name in environment:
            return environment[name]
        if is_global:
            raise UnsupportedCode
        raise NameError(name)

    return evaluate


def _compile_operation(left: ast.expr, op: ast.operator, right: ast.expr) -> Evaluate:
    operation = _OPERATORS.get(type(op))
    if operation is None:
        raise UnsupportedCode
    left_value = _compile(left)
    right_value = _compile(right)

    def evaluate(environment: Environment) -> Any:
        first = left_value(environment)
        second = right_value(environment)
        if isinstance(first, list) and isinstance(second, int | list):
            raise UnsupportedCode
        if isinstance(second, list) and isinstance(first, int):
            raise UnsupportedCode
        result = operation(first, second)
        if result.bit_length() > _MAX_BITS:
            raise UnsupportedCode
        return result

    return evaluate


def _compile_unary(op: ast.USub | ast.Not, operand: Evaluate) -> Evaluate:
    if isinstance(op, ast.Not):
        return lambda environment: not operand(environment)
    return lambda environment: -operand(environment)


def _compile_boolean(values: Sequence[Evaluate], is_and: bool) -> Evaluate:
    def evaluate(environment: Environment) -> Any:
        result = None
        for value in values:
            result = value(environment)
            if bool(result) != is_and:
                break
        return result

    return evaluate


def _compile_comparison(left: Evaluate, op: ast.cmpop, right: Evaluate) -> Evaluate:
    comparison = _COMPARISONS[type(op)]
    return lambda environment: comparison(left(environment), right(environment))


def _compile_index(index: ast.expr) -> Evaluate:
    if not isinstance(index, ast.Slice):
        return _compile(index)
    parts = (index.lower, index.upper, index.step)
    lower, upper, step = (_compile(part or ast.Constant(None)) for part in parts)
    return lambda environment: slice(lower(environment), upper(environment), step(environment))


def _compile_subscript(value: Evaluate, index: Evaluate) -> Evaluate:
    return lambda environment: value(environment)[index(environment)]


def _compile_call(call: ast.Call) -> Evaluate:
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name() as target, attr="append"), args=[value], keywords=[]
        ):
            return _compile_append(_compile(target), _compile(value))
        case ast.Call(
            func=ast.Name(id="sorted"),
            args=[value],
            keywords=[ast.keyword(arg="reverse", value=ast.Constant(value=bool() as reverse))],
        ):
            values = _compile(value)
            return lambda environment: sorted(values(environment), reverse=reverse)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _BUILTINS:
            function = _BUILTINS[name]
            parts = [_compile(argument) for argument in arguments]
            return lambda environment: function(*[part(environment) for part in parts])
    raise UnsupportedCode


def _compile_append(target: Evaluate, value: Evaluate) -> Evaluate:
    def evaluate(environment: Environment) -> None:
        values = target(environment)
        element = value(environment)
        if isinstance(element, list) or (isinstance(values, list) and len(values) >= _MAX_LENGTH):
            raise UnsupportedCode
        values.append(element)

    return evaluate
