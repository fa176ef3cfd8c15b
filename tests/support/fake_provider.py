"""A chat completions server in OpenAI's form on 127.0.0.1, that can fail in every way a provider does, and counts all.

    with FakeProvider("some text", faults=[Fault("status", 429, retry_after=0.2), None]) as provider:
        ...  # at provider.url, with any key
    assert provider.calls() == 2 and provider.usage().output == 2

A fault is taken off `faults` for each request (None is none), or drawn from `mix` at the rate `fault_rate`.
"""

import asyncio
import json
import math
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from aiohttp import web

FaultKind = Literal[
    "status", "reset", "hang", "truncated", "invalid_json", "no_choices", "null", "refusal", "filtered", "huge"
]
Support = Literal["honour", "ignore", "reject"]
Body = dict[str, Any]
Reply = Callable[[list[Body], int], str | float | None]


@dataclass(frozen=True)
class Fault:
    """One way to fail. `message` may hold {key}, the key that came with the request."""

    kind: FaultKind
    status: int = 200
    retry_after: float | str | None = None
    message: str = ""


BAD_KEY = Fault("status", 401, message="Incorrect API key provided: {key}.")
FORBIDDEN = Fault("status", 403, message="The key {key} may not use this model.")
NO_SUCH_MODEL = Fault("status", 404, message="The model does not exist or you do not have access to it.")
TOO_LONG = Fault(
    "status", 400, message="This model's maximum context length is 8 tokens. Please reduce the length of the messages."
)
PASSING = (
    *(Fault("status", status) for status in (429, 500, 502, 503)),
    Fault("status", 429, retry_after=0.01),
    *(Fault(kind) for kind in ("reset", "truncated", "invalid_json", "no_choices", "null")),
)
"""Faults that pass: the same request may go well the next time."""


@dataclass(frozen=True)
class Tokens:
    """What one reply took, or many."""

    input: int = 0
    output: int = 0
    cached: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.input + other.input, self.output + other.output, self.cached + other.cached)


@dataclass
class Received:
    """One request, and the tokens of its reply where that was sent to its end."""

    body: Body
    headers: dict[str, str]
    at: float
    fault: Fault | None
    tokens: Tokens | None = None


class FakeProvider:
    """The server; it runs in a thread of its own, between entering and leaving."""

    def __init__(
        self,
        reply: str | float | Reply = "It is so.",
        *,
        faults: Iterable[Fault | None] = (),
        fault_rate: float = 0.0,
        mix: Sequence[Fault] = PASSING,
        seed: int = 0,
        latency: float = 0.0,
        n: Support = "honour",
        logprobs: Support = "honour",
        prefix: Support = "honour",
        rejects_with: int = 400,
        cached_share: float = 0.0,
    ) -> None:
        """A reply is a text; a number, P(Yes) of a verdict; or a function of the messages and of how many came before.

        The function may also return None, a choice without content.
        """
        self.reply: Reply = reply if callable(reply) else lambda messages, index: reply
        self.faults, self.fault_rate, self.mix, self.rng = iter(faults), fault_rate, mix, random.Random(seed)
        self.latency, self.rejects_with, self.cached_share = latency, rejects_with, cached_share
        self.support: dict[str, Support] = {"n": n, "logprobs": logprobs, "prefix": prefix}
        self.received: list[Received] = []
        self.peak = 0
        """The most requests in flight at once."""
        self._in_flight = self._told = 0
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

    def calls(self, where: Callable[[Received], bool] = lambda received: True) -> int:
        """How many requests came."""
        return sum(map(where, self.received))

    def usage(self, where: Callable[[Received], bool] = lambda received: True) -> Tokens:
        """The tokens of every reply that was sent to its end."""
        return sum((one.tokens for one in self.received if one.tokens and where(one)), Tokens())

    @property
    def waits(self) -> list[float]:
        """The seconds between each request and the next."""
        return [b.at - a.at for a, b in zip(self.received, self.received[1:], strict=False)]

    @staticmethod
    def refused_port() -> int:
        """A port on which nobody listens."""
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            return int(one.getsockname()[1])

    async def _open(self) -> str:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.05, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=2048).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        now = time.monotonic()
        fault = next(self.faults, None) or (self.rng.choice(self.mix) if self.rng.random() < self.fault_rate else None)
        received = Received(await request.json(), dict(request.headers), now, fault)
        self.received.append(received)
        self._in_flight += 1
        self.peak = max(self.peak, self._in_flight)
        try:
            await asyncio.sleep(3600 if fault and fault.kind == "hang" else self.latency)
            return await self._answer(request, received)
        except (ConnectionError, asyncio.CancelledError):  # the client has gone
            received.tokens = None
            raise
        finally:
            self._in_flight -= 1

    async def _answer(self, request: web.Request, received: Received) -> web.StreamResponse:
        body, kind = received.body, received.fault.kind if received.fault else None
        if received.fault and kind == "status":
            return _error(received.fault, request.headers.get("Authorization", "").removeprefix("Bearer "))
        if refused := [name for name in _extras(body) if self.support[name] == "reject"]:
            return _error(Fault("status", self.rejects_with, message=f"Unsupported parameter: '{refused[0]}'."), "")
        completion, tokens = self._complete(body, kind)
        text = _events(completion, body) if body.get("stream") else json.dumps(completion)
        sent = _half(text) if kind in _BROKEN else text
        response = web.StreamResponse(headers={"Content-Type": _STREAM if body.get("stream") else "application/json"})
        if kind in ("reset", "truncated") and not body.get("stream"):
            response.content_length = len(text)
        await response.prepare(request)
        received.tokens = None if kind in _BROKEN else tokens  # before the client, in its own thread, has the reply
        await response.write((sent + _GARBLED if kind == "invalid_json" else sent).encode())
        if kind == "reset" or (kind == "truncated" and not body.get("stream")):
            _hang_up(request, reset=kind == "reset")
            return response
        await response.write_eof()
        return response

    def _complete(self, body: Body, kind: FaultKind | None) -> tuple[Body, Tokens]:
        """The whole completion, and what it took."""
        asked = _extras(body)
        count = body.get("n", 1) if self.support["n"] == "honour" else 1
        choices = [self._choice(body, asked, kind, index) for index in range(0 if kind == "no_choices" else count)]
        taken = sum(len(_TOKEN.findall(str(message.get("content")))) for message in body["messages"])
        given = sum(len(_TOKEN.findall(choice["message"]["content"] or "")) for choice in choices)
        tokens = Tokens(taken, given, int(taken * self.cached_share))
        usage = {
            "prompt_tokens": taken,
            "completion_tokens": given,
            "total_tokens": taken + given,
            "prompt_tokens_details": {"cached_tokens": tokens.cached},
        }
        head = {"id": f"chatcmpl-{len(self.received)}", "created": int(time.time()), "model": body["model"]}
        return {**head, "object": "chat.completion", "choices": choices, "usage": usage}, tokens

    def _choice(self, body: Body, asked: set[str], kind: FaultKind | None, index: int) -> Body:
        said = self.reply(body["messages"], self._told)
        self._told += 1
        text = said if isinstance(said, str) else "Yes" if (said or 0) > 0.5 else "No"
        if "prefix" in asked and self.support["prefix"] == "honour":
            text = text.removeprefix(body["messages"][-1]["content"])
        stops = [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop") or []
        text = min((text.partition(stop)[0] for stop in stops), key=len, default=text)
        message: Body = {
            "role": "assistant",
            "content": "".join(f"{one:01023} " for one in range(2**10)) if kind == "huge" else text,
        }
        if said is None or kind in ("null", "refusal", "filtered"):
            message |= {"content": None, "refusal": "I cannot help with that." if kind == "refusal" else None}
        wanted = "logprobs" in asked and self.support["logprobs"] == "honour"
        return {
            "index": index,
            "message": message,
            "finish_reason": "content_filter" if kind == "filtered" else "stop",
            "logprobs": {"content": _logprobs(said)} if wanted and said is not None else None,
        }


_TOKEN = re.compile(r"\w+|[^\w\s]")
_STREAM = "text/event-stream"
_BROKEN = ("reset", "truncated", "invalid_json")
_GARBLED = "\n\ndata: {\n\n"


def _extras(body: Body) -> set[str]:
    """What the request asks for that not every provider has."""
    asked = {"n": body.get("n", 1) > 1, "logprobs": body.get("logprobs")}
    return {name for name, wanted in asked.items() if wanted} | (
        {"prefix"} if body["messages"][-1]["role"] == "assistant" else set()
    )


def _logprobs(said: str | float) -> list[Body]:
    """The tokens in OpenAI's form; of a verdict, with its two options."""
    if isinstance(said, str):
        tokens = [{"token": word, "logprob": -0.1} for word in re.findall(r"\s*\S+", said)]
        return [{**token, "bytes": None, "top_logprobs": [{**token, "bytes": None}]} for token in tokens]
    options = [
        {"token": word, "logprob": math.log(p) if p > 0 else -100.0, "bytes": None}
        for word, p in (("Yes", said), ("No", 1 - said))
    ]
    return [{**options[0 if said > 0.5 else 1], "top_logprobs": options}]


def _events(completion: Body, body: Body) -> str:
    """The completion as a stream, word by word."""
    choices = completion["choices"]
    chunks: list[Body] = []
    for choice in choices:
        index, message = choice["index"], choice["message"]
        words = re.findall(r"\s*\S+\s*$|\s*\S+", message["content"] or "") or [message["content"]]
        deltas = [{**message, "content": word} for word in words]
        chunks += [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas]
        chunks[-1]["logprobs"] = choice["logprobs"]
        chunks += [{"index": index, "delta": {}, "finish_reason": choice["finish_reason"]}]
    head = {key: completion[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    events = [{**head, "choices": [chunk]} for chunk in chunks]
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append({**head, "choices": [], "usage": completion["usage"]})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


def _half(text: str) -> str:
    return text[: text.rfind("\n\n", 0, len(text) // 2) + 2] if "\n\n" in text else text[: len(text) // 2]


def _hang_up(request: web.Request, reset: bool) -> None:
    assert request.transport is not None
    if reset:  # with no time to linger the connection ends in a reset, else in an ordinary end
        request.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    request.transport.close()


def _error(fault: Fault, key: str) -> web.Response:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    message = (fault.message or f"The provider says {fault.status}.").format(key=key)
    error = {"message": message, "type": "error", "param": None, "code": None}
    return web.json_response({"error": error}, status=fault.status, headers=headers)
