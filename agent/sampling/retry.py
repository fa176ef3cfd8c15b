"""The one place where a request is tried again, and only where that can help.

async for attempt in attempts(retries):
    with attempt:
        reply = await ...
"""

import datetime
import logging
import random
from collections import Counter
from email.utils import parsedate_to_datetime

from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt, wait_exponential_jitter

from selfcritic.agent.models.errors import classify_error, describe_error, headers_of
from selfcritic.agent.schemas import Retries

_PASSING = {"rate_limit", "timeout", "connection", "server"}
_WORTH_ONE_MORE = {"invalid_json", "truncated", "no_choices", "null"}
"""What may be an accident, or the model's way with this very request."""

_log = logging.getLogger(__name__)


def attempts(retries: Retries) -> AsyncRetrying:
    """Attempts at one request, with growing waits between; the last error is raised as it is.

    A provider's Retry-After goes before our own wait, up to the longest.
    """
    return AsyncRetrying(
        retry=_Worth(),
        wait=_Wait(retries.first_wait, retries.max_wait),
        stop=stop_after_attempt(retries.tries),
        before_sleep=_tell,
        reraise=True,
    )


def retry_after(error: BaseException) -> float | None:
    """The seconds that the provider asks to be left alone for."""
    headers = headers_of(error)
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    told = headers.get("retry-after")
    if told is None or (seconds := _number(told)) is not None:
        return None if told is None else seconds
    try:
        then = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, (then - datetime.datetime.now(datetime.UTC)).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:
        return None


class _Worth:
    """Whether another attempt can help; of one request, so that it can count."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def __call__(self, state: RetryCallState) -> bool:
        error = _error(state)
        if error is None:
            return False
        kind = classify_error(error)
        self.seen[kind] += 1
        return kind in _PASSING or (kind in _WORTH_ONE_MORE and self.seen[kind] == 1)


class _Wait:
    """As long as the provider asks for, else exponentially longer; never beyond the longest."""

    def __init__(self, first: float, longest: float) -> None:
        self.first, self.longest = first, longest
        self.growing = wait_exponential_jitter(multiplier=first, max=longest, jitter=first)

    def __call__(self, state: RetryCallState) -> float:
        error = _error(state)
        asked = retry_after(error) if error else None
        if asked is None:
            return self.growing(state)
        # Those who were turned away together must not come back together.
        return min(asked + random.uniform(0, self.first), self.longest)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _tell(state: RetryCallState) -> None:
    if error := _error(state):
        _log.info(
            "Attempt %d failed, next in %.1f s: %s", state.attempt_number, state.upcoming_sleep, describe_error(error)
        )
