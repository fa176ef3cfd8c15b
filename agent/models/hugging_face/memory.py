"""Recognize errors about memory of Python, torch and the operating system."""

from selfcritic.agent.errors import ModelError

_TEXTS = ("allocate memory", "out of memory", "can't start new thread")


class OutOfMemoryError(ModelError):
    """A request does not fit in memory."""


def is_memory_error(error: Exception) -> bool:
    """Whether memory ran out, by the type and the text of an error."""
    is_known = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return is_known or any(text in str(error) for text in _TEXTS)
