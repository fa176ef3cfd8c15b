"""Use objects of the code under test, which lives in another process.

A comparison of data takes place here, with the comparison of the builtin types: the code's own `__eq__` has no part in
it. An object that is no data is asked itself, and then `RemoteCode.is_trusted` is False.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from selfcritic.agent.sandbox.inside.codec import Decoder, Encoder, dump, is_plain
from selfcritic.agent.sandbox.inside.proxy import Proxy, known_class, mark_global

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
            return {str(name): mark_global(decoder.decode(value)) for name, value in names}
        except _MALFORMED as error:
            raise Tampered from error

    def read(self, name: str) -> Any:
        """Return the current value of a name that the code defines."""
        return mark_global(self.request("global", name))

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
            named = {name: decoder.decode(value) for name, value in message["named"].items()}
        except _MALFORMED as error:
            raise Tampered from error
        try:
            value = function(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - the code has to see it
            self._send(self._encode_error(error))
            return
        encoder = Encoder(self._encode_object)
        self._send({"value": encoder.encode(value)})

    def _encode_error(self, error: Exception) -> Mapping[str, Any]:
        encoder = Encoder(self._encode_object)
        arguments = error.args if is_plain(error.args) else (str(error),)
        encoded = [encoder.encode(argument) for argument in arguments]
        return {"error": encoder.encode(known_class(error)), "arguments": encoded}

    def _send(self, message: Any) -> None:
        with suppress(BrokenPipeError):  # `_receive` notices that the process has ended
            self._requests.write(dump(message))
            self._requests.flush()

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
            name = str(getattr(value, "__name__", "<lambda>"))
            return ["callback", len(self._callbacks) - 1, name, getattr(value, "__doc__", None)]
        raise Unsupported(f"they pass an object of type {type(value).__name__} to the code")

    def _decode_object(self, data: Sequence[Any]) -> Any:
        kind, handle, name, base = data
        if kind == "exception":
            if handle not in self._exceptions:
                bases = [Decoder(self._decode_object).decode(each) for each in base]
                self._exceptions[handle] = _mirror_exception(str(name), bases, handle)
            return self._exceptions[handle]
        if kind != "object":
            raise ValueError("not an encoded object")
        return Proxy(self, int(handle), str(name), base)

    def _decode_error(self, error: Mapping[str, Any]) -> BaseException:
        decoder = Decoder(self._decode_object)
        kind = decoder.decode(error["class"])
        if not issubclass(kind, Exception | SystemExit):
            kind = _mirror_exception(kind.__name__, [Exception], None)
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


def _mirror_exception(
    name: str, bases: Sequence[type[BaseException]], handle: int | None
) -> type[BaseException]:
    """Return a class for a class of the code, derived from the mirrored and built-in bases.

    A KeyboardInterrupt of the code must not stop the tests, so that classes without the base Exception get it.
    """
    allowed = [base for base in bases if issubclass(base, Exception | SystemExit)]
    return type(name, tuple(allowed) or (Exception,), {"_handle_": handle})


def start_process(serve: Callable[[BinaryIO, BinaryIO], None]) -> RemoteCode:
    """Fork a process that serves requests and has no other open files."""
    request_reader, request_writer = os.pipe()
    reply_reader, reply_writer = os.pipe()
    process = os.fork()
    if not process:
        os.close(request_writer)
        os.close(reply_reader)
        discard_streams()
        serve(os.fdopen(request_reader, "rb"), os.fdopen(reply_writer, "wb"))
        os._exit(0)
    os.close(request_reader)
    os.close(reply_writer)
    return RemoteCode(process, os.fdopen(request_writer, "wb"), os.fdopen(reply_reader, "rb"))


def discard_streams() -> None:
    """Replace the standard streams by the null device."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    os.close(null)


def _exit_code(status: int) -> int:
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)
