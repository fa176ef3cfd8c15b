"""Shorten the long bodies of error responses, which litellm searches for credentials on the event loop."""

import json
from typing import Any

_MAX_BYTES = 8_000
"""Longer bodies are shortened."""
_MAX_CHARS = 2_000
"""Length of the start, and of the end, that is kept of a text."""
_MAX_ITEMS = 20
"""Number of items that are kept of an object or array."""
_OMITTED = " … "
_CODING_HEADERS = ("content-encoding", "content-length", "transfer-encoding")


def shorten_error(response: Any) -> Any:
    """Return an error response of httpx, which was read completely, with a short body."""
    if response.is_success or len(response.content) <= _MAX_BYTES:
        return response
    headers = []
    for name, value in response.headers.multi_items():
        if name.lower() not in _CODING_HEADERS:
            headers.append((name, value))
    return type(response)(
        response.status_code,
        headers=headers,
        content=shorten_body(response.text).encode(response.encoding or "utf-8", "replace"),
        request=response.request,
        extensions=response.extensions,
    )


def shorten_body(body: str) -> str:
    """Return a body with short texts; JSON stays JSON if its texts are what is long."""
    try:
        shorter = json.dumps(_shorten_value(json.loads(body)))
    except (ValueError, RecursionError):
        return _shorten_text(body)
    if len(shorter) <= _MAX_BYTES:
        return shorter
    return _shorten_text(shorter)


def _shorten_value(value: Any) -> Any:
    if isinstance(value, str):
        return _shorten_text(value)
    if isinstance(value, list):
        return [_shorten_value(item) for item in value[:_MAX_ITEMS]]
    if isinstance(value, dict):
        names = list(value)[:_MAX_ITEMS]
        return {name[:_MAX_CHARS]: _shorten_value(value[name]) for name in names}
    return value


def _shorten_text(text: str) -> str:
    """Keep the start and the end of a long text, in whole words: no part of a key may remain."""
    if len(text) <= 2 * _MAX_CHARS:
        return text
    words_before = text[:_MAX_CHARS].split(" ")[:-1]
    words_after = text[-_MAX_CHARS:].split(" ")[1:]
    return " ".join(words_before) + _OMITTED + " ".join(words_after)
