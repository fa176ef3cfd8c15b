"""Exchange values between the tests and the code as JSON.

Plain data travels by value, with shared and cyclic references intact. All else stays where it is and travels as a
handle. Nothing is unpickled, and no class is looked up by a name that the code chose.
"""

import builtins
import datetime
import fractions
import importlib
import json
import pathlib
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from types import BuiltinFunctionType
from typing import Any

PLAIN_TYPES = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    bytearray,
    list,
    tuple,
    set,
    frozenset,
    dict,
    range,
    Decimal,
    fractions.Fraction,
    datetime.date,
    datetime.datetime,
    datetime.timedelta,
    type(pathlib.Path()),
)
"""Types that travel by value; instances of their subclasses do not."""

LIBRARY_ERRORS = {
    ("decimal", "DivisionByZero"),
    ("decimal", "InvalidOperation"),
    ("json.decoder", "JSONDecodeError"),
    ("re", "PatternError"),
    ("re", "error"),
    ("statistics", "StatisticsError"),
}
"""Exceptions of modules that tests can import in their own process."""

_MAX_JSON_INT = 2**53
_CONTAINERS = {
    "bytearray": bytearray,
    "dict": dict,
    "frozenset": frozenset,
    "list": list,
    "set": set,
    "tuple": tuple,
}
_MUTABLE = (list, set, dict, bytearray)
_BUILTIN_NAMES = {
    value: name
    for name, value in vars(builtins).items()
    if isinstance(value, type) or name in ("abs", "len", "max", "min", "sorted", "sum", "repr")
}


def dump(message: Any) -> bytes:
    """Return a message as a line."""
    return json.dumps(message).encode("ascii") + b"\n"


class Encoder:
    """Encode values; the containers among them get numbers."""

    def __init__(self, encode_object: Callable[[Any], Any], known: Iterable[Any] = ()) -> None:
        """`encode_object` encodes what is no data; `known` containers have numbers on the other side."""
        self._encode_object = encode_object
        self.containers: list[Any] = list(known)
        self._numbers = {id(value): number for number, value in enumerate(self.containers)}

    def encode(self, value: Any) -> Any:
        """Return the value as JSON data."""
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind is int:
            return value if abs(value) < _MAX_JSON_INT else ["int", hex(value)]
        if kind in _CONTAINERS.values():
            return self._encode_container(value)
        scalar = _encode_scalar(value)
        return scalar if scalar is not None else self._encode_object(value)

    def encode_content(self, value: Any) -> Any:
        """Return the items of a container as JSON data."""
        if type(value) is bytearray:
            return value.hex()
        if type(value) is dict:
            return [[self.encode(key), self.encode(item)] for key, item in value.items()]
        return [self.encode(item) for item in value]

    def _encode_container(self, value: Any) -> Any:
        number = self._numbers.get(id(value))
        if number is not None:
            return ["ref", number]
        number = len(self.containers)
        self._numbers[id(value)] = number
        self.containers.append(value)  # also keeps its id from being used again
        return [type(value).__name__, number, self.encode_content(value)]


def _encode_scalar(value: Any) -> Any:
    kind = type(value)
    if kind is float:
        return ["float", value.hex()]
    if kind is bytes:
        return ["bytes", value.hex()]
    if kind is complex:
        return ["complex", value.real.hex(), value.imag.hex()]
    if kind is range:
        return ["range", value.start, value.stop, value.step]
    if isinstance(value, type | BuiltinFunctionType) and value in _BUILTIN_NAMES:
        return ["builtin", _BUILTIN_NAMES[value]]
    return _encode_scalar_of_library(value)


def _encode_scalar_of_library(value: Any) -> Any:
    kind = type(value)
    if kind in (Decimal, fractions.Fraction):
        return [kind.__name__, str(value)]
    if kind in (datetime.date, datetime.datetime):
        return [kind.__name__, value.isoformat()]
    if kind is datetime.timedelta:
        return ["timedelta", value.days, value.seconds, value.microseconds]
    if kind is type(pathlib.Path()):
        return ["path", str(value)]
    if kind is slice and all(type(part) in (int, type(None)) for part in _parts(value)):
        return ["slice", *_parts(value)]
    if isinstance(value, type) and (value.__module__, value.__name__) in LIBRARY_ERRORS:
        return ["library", value.__module__, value.__name__]
    return None


def _parts(value: slice) -> tuple[Any, Any, Any]:
    return value.start, value.stop, value.step


_SCALARS: dict[str, Callable[..., Any]] = {
    "int": lambda text: int(text, 16),
    "float": float.fromhex,
    "bytes": bytes.fromhex,
    "complex": lambda real, imag: complex(float.fromhex(real), float.fromhex(imag)),
    "path": pathlib.Path,
    "range": range,
    "slice": slice,
    "Decimal": Decimal,
    "Fraction": fractions.Fraction,
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "timedelta": datetime.timedelta,
}


class Decoder:
    """Decode values that an `Encoder` on the other side encoded."""

    def __init__(self, decode_object: Callable[[Any], Any], known: Iterable[Any] = ()) -> None:
        self._decode_object = decode_object
        self.containers: dict[int, Any] = dict(enumerate(known))

    def decode(self, data: Any) -> Any:
        """Return the value.

        Raises:
            ValueError, TypeError, KeyError, IndexError, RecursionError: The data is malformed.
        """
        if not isinstance(data, list):
            if isinstance(data, dict | float):
                raise TypeError("not an encoded value")
            return data
        kind, *arguments = data
        if kind == "ref":
            return self.containers[arguments[0]]
        if kind == "builtin":
            return self._decode_builtin(*arguments)
        if kind == "library":
            return _decode_library_error(*arguments)
        if kind in _SCALARS:
            return _SCALARS[kind](*arguments)
        if kind in _CONTAINERS:
            return self._decode_container(kind, *arguments)
        return self._decode_object(data)

    def fill(self, container: Any, content: Any) -> None:
        """Replace the items of a mutable container."""
        if isinstance(container, bytearray):
            container[:] = bytes.fromhex(content)
        elif isinstance(container, list):
            container[:] = [self.decode(item) for item in content]
        elif isinstance(container, set):
            members = {self.decode(item) for item in content}
            container.clear()
            container.update(members)
        elif isinstance(container, dict):
            pairs = [(self.decode(key), self.decode(item)) for key, item in content]
            container.clear()
            container.update(pairs)

    def _decode_container(self, kind: str, number: int, content: Any) -> Any:
        if kind in ("tuple", "frozenset"):
            items = [self.decode(item) for item in content]
            self.containers[number] = _CONTAINERS[kind](items)
        else:
            self.containers[number] = _CONTAINERS[kind]()
            self.fill(self.containers[number], content)
        return self.containers[number]

    @staticmethod
    def _decode_builtin(name: str) -> Any:
        value = getattr(builtins, name)
        if value not in _BUILTIN_NAMES:
            raise ValueError("not a builtin that is exchanged")
        return value


def _decode_library_error(module: str, name: str) -> Any:
    if (module, name) not in LIBRARY_ERRORS:
        raise ValueError("not an exception that is exchanged")
    return getattr(importlib.import_module(module), name)


def is_plain(value: Any) -> bool:
    """Return whether a value is data all through."""
    if type(value) not in PLAIN_TYPES:
        return False
    if isinstance(value, dict):
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return all(is_plain(item) for item in value)
    return True


def mutable_containers(encoder: Encoder) -> list[tuple[int, Any]]:
    """Return the numbered containers that a call can change."""
    return [
        (number, value)
        for number, value in enumerate(encoder.containers)
        if type(value) in _MUTABLE
    ]


def allow_long_numbers() -> None:
    """Allow numbers of any length in messages and tests."""
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
