"""Use objects of the code under test, which lives in another process.

A comparison of data takes place here, with the comparison of the builtin types: the code's own `__eq__` has no part in
it. An object that is no data is asked itself, and then `RemoteCode.is_trusted` is False.
"""

import builtins
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from selfcritic.agent.sandbox.inside.codec import PLAIN_TYPES, Decoder, Encoder, dump, is_plain

_MAX_LINE_BYTES = 64_000_000
_MAX_ITEMS = 100_000
_MALFORMED = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    RecursionError,
    OverflowError,
)
_DECOYS = (b"\0", "\0", -987654321, 1.5e300, ("\0",), None)
_PLAIN_BY_NAME = {kind.__name__: kind for kind in PLAIN_TYPES}


class CodeExited(BaseException):
    """The code ended its process."""

    def __init__(self, returncode: int) -> None:
        super().__init__(returncode)
        self.returncode = returncode


class Tampered(BaseException):
    """The code sent something that is no reply."""


class Unsupported(BaseException):
    """The tests do something that needs the code in the same process."""


class RemoteCode:
    """The code under test, in its process."""

    def __init__(self, process: int, requests: BinaryIO, replies: BinaryIO) -> None:
        self._process = process
        self._requests = requests
        self._replies = replies
        self._callbacks: list[Callable[..., Any]] = []
        self._exceptions: dict[int, type[BaseException]] = {}
        self.is_trusted = True
        """Whether every verdict so far was a comparison of data."""

    def load(self, code: str, packages: Sequence[str]) -> dict[str, Any]:
        """Run the code, which can import these packages, and return the names that it defines.

        Raises:
            BaseException: What the code raised.
        """
        self.request("load", code, list(packages))
        decoder = Decoder(self._decode_object)
        self._send(["names", [], {}])
        names = self._receive()["value"]
        try:
            return {str(name): decoder.decode(value) for name, value in names}
        except _MALFORMED as error:
            raise Tampered from error

    def run_tests(self, options: Mapping[str, Any]) -> Any:
        """Let the process run the tests itself; yield its events."""
        self.is_trusted = False
        self._send({"run_tests": options})
        while True:
            message = self._receive()
            if "event" not in message:
                return
            yield message["event"]

    def request(self, operation: str, /, *arguments: Any, **named: Any) -> Any:
        """Run an operation on the code's objects and return the result.

        Raises:
            BaseException: What the code raised.
            CodeExited: The code ended its process.
            Tampered: The reply is malformed.
        """
        encoder = Encoder(self._encode_object)
        values = [encoder.encode(argument) for argument in arguments]
        named_values = {name: encoder.encode(argument) for name, argument in named.items()}
        self._send([operation, values, named_values])
        reply = self._receive()
        decoder = Decoder(self._decode_object, encoder.containers)
        result = error = None
        try:
            sys.stdout.write(reply["printed"])
            for number, content in reply["changed"]:
                decoder.fill(encoder.containers[number], content)
            if "error" in reply:
                error = self._decode_error(reply["error"])
            else:
                result = decoder.decode(reply["value"])
        except _MALFORMED as malformed:
            raise Tampered from malformed
        if error is not None:
            raise error
        return result

    def _receive(self) -> Any:
        """Return the next reply; answer the code's calls of functions of the tests."""
        while True:
            line = self._replies.readline(_MAX_LINE_BYTES)
            if not line:
                status = os.waitpid(self._process, 0)[1]
                raise CodeExited(_exit_code(status))
            try:
                message = json.loads(line)
                if not isinstance(message, dict):
                    raise TypeError("not a reply")
            except _MALFORMED as error:
                raise Tampered from error
            if "callback" not in message:
                return message
            self._call_back(message)

    def _call_back(self, message: Mapping[str, Any]) -> None:
        decoder = Decoder(self._decode_object)
        try:
            function = self._callbacks[message["callback"]]
            arguments = [decoder.decode(argument) for argument in message["arguments"]]
        except _MALFORMED as error:
            raise Tampered from error
        try:
            value = function(*arguments)
        except Exception as error:  # noqa: BLE001 - the code has to see it
            self._send({"error": f"{type(error).__name__}: {error}"})
            return
        encoder = Encoder(self._encode_object)
        self._send({"value": encoder.encode(value)})

    def _send(self, message: Any) -> None:
        try:
            self._requests.write(dump(message))
            self._requests.flush()
        except BrokenPipeError:
            pass  # `_receive` notices that the process has ended

    def _encode_object(self, value: Any) -> Any:
        if type(value) is Proxy:
            return ["handle", object.__getattribute__(value, "_handle")]
        handle = getattr(value, "_handle_", None)
        if isinstance(value, type) and handle is not None:
            return ["handle", handle]
        if hasattr(value, "__next__"):
            items = [item for item, _ in zip(value, range(_MAX_ITEMS), strict=False)]
            encoder = Encoder(self._encode_object)
            return ["iterator", [encoder.encode(item) for item in items]]
        if callable(value) and not isinstance(value, type):
            self._callbacks.append(value)
            return ["callback", len(self._callbacks) - 1]
        raise Unsupported(f"they pass an object of type {type(value).__name__} to the code")

    def _decode_object(self, data: Sequence[Any]) -> Any:
        kind, handle, name, base = data
        if kind == "exception":
            if handle not in self._exceptions:
                parent = getattr(builtins, base)
                self._exceptions[handle] = type(str(name), (parent,), {"_handle_": handle})
            return self._exceptions[handle]
        if kind != "object":
            raise ValueError("not an encoded object")
        return Proxy(self, int(handle), str(name), base)

    def _decode_error(self, error: Mapping[str, Any]) -> BaseException:
        decoder = Decoder(self._decode_object)
        kind = decoder.decode(error["class"])
        arguments = [decoder.decode(argument) for argument in error["arguments"]]
        raised: BaseException = kind.__new__(kind, *arguments)
        raised.args = tuple(arguments)
        if issubclass(kind, UnicodeError | SyntaxError | OSError):
            raised = kind(*arguments)
        for name, value in error["attributes"].items():
            setattr(raised, str(name), decoder.decode(value))
        raised._row_ = error["row"]  # type: ignore[attr-defined]
        raised._text_ = str(error["text"])  # type: ignore[attr-defined]
        return raised


class Proxy:
    """An object of the code that is no data, such as a function or an instance of a class."""

    def __init__(self, code: RemoteCode, handle: int, type_name: str, base: str | None) -> None:
        for name, value in (
            ("_code", code),
            ("_handle", handle),
            ("_type_name", type_name),
            ("_base", base),
        ):
            object.__setattr__(self, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # noqa: D105
        return _PLAIN_BY_NAME.get(object.__getattribute__(self, "_base"), Proxy)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_pytest") or (name.startswith("__") and name != "__name__"):
            raise AttributeError(name)
        return self._code.request("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._code.request("setattr", self, name, value)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._code.request("call", self, *arguments, **named)

    def __eq__(self, other: object) -> Any:
        if self._base is not None and type(other) is not Proxy:
            return self._data() == other
        self._code.is_trusted = False
        is_equal = self._code.request("eq", self, other)
        if is_equal is not True or type(other) is Proxy or not is_plain(other):
            return is_equal
        # An object that equals everything is no right answer.
        return not any(self._code.request("eq", self, decoy) is True for decoy in _DECOYS)

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

    def __exit__(self, *_: object) -> bool:
        return self._code.request("exit", self, None, None, None) is True

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
    unary = "abs bool complex enter float index int invert iter len neg next pos reversed round"
    other = "contains delitem getitem setitem le lt ge gt"
    for name in unary.split() + other.split():
        if f"__{name}__" not in vars(Proxy):
            setattr(Proxy, f"__{name}__", _operator(name))
    arithmetic = "add sub mul truediv floordiv mod matmul pow and or xor lshift rshift"
    for name in arithmetic.split():
        operation = f"{name}_" if name in ("and", "or") else name
        setattr(Proxy, f"__{name}__", _operator(operation))
        setattr(Proxy, f"__r{name}__", _operator(operation, is_reflected=True))


def _operator(name: str, *, is_reflected: bool = False) -> Callable[..., Any]:
    is_verdict = name in ("contains", "le", "lt", "ge", "gt")

    def run(proxy: Proxy, *arguments: Any) -> Any:
        code = object.__getattribute__(proxy, "_code")
        if is_verdict:
            code.is_trusted = False
        if is_reflected:
            return code.request(name, *arguments, proxy)
        return code.request(name, proxy, *arguments)

    return run


_define_operators()


def type_name(value: object) -> str:
    """Return the name of a value's class; of the code's class for a proxy."""
    if type(value) is Proxy:
        return str(object.__getattribute__(value, "_type_name"))
    return type(value).__name__


def start_process(serve: Callable[[BinaryIO, BinaryIO], None]) -> RemoteCode:
    """Fork a process that serves requests and has no other open files."""
    request_reader, request_writer = os.pipe()
    reply_reader, reply_writer = os.pipe()
    process = os.fork()
    if not process:
        os.close(request_writer)
        os.close(reply_reader)
        with open(os.devnull, "r+b", buffering=0) as null:
            for number in range(3):
                os.dup2(null.fileno(), number)
        serve(open(request_reader, "rb"), open(reply_writer, "wb"))
        os._exit(0)
    os.close(request_reader)
    os.close(reply_writer)
    return RemoteCode(process, open(request_writer, "wb"), open(reply_reader, "rb"))


def _exit_code(status: int) -> int:
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)
