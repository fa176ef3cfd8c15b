"""What providers differ in: parameters they do not take, fallbacks, another client, prompt caching, self-grading."""

from itertools import takewhile
from typing import Any

import pytest
from langchain_openai import ChatOpenAI

from selfcritic.agent import Budget, load
from selfcritic.agent.errors import ModelError
from tests.support.fake_provider import FakeProvider, Fault, Received, _error
from tests.support.provider_loop import (
    ENDLESS,
    KEY,
    PARTS,
    about,
    asked,
    assert_usage_is_the_servers,
    models,
    of,
    run,
    run_all,
    says,
    with_parameter,
)

pytestmark = pytest.mark.slow


class Refusing(FakeProvider):
    """Does not take one parameter, whichever it is."""

    refused = "seed"

    async def _answer(self, request: Any, received: Received) -> Any:
        if self.rejected in received.body:
            return _error(Fault("status", self.rejects_with, message=f"'{self.rejected}' is not supported."), "")
        return await super()._answer(request, received)


@pytest.mark.parametrize("status", [400, 422])
def test_a_rejected_n_or_logprobs_is_asked_for_once(status: int):
    with FakeProvider(says, n="reject", logprobs="reject", rejects_with=status) as provider:
        output = run(provider, max_rounds=2, num_critiques=4, num_votes=3)
        assert output["stop_reason"] == "max_rounds"
        assert provider.calls(with_parameter("logprobs", "judge")) == 1
        assert [provider.calls(with_parameter("n", part)) for part in PARTS] == [0, 1, 1, 0]
        assert {
            part: (how.n, how.probability, sorted(how.rejected)) for part, how in output["capabilities"].items()
        } == {
            "generator": (None, None, []),
            "critic": ("concurrent", None, ["n"]),
            "judge": ("concurrent", "votes", ["logprobs", "n"]),
            "refiner": (None, None, []),
        }
        assert len(output["rounds"][0].critiques) == 4
        assert_usage_is_the_servers(output["usage"], provider)


@pytest.mark.parametrize("refused", ["seed", "temperature"])
@pytest.mark.parametrize("status", [400, 422])
def test_a_rejected_seed_or_temperature_is_sent_once(refused: str, status: int):
    with Refusing(says, rejects_with=status) as provider:
        provider.rejected = refused
        output = run(provider, max_rounds=2, seed=7, temperatures=dict.fromkeys(PARTS, 0.3))
        assert output["stop_reason"] == "max_rounds"
        assert [provider.calls(with_parameter(refused, part)) for part in PARTS] == [1, 1, 1, 1]
        assert {tuple(how.rejected) for how in output["capabilities"].values()} == {(refused,)}


def test_what_a_model_rejected_in_one_part_it_is_not_sent_in_another():
    with Refusing(says) as provider:
        common = load("openai/common", api_base=provider.url, api_key=KEY)
        output = run(provider, **dict.fromkeys(PARTS, common), max_rounds=1, seed=7)
        assert output["stop_reason"] == "max_rounds"
        assert sum("seed" in received.body for received in provider.received) == 1


def test_n_and_logprobs_that_are_ignored_in_silence():
    with FakeProvider(says, n="ignore", logprobs="ignore") as provider:
        output = run(provider, max_rounds=1, num_critiques=4, num_votes=3)
        capabilities = output["capabilities"]
        assert (capabilities["critic"].n, capabilities["judge"].probability) == ("concurrent", "votes")
        assert len({critique.text for critique in output["rounds"][0].critiques}) == 4
        assert provider.calls(of("critic")) == 4
        assert provider.calls(of("judge")) == 3 * (1 + 4 + 1)
        assert provider.calls(with_parameter("logprobs", "judge")) == 1


def test_native_n_and_logprobs_are_said_to_be_used():
    with FakeProvider(says) as provider:
        capabilities = run(provider, max_rounds=1)["capabilities"]
        assert (capabilities["critic"].n, capabilities["judge"].probability) == ("native", "logprobs")
        assert provider.calls(of("critic")) == 1


@pytest.mark.parametrize("trouble", ["refused", "503"])
def test_the_next_model_answers_where_the_first_is_down(trouble: str):
    with FakeProvider(says, fault_rate=1.0, mix=[Fault("status", 503)]) as down, FakeProvider(says) as provider:
        url = down.url if trouble == "503" else f"http://127.0.0.1:{FakeProvider.refused_port()}/v1"
        first = load("openai/judge", api_base=url, api_key=KEY)
        output = run(provider, judge=first, fallbacks={"judge": [models(provider)["judge"]]}, max_rounds=0)
        assert output["stop_reason"] == "max_rounds"
        assert provider.calls(of("judge")) == 1
        assert output["usage"].by_role["judge"].calls == 4 + 1
        assert down.calls() == (4 if trouble == "503" else 0)


def test_where_all_are_down_the_last_ones_words_are_said():
    nowhere = load("openai/x", api_base=f"http://127.0.0.1:{FakeProvider.refused_port()}/v1", api_key=KEY)
    with FakeProvider(says, fault_rate=1.0, mix=[Fault("status", 503)]) as down:
        with pytest.raises(ModelError, match="provider says 503"):
            run(down, generator=nowhere, fallbacks={"generator": [models(down)["generator"]]})
        assert down.calls() == 4


def test_fallbacks_obey_the_budget():
    with FakeProvider(says, fault_rate=1.0, mix=[Fault("status", 503)]) as down, FakeProvider(says) as provider:
        fallbacks = {part: [model] for part, model in models(provider).items()}
        for calls in range(1, 12):
            before = down.calls() + provider.calls()
            run_all(down, [{"budget": Budget(calls=calls)}], fallbacks=fallbacks)
            assert down.calls() + provider.calls() - before == calls


def chat_openai(provider: FakeProvider, **more: Any) -> dict[str, Any]:
    """langchain-openai's own model in every part."""
    return {part: ChatOpenAI(model=part, base_url=provider.url, api_key=KEY, **more) for part in PARTS}


@pytest.mark.parametrize("faults", [{}, {"fault_rate": 0.3, "seed": 6}], ids=["sound", "faults"])
@pytest.mark.parametrize("n", ["honour", "ignore", "reject"])
def test_chat_openai_in_every_part(faults: Any, n: Any):
    with FakeProvider(says, n=n, logprobs=n, cached_share=0.5, **faults) as provider:
        outcomes = run_all(
            provider,
            [{"budget": Budget(calls=k)} for k in range(1, 21)],
            **chat_openai(provider),
            num_critiques=4,
            num_votes=3,
            **ENDLESS,
        )
        ended = [outcome for outcome in outcomes if isinstance(outcome, dict)]
        assert len(ended) >= 12
        assert {outcome["stop_reason"] for outcome in ended} <= {"budget", "model_error"}
        assert all(outcome["answer"].startswith("Lyon") for outcome in ended)
        how = max(ended, key=lambda outcome: outcome["usage"].calls)["capabilities"]
        assert (how["critic"].n == "native", how["judge"].probability == "logprobs") == (n == "honour",) * 2
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, dict):
                assert_usage_is_the_servers(outcome["usage"], provider, about(asked(index)))
            assert provider.calls(about(asked(index))) <= index + 1
    with FakeProvider(says, n=n, logprobs=n, cached_share=0.5, **faults) as provider:
        output = run(provider, **chat_openai(provider), max_rounds=1)
        assert_usage_is_the_servers(output["usage"], provider)
        assert output["usage"].cost_usd is None


@pytest.mark.parametrize("kind", ["null", "no_choices", "refusal", "filtered"])
def test_chat_openai_passes_off_no_empty_reply_as_a_draft(kind: Any):
    says_so = r"refused to answer|without content|without choices"
    with FakeProvider(says, faults=[Fault(kind)] * 9) as provider, pytest.raises(ModelError, match=says_so):
        run(provider, **chat_openai(provider))
    with FakeProvider(says, faults=[None, None, *[Fault(kind)] * 9]) as provider:
        output = run(provider, **chat_openai(provider))
        assert output["stop_reason"] == "model_error"
        assert_usage_is_the_servers(output["usage"], provider)


def test_chat_openais_key_does_not_show_where_the_provider_echoes_it():
    bare = "this key has no shape to know it by"
    with FakeProvider(says, faults=[Fault("status", 401, message="Bad key: {key}")]) as provider:
        model = ChatOpenAI(model="generator", base_url=provider.url, api_key=bare)
        with pytest.raises(ModelError, match=r"Bad key: \[key\]\."):
            run(provider, generator=model)


def shared_prefix(texts: list[str]) -> float:
    """The share of the later prompts' characters that they have in common with the first from the beginning on."""
    return min(
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(texts[0], text, strict=False))) / len(text)
        for text in texts[1:]
    )


def prompts_of_a_round() -> list[str]:
    """In the order sent: judge, critic, four scores, refiner."""
    context = "The Seine flows through Paris, the capital of France. " * 40
    with FakeProvider(says) as provider:
        run(provider, context=context[:2000], max_rounds=1, num_critiques=4)
        prompts = ["\n".join(m["content"] for m in received.body["messages"]) for received in provider.received]
    cues = [text.rsplit("\n", 1)[-1] for text in prompts[1:8]]
    assert cues == ["Critiqueable:", "Critique:", *["Helpful:"] * 4, "Refinement:"]
    return prompts[1:8]


def test_the_prompts_about_a_draft_share_their_beginning_and_so_do_those_about_its_critiques():
    one_round = prompts_of_a_round()
    assert shared_prefix(one_round[:2]) >= 0.6
    assert shared_prefix(one_round[2:6]) >= 0.85


def test_all_prompts_of_a_round_share_their_beginning():
    assert shared_prefix(prompts_of_a_round()) >= 0.6


@pytest.mark.parametrize("is_one_model", [True, False])
def test_self_grading_is_said(is_one_model: bool):
    with FakeProvider(says) as provider:
        common = load("openai/common", api_base=provider.url, api_key=KEY)
        parts = {"generator": common, "critic": common} if is_one_model else {}
        assert run(provider, **parts, max_rounds=0)["self_graded"] is is_one_model


def test_self_grading_is_said_of_one_chat_openai_in_two_parts():
    with FakeProvider(says) as provider:
        common = ChatOpenAI(model="common", base_url=provider.url, api_key=KEY)
        assert run(provider, generator=common, critic=common, max_rounds=0)["self_graded"]
