"""One rate limit over all requests, and the headers that providers send."""

import asyncio
import datetime
from typing import Any

import pytest

from selfcritic.agent.models.headers import rate_limit_headers
from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.agent.sampling import rate_limit as rate
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.sampling.rate_limit import RateLimit
from selfcritic.agent.schemas import Budget
from selfcritic.graphs import create_self_critique
from tests.support import event_loop
from tests.support.fake_provider import FakeProvider, Fault, Received
from tests.support.provider_loop import says


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(rate.asyncio, "sleep", made.sleep)
    return made


def go(limit: RateLimit, clock: Clock, *tokens: int) -> list[float]:
    async def all_() -> list[float]:
        moments = []
        for one in tokens:
            await limit.acquire(one)
            moments.append(round(clock.now, 3))
        return moments

    return asyncio.run(all_())


def test_requests_are_spaced(clock: Clock):
    assert go(RateLimit(requests=60, clock=clock), clock, 1, 1, 1) == [0, 1, 2]


def test_tokens_are_spaced_replies_included(clock: Clock):
    limit = RateLimit(tokens=600, clock=clock)
    assert go(limit, clock, 10, 20, 5) == [0, 1, 3]
    limit.record(95)
    assert go(limit, clock, 1) == [13]


@pytest.mark.parametrize("headers", [
    {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2.5s"},
    {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "62500ms"},
])  # fmt: skip
def test_nothing_is_sent_before_the_providers_reset(headers: dict[str, str], clock: Clock):
    limit = RateLimit(clock=clock)
    limit.apply_headers(headers)
    assert go(limit, clock, 1) == [62.5]


def test_what_is_left_is_used(clock: Clock):
    limit = RateLimit(clock=clock)
    limit.apply_headers({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "60s"})
    assert go(limit, clock, 1) == [0]


def test_the_headers_of_a_reply_reach_the_limit(monkeypatch: pytest.MonkeyPatch):
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(RateLimit, "apply_headers", lambda self, headers: seen.append(dict(headers)))

    class Telling(FakeProvider):
        async def _answer(self, request: Any, received: Received) -> Any:
            async def add(_: Any, response: Any) -> None:
                response.headers["x-ratelimit-remaining-requests"] = "0"

            request._prepare_hook = lambda response: add(request, response)
            return await super()._answer(request, received)

    with Telling(says) as provider:
        _run(provider)
    assert any(one.get("x-ratelimit-remaining-requests") == "0" for one in seen)


def test_one_who_is_turned_away_holds_up_all(monkeypatch: pytest.MonkeyPatch):
    pauses: list[float | None] = []
    monkeypatch.setattr(RateLimit, "pause", lambda self, seconds: pauses.append(seconds))
    with FakeProvider(says, faults=[Fault("status", 429, retry_after=0.2)]) as provider:
        _run(provider)
    assert 0.2 in pauses


def _run(provider: FakeProvider) -> None:
    meter = BudgetTracker(Budget())
    meter.rate = RateLimit()
    token = parent_budget.set(meter)
    try:
        model = LiteLLMModel(model="openai/fake", api_base=provider.url, api_key="sk-none")
        graph = create_self_critique(model=model, max_rounds=0).compile()
        event_loop.run(graph.ainvoke({"question": "How far is the moon?"}))
    finally:
        parent_budget.reset(token)
