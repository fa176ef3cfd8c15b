"""Limit requests and tokens per minute across all requests that share a limit.

Requests are spaced evenly, so that no minute exceeds the limit. Rate-limit headers in OpenAI's or Anthropic's form
pause all requests until the specified reset time.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

from selfcritic.agent.models.headers import parse_wait

_REMAINING_AND_RESET_HEADERS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
)


class RateLimit:
    """Spaces requests evenly in time."""

    def __init__(
        self,
        requests: float | None = None,
        tokens: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the requests and tokens per minute; None leaves only the provider's limits."""
        self._seconds_per_request = 60 / requests if requests else 0.0
        self._seconds_per_token = 60 / tokens if tokens else 0.0
        self._clock = clock
        now = clock()
        self._next_request = now
        self._next_token = now
        self._paused_until = now

    async def acquire(self, tokens: int) -> None:
        """Wait until a request of about `tokens` tokens may be sent."""
        # Checked again after each wait: another request or a new pause may have come first.
        while (wait := self._remaining_wait()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(wait)
        now = self._clock()
        self._next_request = now + self._seconds_per_request
        self._next_token = now + tokens * self._seconds_per_token

    def record(self, tokens: int) -> None:
        """Count tokens beyond the estimate, such as the reply's."""
        start = max(self._next_token, self._clock())
        self._next_token = start + tokens * self._seconds_per_token

    def pause(self, seconds: float) -> None:
        """Pause all requests for some seconds."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def apply_headers(self, headers: Mapping[str, str], max_wait: float) -> None:
        """Pause until the provider's reset if a limit is used up, at most `max_wait` seconds."""
        for remaining, reset in _REMAINING_AND_RESET_HEADERS:
            if headers.get(remaining, "").strip() == "0":
                wait = parse_wait(headers.get(reset, ""))
                if wait is not None:
                    self.pause(min(wait, max_wait))

    def _remaining_wait(self) -> float:
        return max(self._next_request, self._next_token, self._paused_until) - self._clock()
