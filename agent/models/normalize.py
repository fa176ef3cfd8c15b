"""Give the replies of all chat models the same form.

Thinking is removed from texts and logprobs. Other functions read whether the model was thinking, and whether the reply
stopped at its length limit.
"""

import re
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from selfcritic.agent.models.logprobs import Token, read_tokens
from selfcritic.agent.models.surrogates import replace_surrogates_in
from selfcritic.agent.models.thinking import strip_thinking

REASONING = "reasoning_content"
_REASONING_BLOCKS = {"thinking", "redacted_thinking", "reasoning", "reasoning_content"}
_LENGTH_REASON = re.compile(
    r"length|max_?(?:output_?|new_?)?tokens|context_window_exceeded|incomplete", re.IGNORECASE
)
_FINISH_KEYS = ("finish_reason", "stop_reason", "done_reason", "stopReason")
closing_only_models: dict[object, bool] = {}
"""By model: whether its replies have a lone closing tag, because the chat template opens the block."""


def normalize_reply(message: AIMessage) -> AIMessage:
    """Return the reply without its thinking; a clean reply is returned unchanged.

    Unpaired surrogates, which UTF-8 cannot encode, are replaced.
    """
    message = replace_surrogates_in(message)
    stripped = strip_thinking(message.text)
    changes: dict[str, Any] = {}
    if stripped.thinking or stripped.text != message.text:
        changes["content"] = stripped.text
        changes["additional_kwargs"] = {
            REASONING: stripped.thinking,
            **message.additional_kwargs,
        }
        message = message.model_copy(update=changes)
    return message


def is_reasoning(message: AIMessage) -> bool:
    """Whether the model was thinking before this reply."""
    if message.additional_kwargs.get(REASONING) or strip_thinking(message.text).thinking:
        return True
    usage = message.usage_metadata
    if usage is not None and usage.get("output_token_details", {}).get("reasoning"):
        return True
    if isinstance(message.content, str):
        return False
    return any(
        isinstance(block, dict) and block.get("type") in _REASONING_BLOCKS
        for block in message.content
    )


def is_truncated(message: BaseMessage) -> bool:
    """Whether a reply stopped at its length limit, for any client."""
    metadata = message.response_metadata
    if any(_LENGTH_REASON.search(str(metadata.get(key) or "")) for key in _FINISH_KEYS):
        return True
    details = metadata.get("incomplete_details")  # OpenAI's Responses API
    return isinstance(details, Mapping) and bool(
        _LENGTH_REASON.search(str(details.get("reason") or ""))
    )


def answer_tokens(message: AIMessage) -> list[Token]:
    """Return the tokens with logprobs that belong to the text, not to the thinking.

    Returns [] if the reply has no logprobs, or if they cannot be aligned with the text.
    """
    tokens = read_tokens(message.response_metadata)
    joined = "".join(token.text for token in tokens)
    stripped = strip_thinking(joined)
    answer = message.text.strip()
    if stripped.thinking or stripped.text != joined:
        start = len(joined) - len(stripped.text)
    elif answer and joined.rstrip().endswith(answer):
        start = len(joined.rstrip()) - len(answer)
    elif is_reasoning(message):
        return []
    else:
        start = 0
    return _drop_chars(tokens, start)


def _drop_chars(tokens: list[Token], count: int) -> list[Token]:
    """Return the tokens after the first `count` characters."""
    for index, token in enumerate(tokens):
        if count < len(token.text) or count == 0:
            return tokens[index:]
        count -= len(token.text)
    return []


def has_lone_closing_tag(text: str) -> bool:
    """Return whether a reply ends its thinking without having begun it."""
    return bool(strip_thinking(text).thinking) and not text.lstrip().startswith(("<", "[", "◁"))


def forget_all() -> None:
    """Forget what was learned about models, for tests."""
    closing_only_models.clear()
