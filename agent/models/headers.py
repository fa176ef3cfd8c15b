"""Read the status and headers of a provider's response.

The functions that take an error accept the errors of any client.
"""

import datetime
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h)\s*)+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error or its response carries."""
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "code"):
            status = getattr(holder, name, None)
            if isinstance(status, int):
                return int(status)
    return None


def headers_of(error: BaseException) -> dict[str, str]:
    """Return the headers of the provider's response, names in lower case.

    Returns an empty dict if there was no response.
    """
    for holder in (error, getattr(error, "response", None)):
        for name in ("litellm_response_headers", "headers"):
            headers = getattr(holder, name, None)
            if isinstance(headers, Mapping) and headers:
                return _lower_case(headers)
    return {}


def rate_limit_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep only the rate-limit headers, without litellm's prefix."""
    limits: dict[str, str] = {}
    for key, value in _lower_case(headers).items():
        name = key.removeprefix("llm_provider-")
        if "ratelimit-" in name:
            limits[name] = value
    return limits


def _lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}


def retry_after(error: BaseException) -> float | None:
    """Return the seconds that the provider asks to wait before a retry."""
    headers = headers_of(error)
    milliseconds = parse_wait(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    return parse_wait(headers.get("retry-after", ""))


def parse_wait(text: str) -> float | None:
    """Parse the wait in a provider's header into seconds.

    Accepts seconds (1.5), durations (6m0s, 20ms), ISO 8601 times and HTTP dates; a time without a time zone is in UTC.
    Returns None for any other text, 0 for a time in the past, and infinity if the provider asks for it.
    """
    text = text.strip()
    with suppress(ValueError):
        seconds = float(text)
        return None if math.isnan(seconds) else max(0.0, seconds)
    if _DURATION.fullmatch(text):
        parts = _DURATION_PART.findall(text)
        return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    for parse in (datetime.datetime.fromisoformat, parsedate_to_datetime):
        # TypeError, IndexError: `parsedate_to_datetime` of some texts that are no dates.
        with suppress(ValueError, TypeError, IndexError, OverflowError):
            return _seconds_until(parse(text))
    return None


def _seconds_until(time: datetime.datetime) -> float:
    if time.tzinfo is None:
        time = time.replace(tzinfo=datetime.UTC)
    wait = time - datetime.datetime.now(datetime.UTC)
    return max(0.0, wait.total_seconds())
