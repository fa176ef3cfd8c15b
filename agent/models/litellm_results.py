"""Build LangChain results from litellm's replies; raise unusable replies as errors."""

from collections.abc import Callable
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from selfcritic.agent.models.error_kinds import ReplyErrorKind
from selfcritic.agent.models.errors import ModelReplyError
from selfcritic.agent.models.headers import rate_limit_headers
from selfcritic.agent.models.litellm_replies import (
    ReplyError,
    StreamAccumulator,
    convert_message,
    convert_usage,
    reply_error,
)

Price = Callable[[Any], float | None]
"""Returns the cost of a usage in US dollars, None if unknown."""

_REPLY_ERRORS: dict[ReplyErrorKind, str] = {
    "truncated": "broke off in the middle of its reply",
    "no_choices": "sent a reply without any choice",
    "null": "sent a reply without content",
    "refusal": "refused to answer",
}


def build_result(response: Any, model: str, price: Price) -> ChatResult:
    """Return a generation for each usable choice.

    Raises:
        ModelReplyError: no choice is usable.
    """
    usage = getattr(response, "usage", None)
    generations: list[ChatGeneration] = []
    errors: list[ReplyError] = []
    for choice in response.choices:
        error = reply_error(choice)
        if error is None:
            message = convert_message(choice, response.model)
            generations.append(ChatGeneration(message=message))
        else:
            errors.append(error)
    if not generations:
        errors.append(ReplyError("no_choices", ""))
        raise _reply_exception(errors[0], usage, model, price)
    first = cast(AIMessage, generations[0].message)
    if not _has_tokens(usage):
        usage = None  # litellm fills in zeros
    first.usage_metadata = convert_usage(usage)
    first.response_metadata["cost_usd"] = price(usage)
    hidden_params = getattr(response, "_hidden_params", None) or {}
    limits = rate_limit_headers(hidden_params.get("additional_headers") or {})
    if limits:
        first.response_metadata["headers"] = limits
    return ChatResult(generations=generations)


def build_final_chunk(
    accumulator: StreamAccumulator, stream: Any, model: str, price: Price
) -> ChatGenerationChunk:
    """Return the chunk that ends a stream.

    Raises:
        ModelReplyError: the stream is incomplete or unusable.
    """
    # litellm invents the finish reason and usage of an incomplete stream; its wrapper has the real ones.
    finish_reason = stream.received_finish_reason or stream.intermittent_finish_reason
    has_usage = any(getattr(chunk, "usage", None) for chunk in stream.chunks)
    usage = accumulator.usage if has_usage else None
    error = accumulator.error(finish_reason, has_usage)
    if error:
        raise _reply_exception(error, usage, model, price)
    usage_metadata = convert_usage(usage)
    return ChatGenerationChunk(
        message=AIMessageChunk(content="", usage_metadata=usage_metadata, chunk_position="last"),
        generation_info={
            "model_name": accumulator.model,
            "finish_reason": finish_reason,
            "logprobs": {"content": accumulator.logprobs} if accumulator.logprobs else None,
            "cost_usd": price(usage),
        },
    )


def _has_tokens(usage: Any) -> bool:
    return usage is not None and bool(usage.prompt_tokens or usage.completion_tokens)


def _reply_exception(error: ReplyError, usage: Any, model: str, price: Price) -> ModelReplyError:
    text = f"{model} {_REPLY_ERRORS[error.kind]}"
    if error.details:
        text += f": {error.details}"
    return ModelReplyError(text, error.kind, usage=convert_usage(usage), cost_usd=price(usage))
