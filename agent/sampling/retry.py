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

from tenacity import AsyncRetrying, RetryCallState, wait_exponential_jitter

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

_log = logging.getLogger(__name__)

T = TypeVar("T")


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
    # Most requests succeed at once: tenacity's objects would only use memory while they wait for the reply.
    try:
        return await send()
    except Exception as error:
        if retries.tries == 1 and retries.startup_seconds == 0:
            raise
        failures = [error]

    async def attempt() -> T:
        if failures:
            raise failures.pop()
        return await send()

    policy = _Policy(retries, clock)
    retrying = AsyncRetrying(
        sleep=sleep,
        retry=policy.should_retry,
        wait=policy.wait,
        stop=policy.should_stop,
        before_sleep=policy.log,
        reraise=True,
    )
    return await retrying(attempt)


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


class _Policy:
    """Decides about the attempts at one request; counts its errors by kind."""

    def __init__(self, retries: Retries, clock: Callable[[], float]) -> None:
        self.retries = retries
        self.clock = clock
        self.counts: Counter[str] = Counter()
        self.waits_for_startup = retries.tries > 1 and retries.startup_seconds > 0
        self.address: str | None = None
        """Address of the starting server that this request waits for."""
        self.exponential = wait_exponential_jitter(
            multiplier=retries.first_wait, max=retries.max_wait, jitter=retries.first_wait
        )

    def should_retry(self, state: RetryCallState) -> bool:
        error = _get_error(state)
        if error is None:
            if self.address is not None:
                _outages.pop(self.address, None)
            return False
        kind = classify_error(error)
        self.counts[kind] += 1
        if self._is_starting(state):
            self._record_outage(error)
        if kind in _RETRY_ONCE:
            return self.counts[kind] == 1
        return kind in TRANSIENT

    def should_stop(self, state: RetryCallState) -> bool:
        """Return whether the tries, or the seconds for a starting server, are used up.

        The seconds count from the beginning of the outage, so that later requests to a dead server fail fast.
        """
        if not self._is_starting(state) or self.address is None:
            other_attempts = state.attempt_number
            if self.waits_for_startup:
                other_attempts -= sum(self.counts[kind] for kind in STARTING)
            return other_attempts >= self.retries.tries
        seconds_down = self.clock() - _outages[self.address].started
        waited = max(seconds_down, state.idle_for) + state.upcoming_sleep
        return state.attempt_number >= self.retries.tries and waited > self.retries.startup_seconds

    def wait(self, state: RetryCallState) -> float:
        """Return the seconds before the next attempt, at most `max_wait`."""
        error = _get_error(state)
        if error is None:
            return self.exponential(state)
        requested_wait = retry_after(error)
        if requested_wait is not None:
            # Clients that were rejected together must not retry together.
            jitter = random.uniform(0, self.retries.first_wait)
            return min(requested_wait + jitter, self.retries.max_wait)
        seconds = self.exponential(state)
        if self._is_starting(state):
            return min(max(seconds, _MIN_STARTUP_WAIT), _MAX_STARTUP_WAIT)
        return seconds

    def log(self, state: RetryCallState) -> None:
        """Log a failed attempt; warn at the beginning of an outage."""
        error = _get_error(state)
        if error is None:
            return
        # A starting server is reported once, below.
        _log.log(
            logging.DEBUG if self._is_starting(state) else logging.INFO,
            "Attempt %d failed, next in %.1f s: %s",
            state.attempt_number,
            state.upcoming_sleep,
            describe_error(error),
        )
        if not self._is_starting(state) or self.address is None:
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

    def _is_starting(self, state: RetryCallState) -> bool:
        error = _get_error(state)
        return self.waits_for_startup and error is not None and classify_error(error) in STARTING

    def _record_outage(self, error: BaseException) -> None:
        now = self.clock()
        self.address = address_of(error) or "the model's server"
        outage = _outages.get(self.address)
        if outage is None or now - outage.last_failure > _OUTAGE_GAP:
            outage = _Outage(now, now)
            _outages[self.address] = outage
        outage.last_failure = now


def _get_error(state: RetryCallState) -> BaseException | None:
    if state.outcome is None:
        return None
    return state.outcome.exception()
