"""One rate limit over all requests that share it: so many a minute, so many tokens a minute, and what a provider says.

Requests are spaced evenly, so that no minute holds more than its share. What a provider says of its own limits, in
the headers of OpenAI's or Anthropic's form, holds up everybody: nothing is sent before the moment it names.
"""

import asyncio
import datetime
import re
import time
from collections.abc import Callable, Mapping

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class RateLimit:
    """Lets requests go one after the other; None is no limit but the provider's own."""

    def __init__(
        self,
        requests: float | None = None,
        tokens: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Requests and tokens are those of a minute."""
        self._each = 60 / requests if requests else 0.0
        self._token = 60 / tokens if tokens else 0.0
        self._clock = clock
        self._next_request = self._next_token = self._pause = clock()

    async def turn(self, tokens: int) -> None:
        """Wait until a request of so many tokens, as estimated, may be sent."""
        # Looked at again after each wait: others may have gone, or the provider have asked for more.
        while (wait := max(self._next_request, self._next_token, self._pause) - self._clock()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(wait)
        now = self._clock()
        self._next_request = now + self._each
        self._next_token = now + tokens * self._token

    def took(self, tokens: int) -> None:
        """Count tokens that were not estimated, such as the reply's."""
        self._next_token = max(self._next_token, self._clock()) + tokens * self._token

    def pause(self, seconds: float | None) -> None:
        """Let nobody go for so long; None says nothing."""
        if seconds is not None:
            self._pause = max(self._pause, self._clock() + seconds)

    def heed(self, headers: Mapping[str, str]) -> None:
        """Wait for the provider's reset where its headers say that nothing is left."""
        for kind in ("requests", "tokens"):
            for left, reset in (
                (f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}"),
                (f"anthropic-ratelimit-{kind}-remaining", f"anthropic-ratelimit-{kind}-reset"),
            ):
                if headers.get(left, "").strip() == "0":
                    self.pause(_seconds(headers.get(reset, "")))


def _seconds(text: str) -> float | None:
    """A wait such as 1.5, 6m0s or 20ms, or until a moment such as 2026-01-01T00:00:00Z; None where it is neither."""
    if parts := re.findall(r"([\d.]+)(ms|s|m|h)", text):
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        then = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return max(0.0, (then - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
