"""Build OpenAI chat completions, complete or streamed, for the fake provider."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from tests.support.tool_calls import tool_call_deltas

Body = dict[str, Any]

_TOKEN = re.compile(r"\w+|[^\w\s]")


def count_tokens(text: str) -> int:
    return len(_TOKEN.findall(text))


def reply_text(reply: str | float | None) -> str:
    if isinstance(reply, str):
        return reply
    return "Yes" if (reply or 0) > 0.5 else "No"


def stop_text(text: str, stop: str | list[str] | None) -> str:
    """Cut the text before the first stop sequence."""
    sequences = [stop] if isinstance(stop, str) else stop or []
    return min((text.partition(sequence)[0] for sequence in sequences), key=len, default=text)


def extras(body: Body) -> set[str]:
    """Return the requested features that some providers lack."""
    names = set()
    if body.get("n", 1) > 1:
        names.add("n")
    if body.get("logprobs"):
        names.add("logprobs")
    if body["messages"][-1]["role"] == "assistant":
        names.add("prefix")
    return names


def logprobs(reply: str | float) -> list[Body]:
    """Return logprobs in OpenAI's format; a verdict has two options."""
    if isinstance(reply, str):
        tokens = [{"token": word, "logprob": -0.1} for word in re.findall(r"\s*\S+", reply)]
        return [
            {**token, "bytes": None, "top_logprobs": [{**token, "bytes": None}]} for token in tokens
        ]
    options = [
        {"token": word, "logprob": math.log(p) if p > 0 else -100.0, "bytes": None}
        for word, p in (("Yes", reply), ("No", 1 - reply))
    ]
    first = options[0] if reply > 0.5 else options[1]
    return [{**first, "top_logprobs": options}]


def events(completion: Body, body: Body, deltas: Sequence[Body] = ()) -> str:
    """Format the completion as server-sent events: one per word, or the deltas."""
    chunks: list[Body] = []
    for choice in completion["choices"]:
        index = choice["index"]
        message = dict(choice["message"])
        if "tool_calls" in message:
            [call] = message["tool_calls"]
            deltas = tool_call_deltas(call)
        if deltas:
            for delta in deltas:
                chunks.append({"index": index, "delta": delta, "finish_reason": None})
            chunks.append({"index": index, "delta": {}, "finish_reason": choice["finish_reason"]})
            continue
        reasoning = message.pop("reasoning_content", None)
        if reasoning is not None:
            delta = {"role": "assistant", "content": None, "reasoning_content": reasoning}
            chunks.append({"index": index, "delta": delta, "finish_reason": None})
        words = re.findall(r"\s*\S+\s*$|\s*\S+", message["content"] or "") or [message["content"]]
        for word in words:
            chunks.append(
                {"index": index, "delta": {**message, "content": word}, "finish_reason": None}
            )
        chunks[-1]["logprobs"] = choice["logprobs"]
        chunks.append({"index": index, "delta": {}, "finish_reason": choice["finish_reason"]})
    head = {key: completion[key] for key in ("id", "created", "model")}
    head["object"] = "chat.completion.chunk"
    events = [{**head, "choices": [chunk]} for chunk in chunks]
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append({**head, "choices": [], "usage": completion["usage"]})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


def first_half(text: str) -> str:
    """Return about half of the text; for a stream, only complete events."""
    middle = len(text) // 2
    if "\n\n" not in text:
        return text[:middle]
    return text[: text.rfind("\n\n", 0, middle) + 2]
