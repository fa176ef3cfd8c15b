"""Retry a request to a model if a retry can help.

    reply = await call_with_retries(send, retries)

A server that refuses connections or still loads its model is starting: its requests are retried for
`retries.startup_seconds`, and a warning is logged once per outage.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from selfcritic.agent.models.error_kinds import STARTING, TRANSIENT, classify_error
from selfcritic.agent.models.errors import address_of, describe_error, error_message
from selfcritic.agent.models.headers import retry_after
from selfcritic.agent.schemas import Retries

_RETRY_ONCE = {"invalid_json", "truncated", "no_choices", "malformed", "null"}
"""Retried once: these may be transient, or may recur for this request."""
_MIN_STARTUP_WAIT = 0.25
_MAX_STARTUP_WAIT = 5.0
_OUTAGE_GAP = 60.0
"""Seconds without a failure after which the next one begins a new outage."""

_MAX_DOUBLINGS = 30
"""Doublings of the first wait: more exceed any `max_wait`."""
T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass
class _Outage:
    """A time in which a server refuses connections or loads its model."""

    started: float
    last_failure: float
    is_reported: bool = False


_outages: dict[str, _Outage] = {}
"""Outage by address, shared by all requests of the process."""


async def call_with_retries(
    send: Callable[[], Awaitable[T]],
    retries: Retries,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Return the result of `send`, which is called again after increasing waits.

    A provider's Retry-After overrides the computed wait, up to `retries.max_wait`. The last error is raised unchanged.
    """
    attempts: _Attempts | None = None
    while True:
        try:
            result = await send()
        except Exception as error:
            attempts = attempts or _Attempts(retries, clock)
            seconds = attempts.wait_after(error)
            if seconds is None:
                raise
        else:
            if attempts is not None:
                attempts.end_outage()
            return result
        await sleep(seconds)


reported_waits: set[str] = set()
"""Addresses whose long waits were reported."""


def warn_about_wait(error: BaseException, seconds: float | None, max_wait: float) -> None:
    """Warn once per server if it asks for a longer wait than `max_wait` seconds."""
    if seconds is None or seconds <= max_wait:
        return
    address = address_of(error) or "The provider"
    if address not in reported_waits:
        reported_waits.add(address)
        _log.warning(
            "%s asks to wait for %g seconds. Requests are retried after %g seconds (max_wait of Retries).",
            address,
            seconds,
            max_wait,
        )


class _Attempts:
    """The failed attempts at one request: decides about the next one."""

    def __init__(self, retries: Retries, clock: Callable[[], float]) -> None:
        self.retries = retries
        self.clock = clock
        self.counts: Counter[str] = Counter()
        """Failed attempts by kind of error."""
        self.waited = 0.0
        """Seconds of all waits."""
        self.waits_for_startup = retries.tries > 1 and retries.startup_seconds > 0
        self.address: str | None = None
        """Address of the starting server that this request waits for."""

    def wait_after(self, error: Exception) -> float | None:
        """Return the seconds before the next attempt, None if `error` is final."""
        kind = classify_error(error)
        self.counts[kind] += 1
        is_starting = self.waits_for_startup and kind in STARTING
        if is_starting:
            self._record_outage(error)
        can_help = kind in TRANSIENT
        if kind in _RETRY_ONCE:
            can_help = self.counts[kind] == 1
        seconds = self._next_wait(error, is_starting=is_starting)
        if not can_help or self._is_over(seconds, is_starting=is_starting):
            return None
        self._report(error, seconds, is_starting=is_starting)
        self.waited += seconds
        return seconds

    def end_outage(self) -> None:
        """Forget the outage of the server that replied."""
        if self.address is not None:
            _outages.pop(self.address, None)

    def _is_over(self, next_wait: float, *, is_starting: bool) -> bool:
        """Return whether the tries, or the seconds for a starting server, are used up.

        The seconds count from the beginning of the outage, so that later requests to a dead server fail fast.
        """
        count = self.counts.total()
        if not is_starting or self.address is None:
            if self.waits_for_startup:
                count -= sum(self.counts[kind] for kind in STARTING)
            return count >= self.retries.tries
        seconds_down = self.clock() - _outages[self.address].started
        waited = max(seconds_down, self.waited) + next_wait
        return count >= self.retries.tries and waited > self.retries.startup_seconds

    def _next_wait(self, error: Exception, *, is_starting: bool) -> float:
        """Return the seconds before the next attempt, at most `max_wait`."""
        first_wait = self.retries.first_wait
        max_wait = self.retries.max_wait
        # Clients that were rejected together must not retry together.
        jitter = random.uniform(0, first_wait)
        requested_wait = retry_after(error)
        if requested_wait is not None:
            return min(requested_wait + jitter, max_wait)
        doublings = min(self.counts.total() - 1, _MAX_DOUBLINGS)
        seconds = min(first_wait * 2.0**doublings + jitter, max_wait)
        if is_starting:
            return min(max(seconds, _MIN_STARTUP_WAIT), _MAX_STARTUP_WAIT)
        return seconds

    def _report(self, error: Exception, seconds: float, *, is_starting: bool) -> None:
        """Log a failed attempt; warn at the beginning of an outage."""
        # A starting server is reported once, below.
        _log.log(
            logging.DEBUG if is_starting else logging.INFO,
            "Attempt %d failed, next in %.1f s: %s",
            self.counts.total(),
            seconds,
            describe_error(error),
        )
        if not is_starting or self.address is None:
            return
        outage = _outages[self.address]
        if not outage.is_reported:
            outage.is_reported = True
            _log.warning(
                "Waiting for %s for up to %g seconds: %s",
                self.address,
                self.retries.startup_seconds,
                error_message(error),
                extra={"hint": "Wrong port? Ctrl-C stops."},
            )

    def _record_outage(self, error: Exception) -> None:
        now = self.clock()
        self.address = address_of(error) or "the model's server"
        outage = _outages.get(self.address)
        if outage is None or now - outage.last_failure > _OUTAGE_GAP:
            outage = _Outage(now, now)
            _outages[self.address] = outage
        outage.last_failure = now
