"""Provider differences: rejected parameters, fallbacks, another client, prompt caching, self-grading."""

from typing import Any

import pytest
from langchain_openai import ChatOpenAI

from selfcritic.agent import Budget, load
from selfcritic.agent.errors import ModelError
from tests.support.fake_provider import FakeProvider, Fault, Received, error_response
from tests.support.provider_loop import (
    ENDLESS,
    KEY,
    ROLES,
    about,
    assert_usage_matches,
    models,
    prompt_name,
    question,
    reply,
    run,
    run_all,
    sent_by,
    with_parameter,
)

pytestmark = pytest.mark.slow


class RejectingProvider(FakeProvider):
    """Rejects one parameter."""

    rejected = "seed"

    async def _answer(self, request: Any, received: Received) -> Any:
        if self.rejected in received.body:
            message = f"'{self.rejected}' is not supported."
            return error_response(Fault("status", self.rejects_with, message=message))
        return await super()._answer(request, received)


@pytest.mark.parametrize("status", [400, 422])
def test_sends_rejected_n_and_logprobs_once(status: int):
    with FakeProvider(reply, n="reject", logprobs="reject", rejects_with=status) as provider:
        output = run(provider, max_rounds=2, num_critiques=4, num_votes=3)
        assert output["stop_reason"] == "max_rounds"
        assert provider.calls(with_parameter("logprobs", "judge")) == 1
        assert [provider.calls(with_parameter("n", role)) for role in ROLES] == [0, 1, 1, 0]
        summary = {}
        for role, capabilities in output["capabilities"].items():
            summary[role] = (
                capabilities.n,
                capabilities.probability,
                sorted(capabilities.rejected),
            )
        assert summary == {
            "generator": (None, None, []),
            "critic": ("concurrent", None, ["n"]),
            "judge": ("concurrent", "votes", ["logprobs", "n"]),
            "refiner": (None, None, []),
        }
        assert len(output["rounds"][0].critiques) == 4
        assert_usage_matches(output["usage"], provider)


@pytest.mark.parametrize("parameter", ["seed", "temperature"])
@pytest.mark.parametrize("status", [400, 422])
def test_sends_a_rejected_seed_or_temperature_once(parameter: str, status: int):
    with RejectingProvider(reply, rejects_with=status) as provider:
        provider.rejected = parameter
        output = run(provider, max_rounds=2, seed=7, temperatures=dict.fromkeys(ROLES, 0.3))
        assert output["stop_reason"] == "max_rounds"
        assert [provider.calls(with_parameter(parameter, role)) for role in ROLES] == [1, 1, 1, 1]
        assert all(
            capabilities.rejected == [parameter] for capabilities in output["capabilities"].values()
        )


def test_does_not_send_a_parameter_that_the_model_rejected_in_another_role():
    with RejectingProvider(reply) as provider:
        common = load("openai/common", api_base=provider.url, api_key=KEY)
        output = run(provider, **dict.fromkeys(ROLES, common), max_rounds=1, seed=7)
        assert output["stop_reason"] == "max_rounds"
        assert sum("seed" in received.body for received in provider.received) == 1


def test_falls_back_if_n_and_logprobs_are_ignored():
    with FakeProvider(reply, n="ignore", logprobs="ignore") as provider:
        output = run(provider, max_rounds=1, num_critiques=4, num_votes=3)
        capabilities = output["capabilities"]
        assert (capabilities["critic"].n, capabilities["judge"].probability) == (
            "concurrent",
            "votes",
        )
        assert len({critique.text for critique in output["rounds"][0].critiques}) == 4
        assert provider.calls(sent_by("critic")) == 4
        assert provider.calls(sent_by("judge")) == 3 * (1 + 4 + 1)
        assert provider.calls(with_parameter("logprobs", "judge")) == 1


def test_reports_native_n_and_logprobs():
    with FakeProvider(reply) as provider:
        capabilities = run(provider, max_rounds=1)["capabilities"]
        assert (capabilities["critic"].n, capabilities["judge"].probability) == (
            "native",
            "logprobs",
        )
        assert provider.calls(sent_by("critic")) == 1


@pytest.mark.parametrize("trouble", ["refused", "503"])
def test_uses_the_fallback_if_the_first_model_is_down(trouble: str):
    with (
        FakeProvider(reply, fault_rate=1.0, mix=[Fault("status", 503)]) as down,
        FakeProvider(reply) as provider,
    ):
        url = down.url if trouble == "503" else f"http://127.0.0.1:{FakeProvider.refused_port()}/v1"
        first = load("openai/judge", api_base=url, api_key=KEY)
        output = run(
            provider, judge=first, fallbacks={"judge": [models(provider)["judge"]]}, max_rounds=0
        )
        assert output["stop_reason"] == "max_rounds"
        assert provider.calls(sent_by("judge")) == 1
        assert output["usage"].by_role["judge"].calls == 4 + 1
        assert down.calls() == (4 if trouble == "503" else 0)


def test_raises_the_last_models_error_if_all_are_down():
    unreachable = load(
        "openai/x", api_base=f"http://127.0.0.1:{FakeProvider.refused_port()}/v1", api_key=KEY
    )
    with FakeProvider(reply, fault_rate=1.0, mix=[Fault("status", 503)]) as down:
        with pytest.raises(ModelError, match="provider returned 503"):
            run(down, generator=unreachable, fallbacks={"generator": [models(down)["generator"]]})
        assert down.calls() == 4


def test_fallbacks_obey_the_budget():
    with (
        FakeProvider(reply, fault_rate=1.0, mix=[Fault("status", 503)]) as down,
        FakeProvider(reply) as provider,
    ):
        fallbacks = {role: [model] for role, model in models(provider).items()}
        for calls in range(1, 12):
            before = down.calls() + provider.calls()
            run_all(down, [{"budget": Budget(calls=calls)}], fallbacks=fallbacks)
            assert down.calls() + provider.calls() - before == calls


def chat_openai(provider: FakeProvider, **more: Any) -> dict[str, Any]:
    """Return langchain-openai's chat model for every role."""
    return {
        role: ChatOpenAI(model=role, base_url=provider.url, api_key=KEY, **more) for role in ROLES
    }


@pytest.mark.parametrize(
    "faults", [{}, {"fault_rate": 0.3, "seed": 6}], ids=["no faults", "faults"]
)
@pytest.mark.parametrize("n", ["honor", "ignore", "reject"])
def test_runs_with_chat_openai_in_every_role(faults: Any, n: Any):
    with FakeProvider(reply, n=n, logprobs=n, cached_share=0.5, **faults) as provider:
        outcomes = run_all(
            provider,
            [{"budget": Budget(calls=k)} for k in range(1, 21)],
            **chat_openai(provider),
            num_critiques=4,
            num_votes=3,
            **ENDLESS,
        )
        outputs = [outcome for outcome in outcomes if isinstance(outcome, dict)]
        assert len(outputs) >= 12
        assert {outcome["stop_reason"] for outcome in outputs} <= {"budget", "model_error"}
        assert all(outcome["answer"].startswith("Lyon") for outcome in outputs)
        capabilities = max(outputs, key=lambda output: output["usage"].calls)["capabilities"]
        is_native = n == "honor"
        assert (capabilities["critic"].n == "native") is is_native
        assert (capabilities["judge"].probability == "logprobs") is is_native
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, dict):
                assert_usage_matches(outcome["usage"], provider, about(question(index)))
            assert provider.calls(about(question(index))) <= index + 1
    with FakeProvider(reply, n=n, logprobs=n, cached_share=0.5, **faults) as provider:
        output = run(provider, **chat_openai(provider), max_rounds=1)
        assert_usage_matches(output["usage"], provider)
        assert output["usage"].cost_usd is None


@pytest.mark.parametrize("kind", ["null", "no_choices", "refusal", "filtered"])
def test_rejects_unusable_replies_of_chat_openai(kind: Any):
    message = r"refused to answer|without content|without choices"
    with (
        FakeProvider(reply, faults=[Fault(kind)] * 9) as provider,
        pytest.raises(ModelError, match=message),
    ):
        run(provider, **chat_openai(provider))
    with FakeProvider(reply, faults=[None, None, *[Fault(kind)] * 9]) as provider:
        output = run(provider, **chat_openai(provider))
        assert output["stop_reason"] == "model_error"
        assert_usage_matches(output["usage"], provider)


def test_hides_the_key_of_chat_openai_that_the_provider_echoes():
    bare = "this key has no known format"
    with FakeProvider(reply, faults=[Fault("status", 401, message="Bad key: {key}")]) as provider:
        model = ChatOpenAI(model="generator", base_url=provider.url, api_key=bare)
        with pytest.raises(ModelError, match=r"Bad key: \[key\]\."):
            run(provider, generator=model)


def common_prefix_length(first: str, second: str) -> int:
    for index, (left, right) in enumerate(zip(first, second, strict=False)):
        if left != right:
            return index
    return min(len(first), len(second))


def shared_prefix(texts: list[str]) -> float:
    """Return the smallest share of a later text that is a common prefix with the first."""
    return min(common_prefix_length(texts[0], text) / len(text) for text in texts[1:])


def prompts_of_a_round() -> list[str]:
    """Return the prompts in the order sent: judge, critic, four scores, refiner."""
    context = "The Seine flows through Paris, the capital of France. " * 40
    with FakeProvider(reply) as provider:
        run(provider, context=context[:2000], max_rounds=1, num_critiques=4)
        prompts = [
            "\n".join(m["content"] for m in received.body["messages"])
            for received in provider.received
        ]
    names = [prompt_name(received.body["messages"]) for received in provider.received[1:8]]
    assert names == ["classify", "critique", *["helpfulness"] * 4, "refine"]
    return prompts[1:8]


def test_prompts_about_a_draft_and_about_its_critiques_share_a_prefix():
    prompts = prompts_of_a_round()
    assert shared_prefix(prompts[:2]) >= 0.6
    assert shared_prefix(prompts[2:6]) >= 0.85


def test_all_prompts_of_a_round_share_a_prefix():
    assert shared_prefix(prompts_of_a_round()) >= 0.6


@pytest.mark.parametrize("is_one_model", [True, False])
def test_reports_self_grading(is_one_model: bool):
    with FakeProvider(reply) as provider:
        common = load("openai/common", api_base=provider.url, api_key=KEY)
        options = {"generator": common, "critic": common} if is_one_model else {}
        assert run(provider, **options, max_rounds=0)["self_graded"] is is_one_model


def test_reports_self_grading_of_one_chat_openai_in_two_roles():
    with FakeProvider(reply) as provider:
        common = ChatOpenAI(model="common", base_url=provider.url, api_key=KEY)
        assert run(provider, generator=common, critic=common, max_rounds=0)["self_graded"]
