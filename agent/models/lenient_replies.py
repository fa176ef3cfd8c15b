"""Read chat completions that a model's client refuses: lists as content, odd logprobs, errors with status 200."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from selfcritic.agent.models.error_kinds import body_error_message, classify_body_error
from selfcritic.agent.models.errors import ModelCallError, ModelReplyError


def read_completion(body: Any) -> ChatResult:
    """Return the replies in the JSON of a chat completion.

    Raises:
        ModelCallError: the JSON is an error.
        ModelReplyError: it has no usable reply; the tokens are those that it reports.
    """
    if not isinstance(body, Mapping):
        raise ModelReplyError("The server's reply is JSON, but not a chat completion", "malformed")
    error = body.get("error")
    choices = body.get("choices")
    if error and not choices:
        raise ModelCallError(body_error_message(error), classify_body_error(error))
    usage = _read_usage(body.get("usage"))
    if not isinstance(choices, list):
        raise ModelReplyError("The server sent a reply without `choices`", "malformed", usage=usage)
    generations = []
    for choice in choices:
        message = _read_choice(choice, str(body.get("model") or ""))
        if message is not None:
            generations.append(ChatGeneration(message=message))
    if not generations:
        raise ModelReplyError("The model sent a reply without content", "null", usage=usage)
    first = generations[0].message
    if isinstance(first, AIMessage):
        first.usage_metadata = usage
    return ChatResult(generations=generations)


def is_other_api(body: Any) -> bool:
    """Whether a reply is not one of OpenAI's API, but for example Ollama's description of a model."""
    is_readable = isinstance(body, Mapping) and bool(body)
    return is_readable and "choices" not in body and "error" not in body


def _read_choice(choice: Any, model: str) -> AIMessage | None:
    """Return the message of a choice, None if it has no text."""
    if not isinstance(choice, Mapping) or not isinstance(choice.get("message"), Mapping):
        return None
    text = _read_content(choice["message"].get("content"))
    if text is None:
        return None
    metadata = {
        "model_name": model,
        "finish_reason": choice.get("finish_reason"),
        "logprobs": choice.get("logprobs"),
        "cost_usd": None,
    }
    return AIMessage(text, response_metadata=metadata)


def _read_content(content: Any) -> str | None:
    """Return the text of a content: a string, or a list of strings and text parts."""
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        return str(content)
    parts = []
    for part in content:
        text = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(text, str):
            parts.append(text)
    return "".join(parts)


def _read_usage(usage: Any) -> UsageMetadata | None:
    if not isinstance(usage, Mapping):
        return None
    input_tokens = _read_count(usage.get("prompt_tokens"))
    output_tokens = _read_count(usage.get("completion_tokens"))
    return UsageMetadata(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
    )


def _read_count(count: Any) -> int:
    """Return a number of tokens, 0 if it is not readable."""
    try:
        return max(0, int(count))
    except (TypeError, ValueError, OverflowError):
        return 0
