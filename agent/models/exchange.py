"""Watch the HTTP exchange of a model client: refuse redirects, limit its time, keep its reply.

Clients create their HTTP clients themselves, so `send` of httpx (and httpx2) is wrapped. The wrapper changes nothing
outside of `watch_exchange`.

- A followed redirect is another request, which no budget counts, to an address that nobody chose.
- The timeouts of HTTP clients limit the time between two bytes; `seconds` limits a whole reply. An async caller uses
  `Deadline` instead.
- Long error responses are shortened, because clients process them on the event loop.
- The JSON of a reply that a client cannot read is available to the caller.
- The log of the HTTP client has the address of each request; its credentials are removed.
"""

import functools
import importlib
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from selfcritic.agent.models.error_bodies import shorten_error
from selfcritic.agent.redaction import redact


class Exchange:
    """The latest response to a request."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        """Seconds for a whole synchronous reply; None for no limit."""
        self.response: Any = None

    def json(self) -> Any:
        """Return the JSON of a successful reply that was read completely, else None."""
        if self.response is None or not self.response.is_success:
            return None
        try:
            # RuntimeError: the response is a stream, which is read piece by piece.
            return self.response.json()
        except (ValueError, RuntimeError):
            return None

    @property
    def is_answered(self) -> bool:
        """Whether the server replied without an error status."""
        return self.response is not None and bool(self.response.is_success)


_current: ContextVar[Exchange | None] = ContextVar("current_exchange", default=None)


@contextmanager
def watch_exchange(
    seconds: float | None = None, exchange: Exchange | None = None
) -> Iterator[Exchange]:
    """Watch the requests of the block; return redirects to the clients as error responses.

    In a block that is watched already, that exchange is used.
    """
    _wrap_clients("httpx")
    if "httpx2" in sys.modules:
        _wrap_clients("httpx2")
    exchange = _current.get() or exchange or Exchange()
    if seconds is not None:
        exchange.seconds = seconds
    token = _current.set(exchange)
    try:
        yield exchange
    finally:
        _current.reset(token)


@functools.cache
def _wrap_clients(module_name: str) -> None:
    module = importlib.import_module(module_name)
    logging.getLogger(module_name).addFilter(_redact_record)
    limited_stream = _limited_stream_class(module)
    module.Client.send = _wrap_send(module.Client.send, limited_stream)
    module.AsyncClient.send = _wrap_async_send(module.AsyncClient.send)


def _redact_record(record: logging.LogRecord) -> bool:
    """Remove credentials from a log record of a watched request."""
    if _current.get() is not None:
        record.msg = redact(record.getMessage())
        record.args = ()
    return True


def _wrap_send(send: Any, limited_stream: Any) -> Any:
    @functools.wraps(send)
    def send_once(client: Any, request: Any, **options: Any) -> Any:
        exchange = _current.get()
        if exchange is None:
            return send(client, request, **options)
        is_stream = options.get("stream", False)
        options |= {"follow_redirects": False, "stream": True}
        response = send(client, request, **options)
        if exchange.seconds is not None:
            response.stream = limited_stream(response.stream, request, exchange.seconds)
        try:
            if not is_stream or not response.is_success:
                response.read()
                response = shorten_error(response)
        finally:
            if not is_stream:
                response.close()
        exchange.response = response
        return response

    return send_once


def _wrap_async_send(send: Any) -> Any:
    @functools.wraps(send)
    async def send_once(client: Any, request: Any, **options: Any) -> Any:
        exchange = _current.get()
        if exchange is None:
            return await send(client, request, **options)
        options["follow_redirects"] = False
        response = await send(client, request, **options)
        if not response.is_success:
            await response.aread()
            response = shorten_error(response)
        exchange.response = response
        return response

    return send_once


def _limited_stream_class(module: Any) -> Any:
    """Return a stream class of httpx (or httpx2) that stops after some seconds."""

    class LimitedStream(module.SyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any, request: Any, seconds: float) -> None:
            self._stream = stream
            self._request = request
            self._seconds = seconds

        def __iter__(self) -> Iterator[bytes]:
            end = time.monotonic() + self._seconds
            for part in self._stream:
                if time.monotonic() > end:
                    message = f"No complete reply within {self._seconds:g} seconds"
                    raise module.ReadTimeout(message, request=self._request)
                yield part

        def close(self) -> None:
            self._stream.close()

    return LimitedStream
