"""Represent objects of the code under test, which live in another process."""

import builtins
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from selfcritic.agent.sandbox.inside.codec import PLAIN_TYPES, is_plain

# Values that no right answer equals.
_DECOYS = (b"\0", "\0", -987654321, 1.5e300, ("\0",), None)
_NUMBER_DECOYS = (-987654321, 987654321)
_NUMBERS = (int, float)
_OPPOSITES = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
_PLAIN_BY_NAME = {kind.__name__: kind for kind in PLAIN_TYPES}


class Code(Protocol):
    """What a proxy needs of `RemoteCode`."""

    is_trusted: bool

    def request(self, operation: str, /, *arguments: Any, **named: Any) -> Any:
        """Run an operation on the code's objects and return the result."""


class Proxy:
    """An object of the code that is no data, such as a function or an instance of a class."""

    def __init__(self, code: Code, handle: int, type_name: str, base: str | None) -> None:
        for name, value in (
            ("_code", code),
            ("_handle", handle),
            ("_type_name", type_name),
            ("_base", base),
            ("_is_global", False),
        ):
            object.__setattr__(self, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return _PLAIN_BY_NAME.get(object.__getattribute__(self, "_base"), Proxy)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_pytest") or (name.startswith("__") and name != "__name__"):
            raise AttributeError(name)
        return self._code.request("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._code.request("setattr", self, name, value)

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: D102
        if (arguments or named) and not self._is_global:
            self._code.is_trusted = False
        return self._code.request("call", self, *arguments, **named)

    def __eq__(self, other: object) -> Any:
        if self._base is not None and type(other) is not Proxy:
            return self._data() == other
        self._code.is_trusted = False
        is_equal = self._code.request("eq", self, other)
        if is_equal is not True or type(other) is Proxy or not is_plain(other):
            return is_equal
        return not self._holds_for_decoys("eq")

    def __contains__(self, item: object) -> bool:
        self._code.is_trusted = False
        if self._code.request("contains", self, item) is not True:
            return False
        return self._base is not None or not self._holds_for_decoys("contains")

    def _holds_for_decoys(self, operation: str) -> bool:
        """Return whether a comparison also holds for values that no right answer equals."""
        for decoy in _DECOYS:
            with suppress(Exception):  # the code need not know how to compare them
                if self._code.request(operation, self, decoy) is True:
                    return True
        return False

    def __ne__(self, other: object) -> Any:
        is_equal = self == other
        return not is_equal if isinstance(is_equal, bool) else self._code.request("ne", self, other)

    def __hash__(self) -> int:
        return int(self._code.request("hash", self))

    def __bool__(self) -> bool:
        self._code.is_trusted = False
        return self._code.request("bool", self) is True

    def __instancecheck__(self, value: object) -> bool:
        self._code.is_trusted = False
        return self._code.request("is_instance", value, self) is True

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if error is None:
            return self._code.request("exit", self, None, ()) is True
        arguments = error.args if is_plain(error.args) else (str(error),)
        return self._code.request("exit", self, known_class(error), arguments) is True

    def __copy__(self) -> Any:
        return self._code.request("copy", self)

    def __deepcopy__(self, _: object) -> Any:
        return self._code.request("deepcopy", self)

    def __format__(self, specification: str) -> str:
        return str(self._code.request("format", self, specification))

    def __repr__(self) -> str:
        return str(self._code.request("repr", self))

    def __str__(self) -> str:
        return str(self._code.request("str", self))

    def _data(self) -> Any:
        data = self._code.request("data", self)
        if not is_plain(data):
            self._code.is_trusted = False
        return data


def _define_operators() -> None:
    """Give proxies the operators of Python's data model."""
    names = "abs bytes complex enter float index int invert iter len neg next pos reversed round"
    for name in f"{names} delitem getitem setitem".split():
        setattr(Proxy, f"__{name}__", _operator(name))
    for name, opposite in _OPPOSITES.items():
        setattr(Proxy, f"__{name}__", _order(name, opposite))
    arithmetic = "add sub mul truediv floordiv mod matmul pow and or xor lshift rshift"
    for name in arithmetic.split():
        setattr(Proxy, f"__i{name}__", _operator(f"i{name}"))
    for name in f"{arithmetic} divmod".split():
        operation = f"{name}_" if name in ("and", "or") else name
        setattr(Proxy, f"__{name}__", _operator(operation))
        setattr(Proxy, f"__r{name}__", _operator(operation, is_reflected=True))
    for name in ("__sub__", "__rsub__"):
        setattr(Proxy, name, _difference(getattr(Proxy, name)))


def _operator(name: str, *, is_reflected: bool = False) -> Callable[..., Any]:
    def run(proxy: Proxy, *arguments: Any) -> Any:
        code = object.__getattribute__(proxy, "_code")
        if arguments:
            code.is_trusted = False
        if is_reflected:
            return code.request(name, *arguments, proxy)
        return code.request(name, proxy, *arguments)

    return run


def _difference(subtract: Callable[[Proxy, Any], Any]) -> Callable[[Proxy, Any], Any]:
    """Return a subtraction that gives NaN for an object whose difference from all numbers is the same."""

    def run(proxy: Proxy, other: Any) -> Any:
        result = subtract(proxy, other)
        if type(other) not in _NUMBERS or type(result) not in _NUMBERS or not math.isfinite(result):
            return result
        for decoy in _NUMBER_DECOYS:
            try:
                difference = subtract(proxy, decoy)
            except Exception:  # noqa: BLE001 - the code need not accept all numbers
                return result
            if type(difference) not in _NUMBERS or difference != result:
                return result
        return math.nan

    return run


def _order(name: str, opposite: str) -> Callable[[Proxy, object], Any]:
    def compare(proxy: Proxy, other: object) -> Any:
        code = object.__getattribute__(proxy, "_code")
        code.is_trusted = False
        result = code.request(name, proxy, other)
        if result is not True or type(other) is Proxy:
            return result
        # An object for which every comparison holds is no right answer.
        with suppress(Exception):  # the code need not define both
            return code.request(opposite, proxy, other) is not True
        return True

    return compare


_define_operators()


def mark_global(value: Any) -> Any:
    """Mark what a name of the code's module refers to; its calls are what tests test."""
    if type(value) is Proxy:
        object.__setattr__(value, "_is_global", True)
    return value


def is_callable(value: object) -> bool:
    """Do what `callable` does: all proxies have `__call__`."""
    if type(value) is Proxy:
        code = object.__getattribute__(value, "_code")
        return code.request("callable", value) is True
    return callable(value)


def known_class(error: BaseException) -> type[BaseException]:
    """Return the nearest class of an error that the code knows, too."""
    for kind in type(error).__mro__:
        if hasattr(kind, "_handle_") or vars(builtins).get(kind.__name__) is kind:
            return kind
    return Exception


def type_name(value: object) -> str:
    """Return the name of a value's class; of the code's class for a proxy."""
    if type(value) is Proxy:
        return str(object.__getattribute__(value, "_type_name"))
    return type(value).__name__
