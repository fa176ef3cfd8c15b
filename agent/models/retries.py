"""Retries of a model that is used outside of the loop."""

from typing import Any

from tenacity import (
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from selfcritic.agent.models.error_kinds import TRANSIENT, classify_error
from selfcritic.agent.models.headers import retry_after

_MAX_WAIT = 30.0
_exponential_wait = wait_exponential_jitter(multiplier=0.5, max=_MAX_WAIT, jitter=0.5)


def retry_options(max_retries: int) -> dict[str, Any]:
    """Return the arguments of tenacity's `Retrying` and `AsyncRetrying`."""
    return {
        "retry": retry_if_exception(_is_transient),
        "wait": _wait,
        "stop": stop_after_attempt(max_retries + 1),
        "reraise": True,
    }


def _is_transient(error: BaseException) -> bool:
    return classify_error(error) in TRANSIENT


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    requested_wait = retry_after(error) if error else None
    if requested_wait is None:
        return _exponential_wait(state)
    return min(requested_wait, _MAX_WAIT)
