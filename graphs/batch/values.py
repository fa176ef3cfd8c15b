"""Check that a row's values can be saved and sent as JSON in UTF-8."""

from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 64
"""Levels of nested lists and objects; libraries that read them recurse."""
_MAX_INT_BITS = 10_000
"""Python does not format integers of more than about 14,000 bits."""


def find_problem(data: Any, *, allow_surrogates: bool = False) -> str | None:
    """Return why a row's data cannot be used, None if it can."""
    pending: list[tuple[Any, int]] = [(data, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > _MAX_DEPTH:
            return f"it is nested deeper than {_MAX_DEPTH} levels"
        if isinstance(value, str) and not allow_surrogates and has_surrogate(value):
            return f"the text {_quote(value)} is not valid Unicode (unpaired surrogate)"
        if isinstance(value, int) and value.bit_length() > _MAX_INT_BITS:
            return "it has a number with thousands of digits"
        if isinstance(value, Mapping):
            for name, item in value.items():
                pending += [(name, depth + 1), (item, depth + 1)]
        elif isinstance(value, list | tuple):
            pending += [(item, depth + 1) for item in value]
    return None


def has_surrogate(text: str) -> bool:
    """Whether a text has an unpaired surrogate, which UTF-8 cannot encode."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _quote(text: str) -> str:
    excerpt = text if len(text) <= 40 else text[:40] + "…"
    escaped = excerpt.encode("utf-8", "backslashreplace").decode()
    return f"'{escaped}'"
