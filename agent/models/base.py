"""What the models that live in this process share: native n, log-probs of Yes and No, streaming, token counts."""

import math
import re
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

_TOKEN = re.compile(r"\w+|[^\w\s]")
_LEAST_LOGPROB = -100.0
"""Stands for the logarithm of zero, which JSON cannot hold."""


@dataclass(frozen=True)
class Reply:
    """One reply of an offline model; `p_yes` where it is a verdict whose first token has log-probs."""

    text: str
    p_yes: float | None = None


class LocalChatModel(BaseChatModel):
    """A chat model whose replies are computed here. Takes `n`, `seed` and `logprobs` as providers do."""

    model_config = ConfigDict(extra="forbid")

    supports_prefill: bool = True
    """Whether a reply that was begun for it is continued; without, it is asked in words, as other models are."""

    @property
    def is_priced(self) -> bool:
        """Whether what a reply costs is known: nothing."""
        return True

    @abstractmethod
    def draw(self, messages: list[BaseMessage], n: int, seed: int | None) -> list[Reply]:
        """Draw n replies to the messages."""

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        n: int = 1,
        seed: int | None = None,
        logprobs: bool = False,
        **ignored: Any,
    ) -> ChatResult:
        replies = [_until(stop, reply) for reply in self.draw(messages, n, seed)]
        usage = _usage(messages, replies)
        return ChatResult(
            generations=[
                ChatGeneration(
                    message=AIMessage(
                        reply.text,
                        usage_metadata=usage if index == 0 else None,
                        response_metadata={
                            "model_name": self._llm_type,
                            "logprobs": _logprobs(reply, logprobs),
                            "cost_usd": 0.0,
                        },
                    )
                )
                for index, reply in enumerate(replies)
            ]
        )

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        seed: int | None = None,
        logprobs: bool = False,
        **ignored: Any,
    ) -> Iterator[ChatGenerationChunk]:
        reply = _until(stop, self.draw(messages, 1, seed)[0])
        for piece in re.findall(r"\s*\S+|\s+", reply.text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        yield self._last_chunk(messages, reply, logprobs)

    def _last_chunk(self, messages: list[BaseMessage], reply: Reply, logprobs: bool) -> ChatGenerationChunk:
        """What ends a stream: usage, log-probs and the cost."""
        return ChatGenerationChunk(
            message=AIMessageChunk(content="", usage_metadata=_usage(messages, [reply]), chunk_position="last"),
            generation_info={"model_name": self._llm_type, "logprobs": _logprobs(reply, logprobs), "cost_usd": 0.0},
        )


def _until(stop: list[str] | None, reply: Reply) -> Reply:
    """The reply up to the first of the stop sequences."""
    ends = [at for sequence in stop or [] if (at := reply.text.find(sequence)) >= 0]
    return replace(reply, text=reply.text[: min(ends)]) if ends else reply


def _usage(messages: list[BaseMessage], replies: list[Reply]) -> UsageMetadata:
    """Words and punctuation marks, the prompt once for all replies."""
    taken = sum(len(_TOKEN.findall(message.text)) for message in messages)
    given = sum(len(_TOKEN.findall(reply.text)) for reply in replies)
    return UsageMetadata(input_tokens=taken, output_tokens=given, total_tokens=taken + given)


def _logprobs(reply: Reply, wanted: bool) -> dict[str, Any] | None:
    """The first token's log-probs in OpenAI's form."""
    if reply.p_yes is None or not wanted:
        return None
    options = [
        {"token": word, "logprob": math.log(p) if p > 0 else _LEAST_LOGPROB}
        for word, p in (("Yes", reply.p_yes), ("No", 1 - reply.p_yes))
    ]
    said = options[0] if reply.text.startswith("Yes") else options[1]
    return {"content": [{**said, "top_logprobs": options}]}
