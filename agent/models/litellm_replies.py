"""Read litellm's replies and streams: messages, usage, logprobs and errors."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    InvalidToolCall,
    ToolCall,
    ToolCallChunk,
)
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk

from selfcritic.agent.models.error_kinds import ReplyErrorKind


class ReplyError(NamedTuple):
    """Why a reply is unusable."""

    kind: ReplyErrorKind
    details: str
    """The provider's explanation; may be empty."""


class StreamAccumulator:
    """Collects the chunks of a stream."""

    def __init__(self) -> None:
        self.refusal = ""
        self.text: str | None = None
        """None until a chunk has content; "" is a reply."""
        self.has_tool_calls = False
        self.logprobs: list[dict[str, Any]] = []
        self.model: str | None = None
        self.usage: Any = None

    def add(self, chunk: Any) -> AIMessageChunk | None:
        """Add a chunk; return its message, None if it is empty."""
        self.model = chunk.model or self.model
        self.usage = getattr(chunk, "usage", None) or self.usage
        if not chunk.choices:
            return None
        choice = chunk.choices[0]
        delta = choice.delta
        self.refusal += getattr(delta, "refusal", None) or ""
        self.logprobs += convert_logprobs(getattr(choice, "logprobs", None))
        tool_calls = _convert_tool_call_chunks(getattr(delta, "tool_calls", None))
        self.has_tool_calls = self.has_tool_calls or bool(tool_calls)
        if delta.content is not None:
            self.text = (self.text or "") + delta.content
        reasoning = read_reasoning(delta)
        if not (delta.content or reasoning or tool_calls):
            return None
        return AIMessageChunk(
            content=delta.content or "", additional_kwargs=reasoning, tool_call_chunks=tool_calls
        )

    def error(self, finish_reason: str | None, has_usage: bool) -> ReplyError | None:
        """Return the error of the ended stream, None if it is usable."""
        if finish_reason is None:
            kind: ReplyErrorKind = "no_choices" if has_usage else "truncated"
            return ReplyError(kind, "")
        if self.has_tool_calls:
            return None
        return _content_error(self.text, self.refusal, finish_reason)


def reply_error(choice: Any) -> ReplyError | None:
    """Return the error of a choice, None if it is usable."""
    message = choice.message
    if message.tool_calls:
        return None
    provider_fields = getattr(message, "provider_specific_fields", None) or {}
    refusal = provider_fields.get("refusal")
    return _content_error(message.content, refusal, choice.finish_reason)


def _content_error(
    content: str | None, refusal: str | None, finish_reason: str
) -> ReplyError | None:
    if refusal or finish_reason == "content_filter":
        return ReplyError("refusal", refusal or "the content filter stopped the reply")
    if content is None:
        details = "max_tokens were used up" if finish_reason == "length" else ""
        return ReplyError("null", details)
    return None


def convert_message(choice: Any, model: str) -> AIMessage:
    """Convert a choice to a message; thinking is kept apart from the content."""
    tool_calls, invalid_tool_calls = _convert_tool_calls(choice.message.tool_calls)
    logprobs = convert_logprobs(getattr(choice, "logprobs", None))
    return AIMessage(
        content=choice.message.content or "",
        additional_kwargs=read_reasoning(choice.message),
        tool_calls=tool_calls,
        invalid_tool_calls=invalid_tool_calls,
        response_metadata={
            "model_name": model,
            "finish_reason": choice.finish_reason,
            "logprobs": {"content": logprobs} if logprobs else None,
        },
    )


def read_reasoning(message: Any) -> dict[str, str]:
    """Return the thinking of a message or delta as `additional_kwargs`.

    litellm reads it from `reasoning_content`, `reasoning`, Anthropic's thinking blocks and leading <think> tags.
    """
    reasoning = getattr(message, "reasoning_content", None)
    if not isinstance(reasoning, str) or not reasoning:
        return {}
    return {"reasoning_content": reasoning}


def _convert_tool_calls(calls: Any) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    valid = []
    invalid = []
    for call in calls or []:
        name = call.function.name
        text = call.function.arguments
        try:
            arguments = json.loads(text or "{}", strict=False)
        except ValueError:
            arguments = None
        if isinstance(arguments, dict) and name:
            valid.append(tool_call(name=name, args=arguments, id=call.id))
        else:
            error = "The arguments of the tool call are not a JSON object."
            invalid.append(invalid_tool_call(name=name, args=text, id=call.id, error=error))
    return valid, invalid


def _convert_tool_call_chunks(calls: Any) -> list[ToolCallChunk]:
    chunks = []
    for call in calls or []:
        chunks.append(
            tool_call_chunk(
                name=call.function.name,
                args=call.function.arguments,
                id=call.id,
                index=call.index,
            )
        )
    return chunks


def convert_usage(usage: Any) -> UsageMetadata | None:
    """Convert litellm's usage to LangChain's form."""
    if usage is None:
        return None
    converted = UsageMetadata(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        total_tokens=usage.total_tokens or 0,
    )
    input_details = getattr(usage, "prompt_tokens_details", None)
    cached_tokens = _get(input_details, "cached_tokens")
    if cached_tokens is not None:
        converted["input_token_details"] = InputTokenDetails(cache_read=cached_tokens)
    output_details = getattr(usage, "completion_tokens_details", None)
    reasoning_tokens = _get(output_details, "reasoning_tokens")
    if reasoning_tokens is not None:
        converted["output_token_details"] = OutputTokenDetails(reasoning=reasoning_tokens)
    return converted


def convert_logprobs(logprobs: Any) -> list[dict[str, Any]]:
    """Convert litellm's logprobs to JSON in OpenAI's form; tokens in other forms are left out."""
    converted = []
    for token in _iterate(_get(logprobs, "content")):
        entry = _convert_token(token)
        if entry is None:
            continue
        alternatives = []
        for alternative in _iterate(_get(token, "top_logprobs")):
            converted_alternative = _convert_token(alternative)
            if converted_alternative is not None:
                alternatives.append(converted_alternative)
        converted.append({**entry, "top_logprobs": alternatives})
    return converted


def _convert_token(token: Any) -> dict[str, Any] | None:
    text = _get(token, "token")
    logprob = _get(token, "logprob")
    if not isinstance(text, str) or not isinstance(logprob, int | float):
        return None
    return {"token": text, "logprob": logprob}


def _get(item: Any, name: str) -> Any:
    """Return a key of a mapping or an attribute, None if it is missing."""
    if isinstance(item, Mapping):
        return item.get(name)
    return getattr(item, name, None)


def _iterate(items: Any) -> Iterable[Any]:
    if isinstance(items, list | tuple):
        return items
    return ()
