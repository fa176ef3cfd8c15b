"""Rate limits over all requests, and the headers that providers send."""

import asyncio
from typing import Any

import pytest

from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.agent.sampling import rate_limit, retry
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.sampling.rate_limit import RateLimit
from selfcritic.agent.schemas import Budget, Retries
from selfcritic.graphs import create_self_critique
from tests.support import event_loop
from tests.support.fake_provider import FakeProvider, Fault, Received
from tests.support.provider_loop import reply


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake_clock = Clock()
    monkeypatch.setattr(rate_limit.asyncio, "sleep", fake_clock.sleep)
    return fake_clock


def acquire_times(limit: RateLimit, clock: Clock, *token_counts: int) -> list[float]:
    """Acquire once per token count and return the times."""

    async def acquire_all() -> list[float]:
        times = []
        for tokens in token_counts:
            await limit.acquire(tokens)
            times.append(round(clock.now, 3))
        return times

    return asyncio.run(acquire_all())


def test_spaces_requests(clock: Clock):
    assert acquire_times(RateLimit(requests=60, clock=clock), clock, 1, 1, 1) == [0, 1, 2]


def test_spaces_tokens_of_requests_and_replies(clock: Clock):
    limit = RateLimit(tokens=600, clock=clock)
    assert acquire_times(limit, clock, 10, 20, 5) == [0, 1, 3]
    limit.record(95)
    assert acquire_times(limit, clock, 1) == [13]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2.5s"},
        {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "62500ms"},
        {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "62.5"},
    ],
)
def test_sends_nothing_before_the_providers_reset(headers: dict[str, str], clock: Clock):
    limit = RateLimit(clock=clock)
    limit.apply_headers(headers, max_wait=100)
    assert acquire_times(limit, clock, 1) == [62.5]


@pytest.mark.parametrize("reset", ["inf", "9e99", "2099-01-01T00:00:00Z", "62.5", "1000h"])
def test_a_pause_is_at_most_max_wait(reset: str, clock: Clock):
    limit = RateLimit(clock=clock)
    limit.apply_headers(
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}, max_wait=30
    )
    assert acquire_times(limit, clock, 1) == [30]


@pytest.mark.parametrize("reset", ["nan", "", "soon", "-1"])
def test_an_unreadable_reset_is_no_pause(reset: str, clock: Clock):
    limit = RateLimit(clock=clock)
    limit.apply_headers(
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}, max_wait=30
    )
    assert acquire_times(limit, clock, 1) == [0]


def test_does_not_wait_while_requests_remain(clock: Clock):
    limit = RateLimit(clock=clock)
    limit.apply_headers(
        {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "60s"}, max_wait=30
    )
    assert acquire_times(limit, clock, 1) == [0]


def test_applies_the_headers_of_replies(monkeypatch: pytest.MonkeyPatch):
    applied: list[dict[str, str]] = []
    monkeypatch.setattr(
        RateLimit, "apply_headers", lambda self, headers, max_wait: applied.append(dict(headers))
    )

    class ProviderWithHeaders(FakeProvider):
        async def _answer(self, request: Any, received: Received) -> Any:
            async def add_header(response: Any) -> None:
                response.headers["x-ratelimit-remaining-requests"] = "0"

            request._prepare_hook = add_header
            return await super()._answer(request, received)

    with ProviderWithHeaders(reply) as provider:
        run_with_rate_limit(provider)
    assert any(headers.get("x-ratelimit-remaining-requests") == "0" for headers in applied)


def test_retry_after_pauses_all_requests(monkeypatch: pytest.MonkeyPatch):
    pauses: list[float | None] = []
    monkeypatch.setattr(RateLimit, "pause", lambda self, seconds: pauses.append(seconds))
    with FakeProvider(reply, faults=[Fault("status", 429, retry_after=0.2)]) as provider:
        run_with_rate_limit(provider)
    assert 0.2 in pauses


@pytest.mark.parametrize("wait", ["inf", "86400", "Fri, 01 Jan 2099 00:00:00 -0000", "1e400"])
def test_a_long_retry_after_is_capped_and_reported_once(
    wait: str, caplog: pytest.LogCaptureFixture
):
    retry.reported_waits.clear()
    busy = Fault("status", 429, retry_after=wait)
    with FakeProvider(reply, faults=[busy, busy]) as provider:
        run_with_rate_limit(provider, Retries(first_wait=0, max_wait=0.05))
        assert max(provider.waits) < 5
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "retried after 0.05 seconds (max_wait of Retries)" in warnings[0]


def run_with_rate_limit(provider: FakeProvider, retries: Retries | None = None) -> None:
    budget = BudgetTracker(Budget())
    budget.rate = RateLimit()
    token = parent_budget.set(budget)
    try:
        model = LiteLLMModel(model="openai/fake", api_base=provider.url, api_key="sk-none")
        retries = retries or Retries()
        graph = create_self_critique(model=model, max_rounds=0, retries=retries).compile()
        event_loop.run(graph.ainvoke({"question": "How far is the moon?"}))
    finally:
        parent_budget.reset(token)
