"""Limit the time of a request, which HTTP clients limit only between two bytes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from langchain_core.language_models import BaseChatModel

_TIMEOUT_FIELDS = ("request_timeout", "default_request_timeout", "timeout")


class Deadline:
    """Seconds that a request may wait for its server, over all parts of the reply."""

    def __init__(self, seconds: float | None) -> None:
        """Set the limit; None waits without one."""
        self._seconds = seconds
        self._left = seconds

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Cancel the block when no seconds are left. Raises TimeoutError."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._left) as timeout:
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            raise TimeoutError(f"No complete reply within {self._seconds:g} seconds") from None
        if self._left is not None:
            self._left -= time.monotonic() - started


def request_timeout(model: BaseChatModel) -> float | None:
    """Return a model's timeout in seconds, None if it has none or limits whole requests itself."""
    if getattr(model, "limits_whole_requests", False):
        return None
    for name in _TIMEOUT_FIELDS:
        timeout = getattr(model, name, None)
        seconds = getattr(timeout, "read", timeout)  # an httpx.Timeout has one for each phase
        if isinstance(seconds, int | float) and not isinstance(seconds, bool):
            return float(seconds)
    return None
