"""Fake OpenAI-compatible server on 127.0.0.1.

It simulates the failures of a provider, and counts all requests and tokens.

    with FakeProvider("some text", faults=[Fault("status", 429, retry_after=0.2), None]) as provider:
        ...  # use provider.url with any key
    assert provider.calls() == 2 and provider.usage().output == 2

Each request takes the next item of `faults` (None for no fault). Otherwise, a fault from `mix` occurs with probability
`fault_rate`.
"""

import asyncio
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Self

from aiohttp import web

from tests.support import completions, tool_calls
from tests.support.completions import Body

FaultKind = Literal[
    "status",
    "reset",
    "hang",
    "drip",
    "truncated",
    "invalid_json",
    "no_choices",
    "null",
    "refusal",
    "filtered",
    "huge",
]
Support = Literal["honor", "ignore", "reject"]
Reply = Callable[[list[Body], int], str | float | None]


_reserved_sockets: list[socket.socket] = []
"""Bound but not listening, so that no server of another test is given their ports."""
_used_ports: set[int] = set()
"""Ports of earlier servers: clients are cached by address, and would send to closed connections."""


@dataclass(frozen=True)
class Fault:
    """A failure; `message` may contain {key}, the API key of the request."""

    kind: FaultKind
    status: int = 200
    retry_after: float | str | None = None
    message: str = ""
    location: str | None = None
    """Target of a redirect."""
    body: str | None = None
    """JSON that replaces the error in OpenAI's format."""


BAD_KEY = Fault("status", 401, message="Incorrect API key provided: {key}.")
FORBIDDEN = Fault("status", 403, message="The key {key} may not use this model.")
NO_SUCH_MODEL = Fault(
    "status", 404, message="The model does not exist or you do not have access to it."
)
TOO_LONG = Fault(
    "status",
    400,
    message="This model's maximum context length is 8 tokens. Please reduce the length of the messages.",
)
TRANSIENT = (
    *(Fault("status", status) for status in (429, 500, 502, 503)),
    Fault("status", 429, retry_after=0.01),
    *(Fault(kind) for kind in ("reset", "truncated", "invalid_json", "no_choices", "null")),
)
"""Faults after which the same request may succeed."""


@dataclass(frozen=True)
class Tokens:
    """Token counts of one or more replies."""

    input: int = 0
    output: int = 0
    cached: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(
            self.input + other.input, self.output + other.output, self.cached + other.cached
        )


@dataclass
class Received:
    """A request, with the tokens of its reply if it was sent completely."""

    body: Body
    headers: dict[str, str]
    time: float
    fault: Fault | None
    tokens: Tokens | None = None


def _any_request(received: Received) -> bool:
    return True


class FakeProvider:
    """Server that runs in a thread; use it as a context manager."""

    def __init__(
        self,
        reply: str | float | Reply = "It is so.",
        *,
        faults: Iterable[Fault | None] = (),
        fault_rate: float = 0.0,
        mix: Sequence[Fault] = TRANSIENT,
        seed: int = 0,
        latency: float = 0.0,
        n: Support = "honor",
        logprobs: Support = "honor",
        prefix: Support = "honor",
        rejects_with: int = 400,
        cached_share: float = 0.0,
        deltas: Sequence[Body] = (),
        models: Sequence[str | Body] | None = None,
    ) -> None:
        """Set the reply: a text, P(Yes) of a verdict, or a function.

        The function gets the messages and the number of earlier replies. It may return None for a choice without
        content. `deltas` replace the content of streams. `models` are listed at /v1/models, which is missing if None.
        """
        self.models = models
        self.reply: Reply = reply if callable(reply) else lambda messages, index: reply
        self.faults = iter(faults)
        self.fault_rate = fault_rate
        self.mix = mix
        self.rng = random.Random(seed)
        self.latency = latency
        self.rejects_with = rejects_with
        self.cached_share = cached_share
        self.deltas = deltas
        self.support: dict[str, Support] = {"n": n, "logprobs": logprobs, "prefix": prefix}
        self.received: list[Received] = []
        self.peak = 0
        """Maximum number of requests in flight."""
        self._in_flight = 0
        self._reply_count = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def calls(self, where: Callable[[Received], bool] = _any_request) -> int:
        """Count the matching requests."""
        return sum(1 for received in self.received if where(received))

    def usage(self, where: Callable[[Received], bool] = _any_request) -> Tokens:
        """Sum the tokens of matching requests with complete replies."""
        total = Tokens()
        for received in self.received:
            if received.tokens and where(received):
                total += received.tokens
        return total

    @property
    def in_flight(self) -> int:
        """Number of requests whose client waits for the reply."""
        return self._in_flight

    @property
    def waits(self) -> list[float]:
        """Seconds between each request and the next."""
        return [second.time - first.time for first, second in pairwise(self.received)]

    @staticmethod
    def refused_port() -> int:
        """Return a new port where nothing listens as long as this process lives."""
        reserved = socket.socket()
        reserved.bind(("127.0.0.1", 0))
        _reserved_sockets.append(reserved)
        return int(reserved.getsockname()[1])

    async def _open(self) -> str:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._handle)
        app.router.add_get("/v1/models", self._list_models)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.05, access_log=None
        )
        await self._runner.setup()
        return f"http://127.0.0.1:{await self._listen()}/v1"

    async def _listen(self) -> int:
        """Listen on a port that no earlier server of this process had."""
        while True:
            site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=2048)
            await site.start()
            port = int(self._runner.addresses[0][1])
            if port not in _used_ports:
                _used_ports.add(port)
                return port
            await site.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        now = time.monotonic()
        fault = self._next_fault()
        received = Received(await request.json(), dict(request.headers), now, fault)
        self.received.append(received)
        self._in_flight += 1
        self.peak = max(self.peak, self._in_flight)
        try:
            await asyncio.sleep(3600 if fault and fault.kind == "hang" else self.latency)
            return await self._answer(request, received)
        except (ConnectionError, asyncio.CancelledError):  # the client disconnected
            received.tokens = None
            raise
        finally:
            self._in_flight -= 1

    async def _list_models(self, request: web.Request) -> web.Response:
        del request
        if self.models is None:
            raise web.HTTPNotFound
        entries = [{"id": entry} if isinstance(entry, str) else entry for entry in self.models]
        return web.json_response({"object": "list", "data": entries})

    def _next_fault(self) -> Fault | None:
        fault = next(self.faults, None)
        if fault is None and self.rng.random() < self.fault_rate:
            fault = self.rng.choice(self.mix)
        return fault

    async def _answer(self, request: web.Request, received: Received) -> web.StreamResponse:
        body = received.body
        kind = received.fault.kind if received.fault else None
        if received.fault and kind == "status":
            key = request.headers.get("Authorization", "").removeprefix("Bearer ")
            return error_response(received.fault, key)
        rejected = [name for name in completions.extras(body) if self.support[name] == "reject"]
        if rejected:
            message = f"Unsupported parameter: '{rejected[0]}'."
            return error_response(Fault("status", self.rejects_with, message=message))
        completion, tokens = self._complete(body, kind)
        is_stream = bool(body.get("stream"))
        text = (
            completions.events(completion, body, self.deltas)
            if is_stream
            else json.dumps(completion)
        )
        sent = completions.first_half(text) if kind in _BROKEN else text
        if kind == "invalid_json":
            sent += _GARBLED
        response = web.StreamResponse(
            headers={"Content-Type": _STREAM if is_stream else "application/json"}
        )
        if kind in ("reset", "truncated") and not is_stream:
            response.content_length = len(text)
        await response.prepare(request)
        # Set before the write: the client's thread may read the reply immediately.
        received.tokens = None if kind in _BROKEN else tokens
        if kind == "drip":
            await _drip(response, sent.encode())
        await response.write(sent.encode())
        if kind == "reset" or (kind == "truncated" and not is_stream):
            _hang_up(request, reset=kind == "reset")
            return response
        await response.write_eof()
        return response

    def _complete(self, body: Body, kind: FaultKind | None) -> tuple[Body, Tokens]:
        """Return the whole completion and its tokens."""
        extras = completions.extras(body)
        count = body.get("n", 1) if self.support["n"] == "honor" else 1
        if kind == "no_choices":
            count = 0
        choices = [self._choice(body, extras, kind, index) for index in range(count)]
        input_tokens = sum(
            completions.count_tokens(str(message.get("content"))) for message in body["messages"]
        )
        output_tokens = sum(
            completions.count_tokens(choice["message"]["content"] or "") for choice in choices
        )
        tokens = Tokens(input_tokens, output_tokens, int(input_tokens * self.cached_share))
        usage = {
            "prompt_tokens": input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
            "prompt_tokens_details": {"cached_tokens": tokens.cached},
        }
        completion = {
            "id": f"chatcmpl-{len(self.received)}",
            "created": int(time.time()),
            "model": body["model"],
            "object": "chat.completion",
            "choices": choices,
            "usage": usage,
        }
        return completion, tokens

    def _choice(self, body: Body, extras: set[str], kind: FaultKind | None, index: int) -> Body:
        reply = self.reply(body["messages"], self._reply_count)
        self._reply_count += 1
        text = tool_calls.structured_text(body) or completions.reply_text(reply)
        if "prefix" in extras and self.support["prefix"] == "honor":
            text = text.removeprefix(body["messages"][-1]["content"])
        text = completions.stop_text(text, body.get("stop"))
        if kind == "huge":
            text = "".join(f"{number:01023} " for number in range(2**10))
        message: Body = {"role": "assistant", "content": text}
        if reply is None or kind in ("null", "refusal", "filtered"):
            message["content"] = None
            message["refusal"] = "I cannot help with that." if kind == "refusal" else None
        call = tool_calls.call_tool(body)
        if call is not None:
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        logprobs = None
        if "logprobs" in extras and self.support["logprobs"] == "honor" and reply is not None:
            logprobs = {"content": completions.logprobs(reply)}
        return {
            "index": index,
            "message": message,
            "finish_reason": _finish_reason(kind, message),
            "logprobs": logprobs,
        }


_STREAM = "text/event-stream"
_BROKEN = ("reset", "truncated", "invalid_json")
_GARBLED = "\n\ndata: {\n\n"


def _finish_reason(kind: FaultKind | None, message: Body) -> str:
    if kind == "filtered":
        return "content_filter"
    if "tool_calls" in message:
        return "tool_calls"
    return "stop"


async def _drip(response: web.StreamResponse, sent: bytes) -> None:
    """Send a few bytes at a time, so that a client's read timeout never ends the request."""
    while True:
        await response.write(b" " if sent.startswith(b"{") else b": wait\n\n")
        await asyncio.sleep(0.03)


def _hang_up(request: web.Request, reset: bool) -> None:
    assert request.transport is not None
    if reset:  # a linger time of 0 resets the connection
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.close()


def error_response(fault: Fault, key: str = "") -> web.Response:
    """Return an error in OpenAI's format."""
    headers = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.location is not None:
        headers["Location"] = fault.location
    if fault.body is not None:
        return web.Response(
            text=fault.body, status=fault.status, headers=headers, content_type="application/json"
        )
    message = fault.message or f"The provider returned {fault.status}."
    error = {"message": message.format(key=key), "type": "error", "param": None, "code": None}
    return web.json_response({"error": error}, status=fault.status, headers=headers)
