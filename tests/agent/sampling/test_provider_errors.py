"""Provider errors in the request pipeline: what is rejected, retried and explained."""

import os

import pytest
from langchain_core.messages import HumanMessage

from selfcritic import prompts
from selfcritic.agent.errors import BudgetExhausted, ModelError
from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.sampling.request import RequestPipeline
from selfcritic.agent.sampling.sampler import Sampler
from selfcritic.agent.schemas import Budget, Retries
from tests.support.event_loop import run
from tests.support.fake_provider import FakeProvider, Fault

QUESTION = [HumanMessage("Which city?")]
OVERFLOW = Fault(
    "status",
    400,
    body='{"error": {"code": 400, "message": "request (9191 tokens) exceeds the available context size (4096'
    ' tokens), try increasing it", "type": "exceed_context_size_error"}}',
)
OVERFLOW_OF_TGI = Fault(
    "status",
    422,
    body='{"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000'
    ' `inputs` tokens and 20 `max_new_tokens`", "error_type": "validation"}',
)


def make_model(url: str, name: str = "openai/toy") -> LiteLLMModel:
    return LiteLLMModel(model=name, api_base=url, timeout=5)


def pipeline(*models: LiteLLMModel, budget: Budget | None = None, **retries) -> RequestPipeline:
    tracker = BudgetTracker(budget or Budget())
    return RequestPipeline(
        models, "critic", tracker, seed=1, retries=Retries(first_wait=0.01, **retries)
    )


@pytest.mark.parametrize("fault", [OVERFLOW, OVERFLOW_OF_TGI], ids=["llama.cpp", "TGI"])
def test_a_context_overflow_blames_no_parameter(fault: Fault):
    with FakeProvider(faults=[fault] * 9) as provider:
        sampler = Sampler(pipeline(make_model(provider.url)), prompts.load().retry_verdict)
        with pytest.raises(ModelError, match="choose a model with a larger context") as caught:
            run(sampler.sample(QUESTION, n=4))
        assert provider.calls() == 1
    assert not caught.value.is_rejection
    assert sampler.capabilities.rejected == []


def test_a_parameter_unknown_to_the_client_is_rejected_at_once():
    with FakeProvider() as provider:
        model = make_model(provider.url, "text-completion-openai/toy")
        requests = pipeline(model, budget=Budget(calls=1))
        with pytest.raises(BudgetExhausted):
            run(requests.send(QUESTION, logprobs=True))
        assert provider.calls() == 0
    assert requests.capabilities.rejected == ["logprobs"]


def test_a_fallback_does_not_wait_for_a_server_that_is_down():
    with FakeProvider() as provider:
        down = make_model(f"http://127.0.0.1:{FakeProvider.refused_port()}/v1")
        requests = pipeline(down, make_model(provider.url))
        [reply] = run(requests.send(QUESTION))
        assert reply.text == "It is so."
        assert requests.budget.usage.calls == 5


@pytest.mark.parametrize("budget", [Budget(seconds=1), Budget(calls=2)])
def test_an_exhausted_budget_names_the_last_error(budget: Budget):
    down = make_model(f"http://127.0.0.1:{FakeProvider.refused_port()}/v1")
    with pytest.raises(BudgetExhausted, match=r"Last error: Connection refused\. Is the server"):
        run(pipeline(down, budget=budget).send(QUESTION))


def test_the_last_error_is_forgotten_after_a_reply():
    with FakeProvider(faults=[Fault("status", 503)]) as provider:
        requests = pipeline(make_model(provider.url), budget=Budget(calls=2))
        run(requests.send(QUESTION))
        with pytest.raises(BudgetExhausted, match=r"does not cover the next request\.$"):
            run(requests.send(QUESTION))


def test_the_last_error_has_no_key(monkeypatch):
    key = "planted-0f9e8d7c6b5a"
    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", key)
    faults = [Fault("status", 503, message="Busy, {key}.")] * 2
    with FakeProvider(faults=faults) as provider:
        requests = pipeline(make_model(provider.url), budget=Budget(calls=2))
        with pytest.raises(BudgetExhausted, match=r"Last error: Busy, \[key\]\.") as caught:
            run(requests.send(QUESTION))
    assert key not in str(caught.value)


def test_a_redirect_is_one_request():
    with FakeProvider() as target:
        fault = Fault("status", 308, location=f"{target.url}/chat/completions")
        with FakeProvider(faults=[fault] * 9) as provider:
            requests = pipeline(make_model(provider.url))
            with pytest.raises(ModelError, match="Set the address"):
                run(requests.send(QUESTION, n=3))
            assert (provider.calls(), target.calls(), requests.budget.usage.calls) == (1, 0, 1)
