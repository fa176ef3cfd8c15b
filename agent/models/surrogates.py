"""Replace unpaired surrogates in replies, which can be neither saved nor sent as UTF-8.

JSON can contain them as `\\ud800`.
"""

from typing import Any

from langchain_core.messages import AIMessage


def replace_surrogates(text: str) -> str:
    """Return a text with U+FFFD for unpaired surrogates; pairs become their character."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def replace_surrogates_in(message: AIMessage) -> AIMessage:
    """Return a reply without unpaired surrogates; a clean reply is returned unchanged."""
    changes: dict[str, Any] = {}
    for field in ("content", "additional_kwargs", "response_metadata"):
        value = getattr(message, field)
        clean = _clean(value)
        if clean != value:
            changes[field] = clean
    if not changes:
        return message
    return message.model_copy(update=changes)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value
