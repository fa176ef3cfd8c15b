"""Limit the time of a request, which HTTP clients limit only between two bytes."""

import asyncio
import time
from types import TracebackType

from langchain_core.language_models import BaseChatModel

_TIMEOUT_FIELDS = ("request_timeout", "default_request_timeout", "timeout")


class Deadline:
    """Seconds that a request may wait for its server, over all parts of the reply.

    `async with deadline:` cancels the block when no seconds are left, and raises TimeoutError.
    """

    def __init__(self, seconds: float | None) -> None:
        """Set the limit; None waits without one."""
        self._seconds = seconds
        self._left = seconds
        self._started = 0.0
        self._timeout: asyncio.Timeout | None = None

    async def __aenter__(self) -> None:
        if self._left is None:
            return
        self._started = time.monotonic()
        self._timeout = asyncio.timeout(self._left)
        await self._timeout.__aenter__()

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timeout is None or self._left is None:
            return
        try:
            await self._timeout.__aexit__(error_type, error, traceback)
        except TimeoutError:
            raise TimeoutError(f"No complete reply within {self._seconds:g} seconds") from None
        self._left -= time.monotonic() - self._started


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
