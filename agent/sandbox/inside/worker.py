"""Run the code under test in a process that knows neither the tests nor their report.

The process reads requests from one pipe and writes replies to another. Both are lines of JSON.
"""

import copy
import io
import json
import operator
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from selfcritic.agent.sandbox.inside.codec import (
    PLAIN_TYPES,
    Decoder,
    Encoder,
    dump,
    is_plain,
    mutable_containers,
)

CODE_FILE = "<draft>"
MAX_TEXT_CHARS = 400
_MAX_PRINTED_CHARS = 100_000
_MUTABLE = (list, dict, set, bytearray)


def _exit(manager: Any, kind: type[BaseException] | None, arguments: Sequence[Any]) -> bool:
    error = None
    if kind is not None:
        error = kind.__new__(kind, *arguments)  # the code's __init__ may need other arguments
        error.args = tuple(arguments)
    return bool(type(manager).__exit__(manager, kind, error, None))


_OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in operator.__all__},
    "bool": bool,
    "bytes": bytes,
    "call": lambda function, *arguments, **named: function(*arguments, **named),
    "callable": callable,
    "complex": complex,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "divmod": divmod,
    "enter": lambda manager: type(manager).__enter__(manager),
    "exit": _exit,
    "float": float,
    "format": format,
    "getattr": getattr,
    "hash": hash,
    "int": int,
    "is_instance": isinstance,
    "iter": iter,
    "len": len,
    "next": next,
    "repr": repr,
    "reversed": reversed,
    "round": round,
    "setattr": setattr,
    "str": str,
}


class Server:
    """Holds the code's objects, and answers requests about them."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies
        self._objects: list[Any] = []
        self._handles: dict[int, int] = {}
        self._printed = io.StringIO()
        self.module = types.ModuleType("draft")
        self._operations: dict[str, Callable[..., Any]] = {
            **_OPERATIONS,
            "data": self._data,
            "global": lambda name: getattr(self.module, name),
            "load": self._load,
            "names": self._names,
        }

    def serve(self) -> None:
        """Answer requests until the other side is gone."""
        sys.stdin = io.StringIO()
        sys.stdout = self._printed
        sys.modules["draft"] = self.module
        while True:
            request = self._read()
            if isinstance(request, dict):
                self._run_tests(request["run_tests"])
            else:
                self._answer(*request)

    def _run_tests(self, options: Mapping[str, Any]) -> None:
        """Run tests beside the code, in this process."""
        from selfcritic.agent.sandbox.inside.engine import run_tests

        process = os.getpid()

        def report(event: Mapping[str, Any]) -> None:
            if os.getpid() != process:  # a forked child of the code returned here
                os._exit(0)
            self._write({"event": event})

        run_tests(options, vars(self.module), self.module, report)
        self._write({"value": None, "changed": [], "printed": ""})

    def _answer(self, operation: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> None:
        process = os.getpid()
        decoder = Decoder(self._decode_object)
        values = [decoder.decode(argument) for argument in arguments]
        named_values = {name: decoder.decode(argument) for name, argument in named.items()}
        known = [decoder.containers[number] for number in range(len(decoder.containers))]
        reply: dict[str, Any] = {}
        result = error = None
        try:
            result = self._operations[operation](*values, **named_values)
        except BaseException as raised:  # noqa: BLE001 - every error is a result
            error = raised
        if os.getpid() != process:
            os._exit(0)
        encoder = Encoder(self._encode_object, known)
        try:
            reply["changed"] = [
                [number, encoder.encode_content(value)]
                for number, value in mutable_containers(encoder)
            ]
            if error is not None:
                reply["error"] = self._encode_error(error)
            elif operation in ("getattr", "global") and type(result) in _MUTABLE:
                reply["value"] = self._encode_object(result)
            elif operation == "names":
                reply["value"] = result
            else:
                reply["value"] = encoder.encode(result)
        except RecursionError as deep:
            reply = {"changed": [], "error": self._encode_error(deep)}
        reply["printed"] = self._take_printed()
        self._write(reply)

    def _load(self, code: str, packages: Sequence[str]) -> None:
        sys.path += packages
        exec(compile(code, CODE_FILE, "exec", dont_inherit=True), vars(self.module))  # noqa: S102 - sandboxed

    def _names(self) -> list[list[Any]]:
        names = []
        encoder = Encoder(self._encode_object)
        for name, value in list(vars(self.module).items()):
            if not name.startswith("__"):
                is_mutable = type(value) in _MUTABLE
                encoded = self._encode_object(value) if is_mutable else encoder.encode(value)
                names.append([name, encoded])
        return names

    @staticmethod
    def _data(value: Any) -> Any:
        """Return the plain value of a container, or of an instance of a plain type's subclass."""
        base = _plain_base(value)
        if base is None:
            return value.item()  # a number of NumPy
        return base(value)

    def _encode_object(self, value: Any) -> Any:
        handle = self._handles.setdefault(id(value), len(self._objects))
        if handle == len(self._objects):
            self._objects.append(value)
        if isinstance(value, type) and issubclass(value, BaseException):
            errors = [base for base in value.__bases__ if issubclass(base, BaseException)]
            bases = [Encoder(self._encode_object).encode(base) for base in errors]
            return ["exception", handle, value.__name__, bases]
        return ["object", handle, type(value).__name__, _plain_base_name(value)]

    def _decode_object(self, data: Sequence[Any]) -> Any:
        kind, argument, *names = data
        if kind == "handle":
            return self._objects[argument]
        if kind == "iterator":
            return iter([Decoder(self._decode_object).decode(item) for item in argument])

        def call(*arguments: Any, **named: Any) -> Any:
            return self._call_back(argument, arguments, named)

        call.__name__, call.__doc__ = names
        call.__qualname__ = call.__name__
        return call

    def _call_back(self, number: int, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Call a function of the tests; answer requests until it returns."""
        encoder = Encoder(self._encode_object)
        call = {
            "callback": number,
            "arguments": [encoder.encode(item) for item in arguments],
            "named": {name: encoder.encode(item) for name, item in named.items()},
        }
        self._write(call)
        while True:
            message = self._read()
            if isinstance(message, list):
                self._answer(*message)
            else:
                break
        decoder = Decoder(self._decode_object)
        if "error" in message:
            kind = decoder.decode(message["error"])
            raise kind(*[decoder.decode(argument) for argument in message["arguments"]])
        return decoder.decode(message["value"])

    def _encode_error(self, error: BaseException) -> Mapping[str, Any]:
        text = ""
        with suppress(Exception):  # the code can define its own __str__
            text = str(error)[:MAX_TEXT_CHARS]
        encoder = Encoder(self._encode_object)
        arguments: list[Any] = [text] if text else []
        if type(error).__module__ == "builtins" and is_plain(error.args):
            arguments = [encoder.encode(argument) for argument in error.args]
        attributes = {}
        if type(error).__module__ != "builtins":
            attributes = {
                name: encoder.encode(value)
                for name, value in vars(error).items()
                if is_plain(value)
            }
        return {
            "class": encoder.encode(type(error)),
            "arguments": arguments,
            "attributes": attributes,
            "row": row_in_code(error),
            "text": error.msg if isinstance(error, SyntaxError) else text,
        }

    def _take_printed(self) -> str:
        printed = ""
        with suppress(ValueError):
            printed = self._printed.getvalue()[:_MAX_PRINTED_CHARS]
            self._printed.seek(0)
            self._printed.truncate()
        return printed

    def _read(self) -> Any:
        line = self._requests.readline()
        if not line:
            os._exit(0)
        return json.loads(line)

    def _write(self, message: Mapping[str, Any]) -> None:
        self._replies.write(dump(message))
        self._replies.flush()


def row_in_code(error: BaseException) -> int | None:
    """Return the last row of the code that an error passed through."""
    if isinstance(error, SyntaxError) and error.filename == CODE_FILE:
        return error.lineno
    row = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == CODE_FILE:
            row = trace.tb_lineno
        trace = trace.tb_next
    return row


def _plain_base(value: Any) -> Any:
    kind = type(value)
    if kind in _MUTABLE:
        return kind
    for base in kind.__mro__:
        if base in PLAIN_TYPES and base is not object:
            return base
    return None


def _plain_base_name(value: Any) -> str | None:
    base = _plain_base(value)
    if base is not None:
        return str(base.__name__)
    is_number = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    return "number" if is_number else None
