"""Read litellm's replies and streams: usage, logprobs and errors."""

from typing import Any, NamedTuple

from langchain_core.messages.ai import InputTokenDetails, UsageMetadata

from selfcritic.agent.models.errors import ReplyErrorKind


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
        self.logprobs: list[dict[str, Any]] = []
        self.model: str | None = None
        self.usage: Any = None

    def add(self, chunk: Any) -> str:
        """Add a chunk and return its text."""
        self.model = chunk.model or self.model
        self.usage = getattr(chunk, "usage", None) or self.usage
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        delta = choice.delta
        self.refusal += getattr(delta, "refusal", None) or ""
        logprobs = getattr(choice, "logprobs", None)
        if logprobs:
            self.logprobs += convert_logprobs(logprobs.content)
        if delta.content is None:
            return ""
        self.text = (self.text or "") + delta.content
        return str(delta.content)

    def error(self, finish_reason: str | None, has_usage: bool) -> ReplyError | None:
        """Return the error of the ended stream, None if it is usable."""
        if finish_reason is None:
            kind: ReplyErrorKind = "no_choices" if has_usage else "truncated"
            return ReplyError(kind, "")
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


def convert_usage(usage: Any) -> UsageMetadata | None:
    """Convert litellm's usage to LangChain's form."""
    if usage is None:
        return None
    converted = UsageMetadata(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        total_tokens=usage.total_tokens or 0,
    )
    details = getattr(usage, "prompt_tokens_details", None)
    cached_tokens = getattr(details, "cached_tokens", None)
    if cached_tokens is not None:
        converted["input_token_details"] = InputTokenDetails(cache_read=cached_tokens)
    return converted


def convert_logprobs(tokens: Any) -> list[dict[str, Any]]:
    """Convert litellm's logprobs to JSON in OpenAI's form."""
    converted = []
    for token in tokens or []:
        alternatives = []
        for alternative in token.top_logprobs or []:
            alternatives.append({"token": alternative.token, "logprob": alternative.logprob})
        converted.append(
            {
                "token": token.token,
                "logprob": token.logprob,
                "top_logprobs": alternatives,
            }
        )
    return converted
