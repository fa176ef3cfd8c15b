"""Base class of chat models that run in this process.

It provides native `n`, logprobs of Yes and No, streaming, and token counts.
"""

import math
import re
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

_TOKEN = re.compile(r"\w+|[^\w\s]")
_MIN_LOGPROB = -100.0
"""Logprob of zero probability; JSON has no infinity."""


@dataclass(frozen=True)
class Reply:
    """A reply of an in-process model; a verdict has `p_yes`."""

    text: str
    p_yes: float | None = None
    """Probability that the first token is "Yes", not "No"."""
    is_truncated: bool = False
    """Whether it was cut off at the length limit."""


class LocalChatModel(BaseChatModel):
    """A chat model that runs in this process.

    It accepts `n`, `seed` and `logprobs`, as a provider does.
    """

    model_config = ConfigDict(extra="forbid")

    supports_prefill: bool = True
    """Whether the model continues a prefilled reply; otherwise it is prompted to."""

    @property
    def is_priced(self) -> bool:
        """Whether the price of a reply is known; local replies are free."""
        return True

    def _get_ls_params(self, stop: list[str] | None = None, **options: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **options)
        params["ls_provider"] = self._llm_type
        return params

    @abstractmethod
    def sample(self, messages: list[BaseMessage], n: int, seed: int | None) -> list[Reply]:
        """Sample n replies to the messages."""

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        n: int = 1,
        seed: int | None = None,
        logprobs: bool = False,
        max_tokens: int | None = None,
        **ignored: Any,
    ) -> ChatResult:
        sampled = self.sample(messages, n, seed)
        replies = [_limit(_truncate(reply, stop), max_tokens) for reply in sampled]
        answers = [
            AIMessage(reply.text, response_metadata=self._metadata(reply, logprobs))
            for reply in replies
        ]
        if answers:
            answers[0].usage_metadata = _usage(messages, replies)
        return ChatResult(generations=[ChatGeneration(message=answer) for answer in answers])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        seed: int | None = None,
        logprobs: bool = False,
        max_tokens: int | None = None,
        **ignored: Any,
    ) -> Iterator[ChatGenerationChunk]:
        reply = _limit(_truncate(self.sample(messages, 1, seed)[0], stop), max_tokens)
        for piece in re.findall(r"\s*\S+|\s+", reply.text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        yield self._last_chunk(messages, reply, logprobs)

    def _last_chunk(
        self, messages: list[BaseMessage], reply: Reply, logprobs: bool
    ) -> ChatGenerationChunk:
        """Return the chunk that ends a stream: usage, logprobs and cost."""
        usage = _usage(messages, [reply])
        message = AIMessageChunk(content="", usage_metadata=usage, chunk_position="last")
        return ChatGenerationChunk(message=message, generation_info=self._metadata(reply, logprobs))

    def _metadata(self, reply: Reply, logprobs: bool) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "model_name": self._llm_type,
            "finish_reason": "length" if reply.is_truncated else "stop",
            "logprobs": None,
            "cost_usd": 0.0,
        }
        if logprobs and reply.p_yes is not None:
            metadata["logprobs"] = _verdict_logprobs(reply.text, reply.p_yes)
        return metadata


def _truncate(reply: Reply, stop: list[str] | None) -> Reply:
    """Cut a reply at the first stop sequence."""
    end = len(reply.text)
    for sequence in stop or []:
        index = reply.text.find(sequence)
        if index >= 0:
            end = min(end, index)
    return replace(reply, text=reply.text[:end])


def _limit(reply: Reply, max_tokens: int | None) -> Reply:
    """Cut a reply after some tokens, as `_usage` counts them."""
    ends = [token.end() for token in _TOKEN.finditer(reply.text)]
    if max_tokens is None or len(ends) <= max_tokens:
        return reply
    return replace(reply, text=reply.text[: ends[max_tokens - 1]], is_truncated=True)


def _usage(messages: list[BaseMessage], replies: list[Reply]) -> UsageMetadata:
    """Count words and punctuation marks as tokens, the prompt once for all replies."""
    input_tokens = sum(len(_TOKEN.findall(message.text)) for message in messages)
    output_tokens = sum(len(_TOKEN.findall(reply.text)) for reply in replies)
    return UsageMetadata(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
    )


def _verdict_logprobs(text: str, p_yes: float) -> dict[str, Any]:
    """Return the first token's logprobs in OpenAI's format."""
    yes = {"token": "Yes", "logprob": _log(p_yes)}
    no = {"token": "No", "logprob": _log(1 - p_yes)}
    sampled = no
    if text.startswith("Yes"):
        sampled = yes
    return {"content": [{**sampled, "top_logprobs": [yes, no]}]}


def _log(probability: float) -> float:
    if probability <= 0:
        return _MIN_LOGPROB
    return math.log(probability)
