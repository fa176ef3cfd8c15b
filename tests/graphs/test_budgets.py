"""One budget over all roles, checked against a server that counts."""

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
from tests.support.completions import Body
from tests.support.fake_provider import TRANSIENT, FakeProvider, Fault, Received, Tokens
from tests.support.provider_loop import (
    ENDLESS,
    KEY,
    ROLES,
    about,
    assert_usage_matches,
    models,
    question,
    reply,
    run,
    run_all,
    sent_by,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("close_clients")]

BROKEN_REPLIES = [fault for fault in TRANSIENT if fault.kind != "status"]
PRICE = {"input_cost_per_token": 1e-3, "output_cost_per_token": 2e-3}


def cost_of(tokens: Tokens) -> float:
    return tokens.input * 1e-3 + tokens.output * 2e-3


@pytest.fixture(autouse=True, scope="module")
def import_litellm():
    """Import litellm first: it takes seconds, which would count for a budget of seconds."""
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
# litellm leaks the socket of a request that is cancelled.
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_never_sends_a_request_beyond_the_budget(server: dict[str, Any]):
    limits = [
        1,
        *range(1, 41),
    ]  # run 0 only shifts the others: run k asks question k and may send k requests
    with FakeProvider(reply, **server) as provider:
        contexts = [{"budget": Budget(calls=limit)} for limit in limits]
        outcomes = run_all(provider, contexts, num_critiques=4, num_votes=3, **ENDLESS)
        for limit in range(1, 41):
            outcome = outcomes[limit]
            requests = about(question(limit))
            sent = provider.calls(requests)
            if isinstance(outcome, SelfcriticError):
                assert sent <= limit
                assert provider.usage(requests).output == 0
                continue
            assert sent == outcome["usage"].calls <= limit
            assert outcome["answer"].startswith("Lyon")
            assert outcome["stop_reason"] in ("budget", "model_error")
            assert outcome["stop_reason"] == "model_error" or sent == limit
            assert_usage_matches(outcome["usage"], provider, requests)


@pytest.mark.parametrize("fault", BROKEN_REPLIES, ids=lambda fault: fault.kind)
def test_usage_matches_the_server_despite_faults(fault: Fault):
    with FakeProvider(
        reply, faults=[None, fault, None, fault, None, None, fault], cached_share=0.5
    ) as provider:
        output = run(provider, max_rounds=1)
        assert output["stop_reason"] == "max_rounds"
        assert provider.calls() == 10
        assert_usage_matches(output["usage"], provider)
        assert output["usage"].cached_tokens > 0
        assert output["usage"].cost_usd is None


@pytest.mark.parametrize("kind", ["null", "no_choices", "refusal", "filtered"])
def test_counts_unusable_replies(kind: Any):
    with FakeProvider(reply, faults=[None, None, *[Fault(kind)] * 9]) as provider:
        output = run(provider)
        assert output["stop_reason"] == "model_error"
        assert_usage_matches(output["usage"], provider)
        assert output["usage"].by_role["critic"].input_tokens > 0


@pytest.mark.parametrize(
    "requests_before", [0, 1, 2, 3, 5], ids=["draft", "judge", "critic", "scores", "refiner"]
)
@pytest.mark.parametrize("on_a_thread", [False, True])
def test_seconds_end_a_request_that_hangs(requests_before: int, on_a_thread: bool):
    faults = [*[None] * requests_before, *[Fault("hang")] * 9]
    with FakeProvider(reply, faults=faults) as provider:
        options = {**models(provider), "budget": Budget(seconds=1.5), "num_critiques": 2}
        graph = create_self_critique(**options).compile(
            checkpointer=InMemorySaver() if on_a_thread else None
        )
        config = {"configurable": {"thread_id": "1"}} if on_a_thread else {}
        started = time.monotonic()
        with (
            pytest.raises(BudgetExhausted, match=r"1\.5 seconds")
            if requests_before == 0
            else nullcontext()
        ):
            output = event_loop.run(graph.ainvoke({"question": "Which city?"}, config))
            assert (output["stop_reason"], output["answer"][:4]) == ("budget", "Lyon")
        assert 1.5 <= time.monotonic() - started <= 1.65


def test_seconds_end_a_synchronous_run():
    with FakeProvider(reply, faults=[None, Fault("hang")]) as provider:
        graph = create_self_critique(**models(provider), budget=Budget(seconds=1.5)).compile()
        started = time.monotonic()
        output = graph.invoke({"question": "Which city?"})
        assert time.monotonic() - started <= 1.65
        event_loop.close_clients_of_synchronous_runs()
        assert (output["stop_reason"], output["answer"][:4]) == ("budget", "Lyon")


def test_tokens_end_a_run():
    with FakeProvider(reply) as provider:
        output = run(provider, budget=Budget(tokens=2000), **ENDLESS)
        assert output["stop_reason"] == "budget"
        served = provider.usage()
        total = served.input + served.output
        assert 1000 < total == output["usage"].input_tokens + output["usage"].output_tokens
        assert total <= 2000 + max(received.tokens.output for received in provider.received)


def test_cost_ends_a_run_if_the_price_is_known():
    with FakeProvider(reply) as provider:
        priced = models(provider, **PRICE)
        output = run(provider, **priced, budget=Budget(cost_usd=1.0), **ENDLESS)
        assert output["stop_reason"] == "budget"
        cost = output["usage"].cost_usd
        assert cost == pytest.approx(cost_of(provider.usage()))
        highest = max(cost_of(received.tokens) for received in provider.received)
        assert 1.0 <= cost < 1.0 + 2 * highest  # two scores are requested at the same time


@pytest.mark.parametrize("where", [*ROLES, "fallback"])
def test_cost_limit_with_an_unpriced_model_fails_before_any_request(where: Any):
    with FakeProvider(reply) as provider:
        options: dict[Any, Any] = models(provider, **PRICE)
        unpriced = load("openai/unheard-of", api_base=provider.url, api_key=KEY)
        if where == "fallback":
            options["fallbacks"] = {"judge": [unpriced]}
        else:
            options[where] = unpriced
        with pytest.raises(
            InputError, match=r"openai/unheard-of.*input_cost_per_token.*limit calls or tokens"
        ):
            run(provider, **options, budget=Budget(cost_usd=1.0))
        assert provider.calls() == 0


def test_local_models_cost_nothing():
    scripted = ScriptedModel(script={"generate": ["Lyon"], "classify": [0.1]})
    graph = create_self_critique(model=scripted, budget=Budget(cost_usd=0.01)).compile()
    assert graph.invoke({"question": "Which city?"})["usage"].cost_usd == 0


def accept_two_in_three(messages: list[Body], index: int) -> str | float:
    """Accept the first draft of two runs in three, for speed."""
    text = str(messages[-1]["content"])
    number = int(text.partition("Question number ")[2].partition(",")[0])
    verdict = reply(messages, index)
    if verdict == 0.9 and number % 3 != 0:
        return 0.1
    return verdict


def group_by_question(requests: list[Received]) -> dict[str, list[Received]]:
    groups: dict[str, list[Received]] = {}
    for received in requests:
        text = str(received.body["messages"][-1]["content"])
        start = text.index("Question number")
        asked_question = text[start:].split("?")[0] + "?"
        groups.setdefault(asked_question, []).append(received)
    return groups


def test_usage_adds_up_over_200_runs_with_30_percent_faults():
    with FakeProvider(accept_two_in_three, fault_rate=0.3, seed=5, cached_share=0.5) as provider:
        outcomes = run_all(provider, [{}] * 200, num_critiques=2, max_rounds=1)
        requests_by_question = group_by_question(provider.received)
        finished = 0
        for index, outcome in enumerate(outcomes):
            requests = requests_by_question[question(index)]
            if isinstance(outcome, SelfcriticError):
                assert all(sent_by("generator")(received) for received in requests)
                continue
            finished += 1
            assert outcome["answer"].startswith("Lyon")
            assert outcome["stop_reason"] in ("accepted", "max_rounds", "model_error")
            usage = outcome["usage"]
            served = sum((received.tokens for received in requests if received.tokens), Tokens())
            assert usage.calls == len(requests)
            assert (usage.input_tokens, usage.output_tokens) == (served.input, served.output)
            assert usage.cached_tokens == served.cached
        assert 180 < finished <= 200
