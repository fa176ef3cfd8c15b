"""Retry a request to a model if a retry can help.

async for attempt in attempts(retries):
    with attempt:
        reply = await ...
"""

import logging
import random
from collections import Counter

from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt, wait_exponential_jitter

from selfcritic.agent.models.errors import classify_error, describe_error
from selfcritic.agent.models.headers import retry_after
from selfcritic.agent.schemas import Retries

_TRANSIENT = {"rate_limit", "timeout", "connection", "server"}
_RETRY_ONCE = {"invalid_json", "truncated", "no_choices", "null"}
"""Retried once: these may be transient, or may recur for this request."""

_log = logging.getLogger(__name__)


def attempts(retries: Retries) -> AsyncRetrying:
    """Iterate over attempts at one request, with increasing waits.

    A provider's Retry-After overrides the computed wait, up to `retries.max_wait`. The last error is raised unchanged.
    """
    return AsyncRetrying(
        retry=_ShouldRetry(),
        wait=_Wait(retries.first_wait, retries.max_wait),
        stop=stop_after_attempt(retries.tries),
        before_sleep=_log_retry,
        reraise=True,
    )


class _ShouldRetry:
    """Decide whether to retry one request; counts its errors by kind."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, state: RetryCallState) -> bool:
        error = _get_error(state)
        if error is None:
            return False
        kind = classify_error(error)
        self.counts[kind] += 1
        if kind in _RETRY_ONCE:
            return self.counts[kind] == 1
        return kind in _TRANSIENT


class _Wait:
    """Compute the seconds before the next attempt, at most `max_wait`."""

    def __init__(self, first_wait: float, max_wait: float) -> None:
        self.first_wait = first_wait
        self.max_wait = max_wait
        self.exponential = wait_exponential_jitter(
            multiplier=first_wait, max=max_wait, jitter=first_wait
        )

    def __call__(self, state: RetryCallState) -> float:
        error = _get_error(state)
        if error is None:
            return self.exponential(state)
        requested_wait = retry_after(error)
        if requested_wait is None:
            return self.exponential(state)
        # Clients that were rejected together must not retry together.
        jitter = random.uniform(0, self.first_wait)
        return min(requested_wait + jitter, self.max_wait)


def _get_error(state: RetryCallState) -> BaseException | None:
    if state.outcome is None:
        return None
    return state.outcome.exception()


def _log_retry(state: RetryCallState) -> None:
    error = _get_error(state)
    if error is not None:
        explanation = describe_error(error)
        _log.info(
            "Attempt %d failed, next in %.1f s: %s",
            state.attempt_number,
            state.upcoming_sleep,
            explanation,
        )
