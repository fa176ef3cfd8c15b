"""One budget over all parts, held against a server that counts."""

import time
from contextlib import nullcontext
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from selfcritic.agent import Budget, load
from selfcritic.agent.errors import BudgetExhausted, InputError, SelfcriticError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique
from tests.support import event_loop
from tests.support.fake_provider import PASSING, Body, FakeProvider, Fault, Received
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
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def litellm_is_imported():
    """Its import takes seconds, which a budget of seconds would be spent on."""
    assert load("openai/x", api_base="http://127.0.0.1").is_priced in (True, False)


@pytest.mark.parametrize(
    "server",
    [
        {},
        {"n": "ignore", "logprobs": "ignore"},
        {"n": "reject", "logprobs": "reject"},
        {"n": "ignore", "logprobs": "ignore", "fault_rate": 0.3, "seed": 2},
    ],
    ids=["native", "ignored", "rejected", "faults"],
)
def test_request_k_plus_1_is_never_sent(server: dict[str, Any]):
    limits = range(1, 41)
    with FakeProvider(says, **server) as provider:
        outcomes = run_all(
            provider, [{"budget": Budget(calls=k)} for k in (1, *limits)], num_critiques=4, num_votes=3, **ENDLESS
        )
        for index, outcome in list(enumerate(outcomes))[1:]:  # run 0 is there so that run k asks question k
            sent = provider.calls(about(asked(index)))
            if isinstance(outcome, SelfcriticError):
                assert sent <= index
                assert provider.usage(about(asked(index))).output == 0
                continue
            assert sent == outcome["usage"].calls <= index
            assert outcome["answer"].startswith("Lyon")
            assert outcome["stop_reason"] in ("budget", "model_error")
            assert outcome["stop_reason"] == "model_error" or sent == index
            assert_usage_is_the_servers(outcome["usage"], provider, about(asked(index)))


@pytest.mark.parametrize("kind", [fault for fault in PASSING if fault.kind != "status"], ids=lambda fault: fault.kind)
def test_usage_is_the_servers_own_count_whatever_arrives(kind: Fault):
    with FakeProvider(says, faults=[None, kind, None, kind, None, None, kind], cached_share=0.5) as provider:
        output = run(provider, max_rounds=1)
        assert output["stop_reason"] == "max_rounds"
        assert provider.calls() == 10
        assert_usage_is_the_servers(output["usage"], provider)
        assert output["usage"].cached_tokens > 0
        assert output["usage"].cost_usd is None


@pytest.mark.parametrize("kind", ["null", "no_choices", "refusal", "filtered"])
def test_replies_of_no_use_are_paid_for(kind: Any):
    with FakeProvider(says, faults=[None, None, *[Fault(kind)] * 9]) as provider:
        output = run(provider)
        assert output["stop_reason"] == "model_error"
        assert_usage_is_the_servers(output["usage"], provider)
        assert output["usage"].by_role["critic"].input_tokens > 0


@pytest.mark.parametrize("requests_before", [0, 1, 2, 3, 5], ids=["draft", "judge", "critic", "scores", "refiner"])
@pytest.mark.parametrize("on_a_thread", [False, True])
def test_seconds_hold_while_a_request_hangs(requests_before: int, on_a_thread: bool):
    faults = [*[None] * requests_before, *[Fault("hang")] * 9]
    with FakeProvider(says, faults=faults) as provider:
        options = {**models(provider), "budget": Budget(seconds=1.5), "num_critiques": 2}
        graph = create_self_critique(**options).compile(checkpointer=InMemorySaver() if on_a_thread else None)
        config = {"configurable": {"thread_id": "1"}} if on_a_thread else {}
        started = time.monotonic()
        with pytest.raises(BudgetExhausted, match=r"1\.5 seconds") if requests_before == 0 else nullcontext():
            output = event_loop.run(graph.ainvoke({"question": "Which city?"}, config))
            assert (output["stop_reason"], output["answer"][:4]) == ("budget", "Lyon")
        assert 1.5 <= time.monotonic() - started <= 1.65


def test_seconds_hold_in_a_synchronous_run():
    with FakeProvider(says, faults=[None, Fault("hang")]) as provider:
        graph = create_self_critique(**models(provider), budget=Budget(seconds=1.5)).compile()
        started = time.monotonic()
        output = graph.invoke({"question": "Which city?"})
        assert time.monotonic() - started <= 1.65
        event_loop.close_clients_of_synchronous_runs()
        assert (output["stop_reason"], output["answer"][:4]) == ("budget", "Lyon")


def test_tokens_run_out():
    with FakeProvider(says) as provider:
        output = run(provider, budget=Budget(tokens=2000), **ENDLESS)
        assert output["stop_reason"] == "budget"
        spent = provider.usage()
        assert 1000 < spent.input + spent.output == output["usage"].input_tokens + output["usage"].output_tokens
        assert spent.input + spent.output <= 2000 + max(one.tokens.output for one in provider.received)


def test_a_cost_limit_stops_a_model_whose_price_is_known():
    with FakeProvider(says) as provider:
        priced = models(provider, input_cost_per_token=1e-3, output_cost_per_token=2e-3)
        output = run(provider, **priced, budget=Budget(cost_usd=1.0), **ENDLESS)
        assert output["stop_reason"] == "budget"
        spent = provider.usage()
        assert output["usage"].cost_usd == pytest.approx(spent.input * 1e-3 + spent.output * 2e-3)
        assert output["usage"].cost_usd >= 1.0
        dearest = max(one.tokens.input * 1e-3 + one.tokens.output * 2e-3 for one in provider.received)
        assert output["usage"].cost_usd < 1.0 + 2 * dearest  # two scores are under way at once


@pytest.mark.parametrize("where", [*PARTS, "fallback"])
def test_a_cost_limit_on_a_model_of_unknown_price_is_refused_before_any_request(where: Any):
    with FakeProvider(says) as provider:
        options: dict[Any, Any] = models(provider, input_cost_per_token=1e-3, output_cost_per_token=2e-3)
        unpriced = load("openai/unheard-of", api_base=provider.url, api_key=KEY)
        options |= {"fallbacks": {"judge": [unpriced]}} if where == "fallback" else {where: unpriced}
        with pytest.raises(InputError, match=r"openai/unheard-of.*input_cost_per_token.*limit calls or tokens"):
            run(provider, **options, budget=Budget(cost_usd=1.0))
        assert provider.calls() == 0


def test_a_model_in_this_process_costs_nothing():
    scripted = ScriptedModel(script={"generate": ["Lyon"], "classify": [0.1]})
    graph = create_self_critique(model=scripted, budget=Budget(cost_usd=0.01)).compile()
    assert graph.invoke({"question": "Which city?"})["usage"].cost_usd == 0


def every_third_goes_on(messages: list[Body], index: int) -> str | float:
    """To be quick, the first draft of two runs in three is accepted."""
    said, text = says(messages, index), str(messages[-1]["content"])
    is_third = int(text.partition("Question number ")[2].partition(",")[0]) % 3 == 0
    return 0.1 if said == 0.9 and not is_third else said


def test_five_hundred_runs_at_a_fault_rate_of_30_percent_end_and_add_up():
    with FakeProvider(every_third_goes_on, fault_rate=0.3, seed=5, cached_share=0.5) as provider:
        outcomes = run_all(provider, [{}] * 500, num_critiques=2, max_rounds=1)
        by_question: dict[str, list[Received]] = {}
        for received in provider.received:
            text = str(received.body["messages"][-1]["content"])
            by_question.setdefault(text[text.index("Question number") :].split("?")[0] + "?", []).append(received)
        drafted = 0
        for index, outcome in enumerate(outcomes):
            requests = by_question[asked(index)]
            if isinstance(outcome, SelfcriticError):
                assert all(of("generator")(received) for received in requests)
                continue
            drafted += 1
            usage, tokens = outcome["usage"], [one.tokens for one in requests if one.tokens]
            assert outcome["answer"].startswith("Lyon")
            assert outcome["stop_reason"] in ("accepted", "max_rounds", "model_error")
            assert (usage.calls, usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (
                len(requests),
                sum(one.input for one in tokens),
                sum(one.output for one in tokens),
                sum(one.cached for one in tokens),
            )
        assert 450 < drafted <= 500
