import asyncio
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage

from selfcritic import prompts
from selfcritic.agent import Budget
from selfcritic.agent.errors import (
    BudgetExhausted,
    CheckpointError,
    JudgeUnreadable,
    ModelError,
)
from selfcritic.agent.models.errors import ModelCallError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.sampling.request import RequestPipeline
from selfcritic.agent.sampling.sampler import Sampler
from selfcritic.agent.sampling.verdicts import YesProbability
from tests.support.verdicts import probability_of_yes, texts

ASKED = [HumanMessage("one two three")]


class WithoutN(ScriptedModel):
    """Returns one reply for any n, as many providers do."""

    def sample(self, messages, n, seed):
        return super().sample(messages, 1, seed)


class WithoutLogprobs(ScriptedModel):
    """Replies Yes or No without log-probs."""

    def _generate(self, *args, **kwargs):
        return super()._generate(*args, **(kwargs | {"logprobs": False}))


def sampler(model, **budget) -> Sampler:
    pipeline = RequestPipeline([model], "critic", BudgetTracker(Budget(**budget)))
    return Sampler(pipeline, prompts.load().retry_verdict)


def test_native_n_sends_one_request():
    one = sampler(ScriptedModel(script=["a", "b", "c"]))
    assert texts(asyncio.run(one.sample(ASKED, 3))) == ["a", "b", "c"]
    assert one.pipeline.budget.usage.calls == 1
    assert one.pipeline.budget.usage.input_tokens == 3


def test_missing_replies_are_requested_one_by_one():
    one = sampler(WithoutN(script=["a", "b", "c"]))
    assert sorted(texts(asyncio.run(one.sample(ASKED, 3)))) == ["a", "b", "c"]
    assert one.pipeline.budget.usage.calls == 3
    assert one.pipeline.budget.usage.by_role["critic"].input_tokens == 9


class FullDisk(BudgetTracker):
    """Saves the charges of some requests, then no more."""

    saves_left = 1

    async def save_charge(self, role: str) -> None:
        self.saves_left -= 1
        if self.saves_left < 0:
            raise CheckpointError("The disk is full.")


def sampler_on_full_disk(model, saves: int) -> Sampler:
    budget = FullDisk(Budget())
    budget.saves_left = saves
    return Sampler(RequestPipeline([model], "critic", budget), prompts.load().retry_verdict)


@pytest.mark.parametrize("saves", [1, 2])
def test_replies_are_kept_if_another_request_cannot_be_saved(saves: int):
    one = sampler_on_full_disk(WithoutN(script=["a", "b", "c"]), saves)
    assert len(asyncio.run(one.sample(ASKED, 3))) == saves


def test_without_a_reply_the_error_of_the_checkpoint_is_raised():
    one = sampler_on_full_disk(WithoutN(script=["a"]), 0)
    with pytest.raises(CheckpointError, match="The disk is full"):
        asyncio.run(one.sample(ASKED, 3))


def test_a_truncated_reply_is_kept_if_the_next_request_cannot_be_saved():
    class Truncated(ScriptedModel):
        """Stops each reply at its length limit."""

        def _generate(self, *args, **kwargs):
            result = super()._generate(*args, **kwargs)
            result.generations[0].message.response_metadata["finish_reason"] = "length"
            return result

    one = sampler_on_full_disk(Truncated(script=["a", "b"]), 1)
    [sample] = asyncio.run(one.sample_whole(ASKED))
    assert sample.text == "a"
    assert sample.is_truncated


def test_a_vote_is_kept_if_the_next_request_cannot_be_saved():
    one = sampler_on_full_disk(WithoutLogprobs(script=["Yes", "No"]), 1)
    verdict = asyncio.run(one.probability(ASKED))
    assert (verdict.votes, verdict.votes_read) == (1, 1)


@pytest.mark.parametrize("calls", range(1, 12))
@pytest.mark.parametrize("kind", [ScriptedModel, WithoutN])
def test_no_request_is_sent_beyond_the_budget(kind, calls: int):
    one = sampler(kind(script=lambda _: "x"), calls=calls)

    async def sample_concurrently():
        return await asyncio.gather(
            *(one.sample(ASKED, 4) for _ in range(5)), return_exceptions=True
        )

    outcomes = asyncio.run(sample_concurrently())
    assert (
        len(one.pipeline.models[0].requests)
        == one.pipeline.budget.usage.calls
        == min(calls, 5 if kind is ScriptedModel else 20)
    )
    assert all(isinstance(outcome, list | BudgetExhausted) for outcome in outcomes)


def test_tokens_are_checked_before_the_request():
    one = sampler(ScriptedModel(script=lambda _: "word " * 10), tokens=60)

    async def until_refused():
        while True:
            await one.sample(ASKED)

    with pytest.raises(BudgetExhausted, match="60 tokens"):
        asyncio.run(until_refused())
    assert (
        one.pipeline.budget.usage.input_tokens + one.pipeline.budget.usage.output_tokens <= 60 + 10
    )  # no more than the last reply
    assert len(one.pipeline.models[0].requests) == 5


def test_failed_requests_are_counted():
    one = sampler(ScriptedModel(script=[OSError("down")]))
    with pytest.raises(ModelError, match="down"):
        asyncio.run(one.sample(ASKED))
    assert one.pipeline.budget.usage.calls == 1


def test_probability_reads_logprobs_in_one_request():
    one = sampler(ScriptedModel(script=[0.73]))
    verdict = asyncio.run(one.probability(ASKED))
    assert verdict.judged_by == "logprobs"
    assert verdict.probability == pytest.approx(0.73)
    assert one.pipeline.budget.usage.calls == 1


def test_probability_falls_back_to_votes():
    one = sampler(WithoutLogprobs(script=["Yes", "no.", "**Yes**", "perhaps", "YES, surely"]))
    verdict = asyncio.run(one.probability(ASKED, num_votes=5))
    assert verdict == YesProbability(0.7, "votes", votes=5, votes_read=4)


def test_unreadable_votes_are_requested_again_and_then_an_error():
    one = sampler(ScriptedModel(script=lambda _: "hm, hard to say"))
    with pytest.raises(JudgeUnreadable, match=r"not Yes or No: 'hm, hard to say'.*`judge`"):
        asyncio.run(one.probability(ASKED, 3))
    assert one.pipeline.budget.usage.calls == 3  # the first vote, two more, and a retry of n=3


def test_votes_count_when_the_budget_ends():
    verdict = asyncio.run(
        sampler(WithoutLogprobs(script=lambda _: "Yes"), calls=1).probability(ASKED, num_votes=5)
    )
    assert verdict == YesProbability(1.0, "votes", votes=1, votes_read=1)


def test_continue_from_prefills_and_returns_the_whole_reply():
    model = ScriptedModel(script=["quote\n```", "other\n```"])
    assert texts(asyncio.run(sampler(model).continue_from(ASKED, "```\n", 2))) == [
        "```\nquote\n```",
        "```\nother\n```",
    ]
    assert model.requests[0][-1] == AIMessage("```\n")


def test_a_repeated_prefix_or_suffix_is_not_doubled():
    model = ScriptedModel(script=["said\n\n```\nq\n```\nc", "```\nq\n```\nc", "\nq\n```\nc"])
    samples = asyncio.run(sampler(model).continue_from(ASKED, "said\n\n", 3, suffix="```"))
    assert texts(samples) == ["said\n\n```\nq\n```\nc"] * 3


def test_models_without_prefill_get_the_fallback_messages():
    model = ScriptedModel(script=["Sure:\n```\nq\n```\nc", "no quote"], supports_prefill=False)
    one = sampler(model)
    fallback = [HumanMessage("go on")]
    samples = asyncio.run(
        one.continue_from(ASKED, "said\n\n", 2, suffix="```", fallback_messages=fallback)
    )
    assert texts(samples) == ["said\n\n```\nq\n```\nc", "said\n\nno quote"]
    assert model.requests[0] == fallback
    assert one.capabilities.prefill == "prompted"


class RejectsPrefill(ScriptedModel):
    def sample(self, messages, n, seed):
        if isinstance(messages[-1], AIMessage):
            self._requests.append(messages)
            raise ModelCallError(
                "This model does not support assistant message prefill.", "rejected"
            )
        return super().sample(messages, n, seed)


def test_a_rejected_prefill_is_not_sent_again():
    model = RejectsPrefill(script=["```\nq"] * 4)
    unseeded = sampler(model)
    one = replace(unseeded, pipeline=replace(unseeded.pipeline, seed=1))
    for _ in range(2):
        assert texts(asyncio.run(one.continue_from(ASKED, "", 2, suffix="```"))) == ["```\nq"] * 2
    assert len(model.requests) == 3
    assert (one.capabilities.prefill, one.capabilities.rejected) == ("prompted", ["prefill"])


def test_other_errors_do_not_mark_prefill_as_rejected():
    one = sampler(ScriptedModel(script=[ModelCallError("the key is wrong", "bad_key")]))
    with pytest.raises(ModelError, match="key is wrong"):
        asyncio.run(one.continue_from(ASKED, "", 1, suffix="```"))
    assert one.capabilities.rejected == []


def first_token(*options: tuple[str, float]) -> AIMessage:
    tops = [{"token": token, "logprob": math.log(p)} for token, p in options]
    return AIMessage(
        options[0][0],
        response_metadata={"logprobs": {"content": [{**tops[0], "top_logprobs": tops}]}},
    )


def test_all_spellings_of_yes_and_no_count():
    reply = first_token(
        ("Yes", 0.3), (" yes", 0.2), ("YES", 0.1), ("No", 0.1), ("no", 0.1), ("Maybe", 0.2)
    )
    assert probability_of_yes(reply) == pytest.approx(0.75)


def test_tokens_before_the_verdict_are_skipped():
    reply = first_token(("No", 0.9), ("Yes", 0.1))
    reply.response_metadata["logprobs"]["content"].insert(
        0, {"token": "\n", "logprob": 0.0, "top_logprobs": []}
    )
    assert probability_of_yes(reply) == pytest.approx(0.1)


@given(st.floats(0, 1))
def test_scripted_probability_is_read_back(p: float):
    reply = ScriptedModel(script=[p]).invoke("x", logprobs=True)
    assert probability_of_yes(reply) == pytest.approx(p, abs=1e-9)


def test_a_reply_without_logprobs_has_no_probability():
    assert probability_of_yes(AIMessage("Yes")) is None
