"""Fake server of a reasoning model: thinking in tags, in a field, or cut off.

The thinking contains a Yes, a No and a fence, so code that reads it goes wrong.
"""

import math
import re
from typing import Any, Literal

from tests.support.completions import Body
from tests.support.fake_provider import FakeProvider

Form = Literal["think", "thinking", "closing_only", "field", "field_with_logprobs", "none"]
FORMS: tuple[Form, ...] = (
    "think",
    "thinking",
    "closing_only",
    "field",
    "field_with_logprobs",
    "none",
)
THINKING = "Is there no problem?\n```\n1913\n```\n[low] Yes, which may be right."


class ReasoningProvider(FakeProvider):
    """Replies like a reasoning model, within the request's `max_tokens`."""

    def __init__(self, reply: Any, form: Form = "think", **options: Any) -> None:
        super().__init__(reply, **options)
        self.form = form

    def _choice(self, body: Body, extras: set[str], kind: Any, index: int) -> Body:
        choice = super()._choice(body, extras - {"logprobs"}, kind, index)
        answer = choice["message"]["content"]
        p_yes = self.reply(body["messages"], self._reply_count - 1)
        pieces = [*_split(self._before()), *_split(answer)]
        limit = body.get("max_tokens") or body.get("max_completion_tokens") or len(pieces)
        if len(pieces) > limit:
            choice["finish_reason"] = "length"
        is_thought = len(_split(self._before()))
        content = pieces[:limit]
        if self.form.startswith("field"):
            choice["message"]["reasoning_content"] = "".join(pieces[:is_thought][:limit])
            content = pieces[is_thought:limit]
        choice["message"]["content"] = "".join(content) or None
        if "logprobs" in extras and self.support["logprobs"] == "honor":
            shown = pieces[:limit] if self.form == "field_with_logprobs" else content
            choice["logprobs"] = {"content": [_token(piece, p_yes) for piece in shown]}
        return choice

    def _before(self) -> str:
        """Return what the model writes before its answer."""
        match self.form:
            case "think":
                return f"<think>\n{THINKING}\n</think>\n\n"
            case "thinking":
                return f"<thinking>{THINKING}</thinking>\n"
            case "closing_only":
                return f"{THINKING}\n</think>\n\n"
            case "field" | "field_with_logprobs":
                return THINKING + "\n"
        return ""


def _split(text: str) -> list[str]:
    """Split a text into tokens that join to it."""
    return re.findall(r"\s+|</?\w+>|\w+|[^\w\s]", text)


def _token(piece: str, p_yes: Any) -> Body:
    """Return a token's logprobs; the answer's Yes or No has the reply's probabilities."""
    options = {piece: 0.9}
    if piece in ("Yes", "No") and isinstance(p_yes, float):
        options = {"Yes": p_yes, "No": 1 - p_yes}
    elif piece.lower() in ("yes", "no"):
        options = {piece: 0.95, "Yes": 0.02, "No": 0.02}
    tops = [
        {"token": text, "logprob": math.log(max(p, 1e-9)), "bytes": None}
        for text, p in options.items()
    ]
    return {"token": piece, "logprob": math.log(0.9), "bytes": None, "top_logprobs": tops}
