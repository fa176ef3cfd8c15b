"""Collect the replies of llama.cpp's streams.

All requests are streamed, because llama.cpp reports the tokens of each choice only in a stream; otherwise it reports
one choice's tokens for all.
"""

from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages.ai import InputTokenDetails, UsageMetadata


@dataclass(frozen=True)
class Delta:
    """A piece of a reply."""

    text: str
    reasoning: str


@dataclass
class Choice:
    """A reply."""

    text: str = ""
    reasoning: str = ""
    """Thinking, if the model's template marks it."""
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    """Logprobs of the text's tokens in OpenAI's form."""
    finish_reason: str | None = None
    """"stop" or "length"; None if the stream broke off."""


class ReplyAccumulator:
    """Collects the chunks of one or more streams."""

    def __init__(self) -> None:
        self.choices: list[Choice] = []
        self.input_tokens = 0
        self.cached_tokens = 0
        self.output_tokens = 0
        self._first = 0
        self._has_input = False

    def start_request(self) -> None:
        """Collect the choices of another request after those of earlier ones."""
        self._first = len(self.choices)
        self._has_input = False

    def add(self, chunk: dict[str, Any]) -> Delta | None:
        """Add a chunk; return the piece of the reply that it has."""
        usage = chunk.get("usage")
        if usage:
            self._add_usage(usage)
        if not chunk.get("choices"):
            return None
        [received] = chunk["choices"]
        choice = self._choice(received["index"])
        choice.finish_reason = received.get("finish_reason") or choice.finish_reason
        delta = received.get("delta") or {}
        text = delta.get("content") or ""
        reasoning = delta.get("reasoning_content") or ""
        choice.text += text
        choice.reasoning += reasoning
        if not reasoning:
            logprobs = received.get("logprobs") or {}
            choice.logprobs += _convert_logprobs(logprobs.get("content") or [])
        if not text and not reasoning:
            return None
        return Delta(text, reasoning)

    @property
    def is_complete(self) -> bool:
        """Whether every reply ended and its tokens are counted."""
        if not self.choices or not self._has_input:
            return False
        return all(choice.finish_reason for choice in self.choices)

    def usage(self) -> UsageMetadata:
        """Return the engine's token counts over all choices."""
        return UsageMetadata(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            total_tokens=self.input_tokens + self.output_tokens,
            input_token_details=InputTokenDetails(cache_read=self.cached_tokens),
        )

    def _choice(self, index: int) -> Choice:
        position = self._first + index
        while len(self.choices) <= position:
            self.choices.append(Choice())
        return self.choices[position]

    def _add_usage(self, usage: dict[str, Any]) -> None:
        """Add a choice's usage; its prompt counts once for all choices of a request."""
        self.output_tokens += usage["completion_tokens"]
        if self._has_input:
            return
        self._has_input = True
        self.input_tokens += usage["prompt_tokens"]
        details = usage.get("prompt_tokens_details") or {}
        self.cached_tokens += details.get("cached_tokens") or 0


def _convert_logprobs(tokens: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep tokens and logprobs; ids and bytes would fill checkpoints."""
    converted = []
    for token in tokens:
        alternatives = []
        for alternative in token.get("top_logprobs") or []:
            alternatives.append({"token": alternative["token"], "logprob": alternative["logprob"]})
        converted.append(
            {"token": token["token"], "logprob": token["logprob"], "top_logprobs": alternatives}
        )
    return converted
