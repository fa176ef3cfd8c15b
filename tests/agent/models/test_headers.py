"""Headers of providers' responses: rate limits and waits."""

import datetime
import math
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.models.errors import ModelCallError
from selfcritic.agent.models.headers import parse_wait, rate_limit_headers, retry_after, status_of


def wait_after(**headers: str) -> float | None:
    """Return `retry_after` of an error with the headers, given with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return retry_after(ModelCallError("x", headers=named))


def in_seconds(seconds: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1.5", 1.5),
        ("-3", 0),
        ("20ms", 0.02),
        ("1h", 3600),
        ("1m2.5s", 62.5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("2015-10-21T07:28:00Z", 0),
        ("2015-10-21T07:28:00", 0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0),
        ("inf", math.inf),
        ("Infinity", math.inf),
        ("9" * 400, math.inf),
        ("-inf", 0),
        ("nan", None),
        ("2 1s", None),
        ("soon", None),
        ("", None),
    ],
)
def test_parses_every_form_of_wait(text: str, seconds: float | None):
    assert parse_wait(text) == seconds


def test_parses_times_in_the_future():
    assert parse_wait(in_seconds(30).isoformat()) == pytest.approx(30, abs=2)
    assert parse_wait(format_datetime(in_seconds(60), usegmt=True)) == pytest.approx(60, abs=2)


def test_reads_a_time_without_a_time_zone_as_utc():
    for zone in ("-0000", ""):
        date = in_seconds(60).strftime(f"%a, %d %b %Y %H:%M:%S {zone}").strip()
        assert parse_wait(date) == pytest.approx(60, abs=2)


@given(st.text() | st.from_regex(r"\A[-+\d:., TZGMTa-y]{0,40}\Z"))
def test_any_header_is_a_wait_or_none(text: str):
    seconds = parse_wait(text)
    assert seconds is None or seconds >= 0


def test_reads_retry_after_in_seconds_or_milliseconds():
    assert wait_after(Retry_After="1.5") == 1.5
    assert wait_after(retry_after="-3") == 0
    assert wait_after(retry_after="9", retry_after_ms="250") == 0.25
    assert wait_after(retry_after="soon") is None
    assert wait_after() is None


def test_reads_retry_after_of_a_clients_response():
    request = httpx.Request("GET", "http://h")
    response = httpx.Response(429, headers={"Retry-After": "7"}, request=request)
    error = httpx.HTTPStatusError("x", request=request, response=response)
    assert retry_after(error) == 7
    assert status_of(error) == 429


def test_keeps_only_rate_limit_headers():
    assert rate_limit_headers({"llm_provider-X-RateLimit-A": "1", "set-cookie": "s"}) == {
        "x-ratelimit-a": "1"
    }
