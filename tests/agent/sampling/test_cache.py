import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.caches import BaseCache, InMemoryCache
from langchain_core.messages import AIMessage, HumanMessage

from selfcritic import prompts
from selfcritic.agent import Budget
from selfcritic.agent.errors import BudgetExhausted, InputError, ModelError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.models.simulated import SimulatedModel
from selfcritic.agent.sampling import cache as caches
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.sampling.cache import open_cache, use_cache
from selfcritic.agent.sampling.request import RequestPipeline
from selfcritic.agent.sampling.sampler import Sampler
from selfcritic.agent.schemas import Capabilities, Usage
from tests.support.verdicts import texts

ASKED = [HumanMessage("one two three")]


class WithoutN(ScriptedModel):
    """Returns one reply for any n, as many providers do."""

    def sample(self, messages, n, seed):
        return super().sample(messages, 1, seed)


class Growing(ScriptedModel):
    """Numbers its replies, so that each of them is new."""

    script: object = None
    _count: int = 0

    def sample(self, messages, n, seed):
        self._requests.append(messages)
        replies = []
        for _ in range(n):
            self._count += 1
            replies += ScriptedModel(script=[f"reply {self._count}"]).sample(messages, 1, seed)
        return replies


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "cache")
    caches.close_all()


def sampler(model, cache, role="critic", seed=None, capabilities=None, **budget) -> Sampler:
    pipeline = RequestPipeline(
        [model],
        role,
        BudgetTracker(Budget(**budget)),
        seed=seed,
        cache=open_cache(cache),
        capabilities=capabilities or Capabilities(),
    )
    return Sampler(pipeline, prompts.load().retry_verdict)


def used(one: Sampler) -> Usage:
    return one.pipeline.budget.usage


@pytest.mark.parametrize("kind", [Growing, WithoutN])
def test_eight_samples_after_four_send_only_four(folder: str, kind: type):
    model = kind(script=[f"reply {number}" for number in range(8)])
    first = asyncio.run(sampler(model, folder).sample(ASKED, 4))
    more = sampler(model, folder)
    all_replies = asyncio.run(more.sample(ASKED, 8))
    assert texts(all_replies)[:4] == texts(first)
    assert len(set(texts(all_replies))) == 8
    again = sampler(model, folder)
    assert texts(asyncio.run(again.sample(ASKED, 8))) == texts(all_replies)
    assert used(again).calls == 0
    assert used(again).cached_calls >= 1
    if kind is Growing:
        assert used(more).calls == 1
        assert used(more).output_tokens == 8
    else:
        assert used(more).calls == 4


def test_cached_calls_are_counted_apart_and_cost_what_they_cost(folder: str):
    first = sampler(Growing(), folder)
    asyncio.run(first.sample(ASKED, 3))
    again = sampler(Growing(), folder)
    asyncio.run(again.sample(ASKED, 3))
    paid = used(first)
    assert (paid.calls, paid.cached_calls, paid.cached_call_tokens) == (1, 0, 0)
    cached = used(again).by_role["critic"]
    assert (cached.calls, cached.cached_calls) == (0, 1)
    assert cached.cached_call_tokens == paid.input_tokens + paid.output_tokens
    assert (cached.input_tokens, cached.output_tokens) == (0, 0)


def test_a_budget_ends_at_the_same_place_with_a_cache(folder: str):
    model = WithoutN(script=lambda _: "x")
    asyncio.run(sampler(model, folder).sample(ASKED, 8))
    limited = sampler(model, folder, calls=3, capabilities=Capabilities(rejected=["n"]))
    assert len(asyncio.run(limited.sample(ASKED, 8))) == 3
    with pytest.raises(BudgetExhausted, match="3 calls"):
        asyncio.run(limited.sample([HumanMessage("new")]))
    few_tokens = sampler(model, folder, tokens=10)
    for _ in range(2):
        asyncio.run(few_tokens.sample(ASKED))
    with pytest.raises(BudgetExhausted, match="10 tokens"):
        asyncio.run(few_tokens.sample(ASKED))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"temperature": 0.5},
        {"max_tokens": 7},
        {"messages": [HumanMessage("other")]},
        {"messages": [AIMessage("one two three")]},
        {"model": "other"},
    ],
)
def test_another_request_is_another_entry(folder: str, change: dict[str, object]):
    asyncio.run(sampler(Growing(), folder).sample(ASKED))
    messages = change.pop("messages", ASKED)
    model = ScriptedModel(script=["new"]) if change.pop("model", None) else Growing()
    pipeline = RequestPipeline(
        [model], "critic", BudgetTracker(Budget()), cache=open_cache(folder), **change
    )
    asyncio.run(pipeline.send(messages))
    assert pipeline.budget.usage.calls == 1


def test_a_seed_tells_apart_what_the_provider_does_not(folder: str):
    known = Capabilities(rejected=["seed"])
    replies = []
    for seed in (1, 2, 1):
        model = Growing(script=None)
        model._count = seed * 10
        one = sampler(model, folder, seed=seed, capabilities=known.model_copy(deep=True))
        replies += texts(asyncio.run(one.sample(ASKED)))
    assert replies == ["reply 11", "reply 21", "reply 11"]


def test_logprob_verdicts_are_identical_also_under_a_limit(folder: str):
    model = SimulatedModel(seed=1)
    messages = prompts.load().render(
        "classify", "question", question="What is 4 + 5?", answer="4 + 5 = 8"
    )
    fresh = asyncio.run(sampler(model, folder, "judge").probability(messages))
    limited = sampler(model, folder, "judge", capabilities=Capabilities(verdict_tokens=1))
    cached = asyncio.run(limited.probability(messages))
    assert cached == fresh
    assert (used(limited).calls, used(limited).cached_calls) == (0, 1)


def test_unreadable_votes_are_asked_for_again(folder: str):
    messages = [HumanMessage("flawed?")]
    rejected = Capabilities(rejected=["logprobs", "n"])
    first = sampler(
        ScriptedModel(script=["Yes", "hmm", "No"]), folder, "judge", capabilities=rejected
    )
    asyncio.run(first.probability(messages, 3))
    later = ScriptedModel(script=["Yes", "hmm", "No"])
    later._positions[None] = 2
    second = sampler(later, folder, "judge", capabilities=rejected.model_copy(deep=True))
    verdict = asyncio.run(second.probability(messages, 3))
    assert (used(second).calls, used(second).cached_calls) == (1, 2)
    assert verdict.probability == pytest.approx(1 / 3)


def test_a_reply_cut_off_at_the_models_own_limit_is_not_saved(folder: str):
    class Cutting(ScriptedModel):
        def sample(self, messages, n, seed):
            whole = super().sample(messages, n, seed)
            return [reply.__class__(reply.text, is_truncated=True) for reply in whole]

    model = Cutting(script=["cut", "cut again", "cut"])
    asyncio.run(sampler(model, folder).sample(ASKED))
    second = sampler(model, folder)
    asyncio.run(second.sample(ASKED))
    assert used(second).calls == 1


def test_failed_and_empty_replies_are_not_saved(folder: str):
    model = ScriptedModel(script=["", "", "fine"])
    with pytest.raises(ModelError):
        asyncio.run(sampler(model, folder).sample(ASKED))
    assert texts(asyncio.run(sampler(model, folder).sample(ASKED))) == ["fine"]


def test_prefill_works_from_the_cache(folder: str):
    results = []
    for _ in range(2):
        model = ScriptedModel(script=["ends", "here"])
        one = sampler(model, folder)
        results.append(texts(asyncio.run(one.continue_from(ASKED, "It ", 2, suffix="so "))))
    assert results[0] == results[1] == ["It so ends", "It so here"]
    assert used(one).calls == 0


def test_any_langchain_cache_works_and_sees_no_prompt():
    class Spy(InMemoryCache):
        def __init__(self):
            super().__init__()
            self.keys: list[str] = []

        def lookup(self, prompt, llm_string):
            self.keys.append(prompt + llm_string)
            return super().lookup(prompt, llm_string)

    spy = Spy()
    for _ in range(2):
        one = sampler(ScriptedModel(script=["a", "b"]), spy)
        assert texts(asyncio.run(one.sample(ASKED, 2))) == ["a", "b"]
    assert used(one).calls == 0
    assert not any("three" in key for key in spy.keys)
    assert len(set(spy.keys)) == 2


def test_a_failing_cache_never_loses_a_reply(caplog: pytest.LogCaptureFixture):
    class Broken(BaseCache):
        def lookup(self, prompt, llm_string):
            raise ConnectionError("redis://user:secret-password@host")

        update = lookup

        def clear(self, **_):
            return

    one = sampler(ScriptedModel(script=["a", "b"]), Broken())
    with caplog.at_level(logging.WARNING):
        assert texts(asyncio.run(one.sample(ASKED, 2))) == ["a", "b"]
    assert len(caplog.records) == 1
    assert "The cache (Broken) failed: ConnectionError" in caplog.text
    assert "secret-password" not in caplog.text


def test_use_cache_covers_requests_without_a_cache(folder: str):
    model = ScriptedModel(script=["a"])
    for _ in range(2):
        one = sampler(model, None)
        with use_cache(Path(folder)):
            assert texts(asyncio.run(one.sample(ASKED))) == ["a"]
    assert used(one).cached_calls == 1


def test_usage_of_older_versions_is_readable():
    old = {"calls": 3, "by_role": {"critic": {"calls": 3, "cost_usd": None}}, "seconds": 1.0}
    usage = Usage.model_validate_json(json.dumps(old))
    assert (usage.calls, usage.cached_calls, usage.by_role["critic"].cached_calls) == (3, 0, 0)


def test_a_folder_that_is_a_file_names_the_option(tmp_path: Path):
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(InputError, match=r"The cache .*file' \(`cache`, --cache\) cannot be used"):
        open_cache(str(path))
