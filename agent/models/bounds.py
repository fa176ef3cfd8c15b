"""Bound the numbers of replies, so that checkpoints can hold them and usage never decreases."""

from typing import Any

from langchain_core.messages import AIMessage

_MAX_INTEGER = 2**63 - 1
_MIN_INTEGER = -(2**63)
_MAX_TOKENS = 10**12
"""More tokens in one reply are an error of the server; sums of them must remain integers of 64 bits."""


def bound_numbers(message: AIMessage) -> AIMessage:
    """Return a reply with integers of at most 64 bits, and token counts from 0 on.

    A usual reply is returned unchanged.
    """
    changes: dict[str, Any] = {}
    for field in ("content", "additional_kwargs", "response_metadata"):
        value = getattr(message, field)
        bounded = _bound(value)
        if bounded != value:
            changes[field] = bounded
    usage = bound_tokens(message.usage_metadata)
    if usage != message.usage_metadata:
        changes["usage_metadata"] = usage
    if not changes:
        return message
    return message.model_copy(update=changes)


def bound_tokens(usage: Any) -> Any:
    """Return a usage without negative or impossibly high token counts."""
    if isinstance(usage, dict):
        return {name: bound_tokens(count) for name, count in usage.items()}
    if isinstance(usage, int):
        return min(max(usage, 0), _MAX_TOKENS)
    return usage


def _bound(value: Any) -> Any:
    if isinstance(value, int):
        return min(max(value, _MIN_INTEGER), _MAX_INTEGER)
    if isinstance(value, dict):
        return {name: _bound(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_bound(item) for item in value]
    return value
