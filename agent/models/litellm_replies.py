"""Reading what litellm hands over, whole replies and streams: usage, log-probs, and what makes a reply of no use."""

from typing import Any

from langchain_core.messages.ai import InputTokenDetails, UsageMetadata

from selfcritic.agent.models.errors import ReplyErrorKind


class Streamed:
    """What has come of a stream so far."""

    def __init__(self) -> None:
        self.refusal = ""
        self.text: str | None = None
        """None while nothing was said; "" is a reply."""
        self.logprobs: list[dict[str, Any]] = []
        self.model: str | None = None
        self.usage: Any = None

    def take(self, chunk: Any) -> str:
        """Take in a chunk; the text that it brings."""
        self.model = chunk.model or self.model
        self.usage = getattr(chunk, "usage", None) or self.usage
        if not chunk.choices:
            return ""
        [choice, *_] = chunk.choices
        self.refusal += getattr(choice.delta, "refusal", None) or ""
        if logprobs := getattr(choice, "logprobs", None):
            self.logprobs += logprobs_of(logprobs.content)
        if choice.delta.content is not None:
            self.text = (self.text or "") + choice.delta.content
        return choice.delta.content or ""

    def fault(self, finish_reason: str | None, has_usage: bool) -> tuple[ReplyErrorKind, str] | None:
        """What is wrong with the reply, now that the stream has ended."""
        if finish_reason is None:
            return ("no_choices" if has_usage else "truncated"), ""
        return _fault(self.text, self.refusal, finish_reason)


def fault_of(choice: Any) -> tuple[ReplyErrorKind, str] | None:
    """What is wrong with a choice of a whole reply."""
    message = choice.message
    if message.tool_calls:
        return None
    refusal = (getattr(message, "provider_specific_fields", None) or {}).get("refusal")
    return _fault(message.content, refusal, choice.finish_reason)


def _fault(content: str | None, refusal: str | None, finish_reason: str) -> tuple[ReplyErrorKind, str] | None:
    if refusal or finish_reason == "content_filter":
        return "refusal", refusal or "the content filter stopped the reply"
    if content is None:
        return "null", "max_tokens were used up" if finish_reason == "length" else ""
    return None


def usage_of(told: Any) -> UsageMetadata | None:
    """The tokens that a reply took, in LangChain's form."""
    if told is None:
        return None
    usage = UsageMetadata(
        input_tokens=told.prompt_tokens or 0,
        output_tokens=told.completion_tokens or 0,
        total_tokens=told.total_tokens or 0,
    )
    details = getattr(told, "prompt_tokens_details", None)
    if (cached := getattr(details, "cached_tokens", None)) is not None:
        usage["input_token_details"] = InputTokenDetails(cache_read=cached)
    return usage


def logprobs_of(tokens: Any) -> list[dict[str, Any]]:
    """Log-probs as JSON has them."""
    return [
        {
            "token": one.token,
            "logprob": one.logprob,
            "top_logprobs": [{"token": top.token, "logprob": top.logprob} for top in one.top_logprobs or []],
        }
        for one in tokens or []
    ]
