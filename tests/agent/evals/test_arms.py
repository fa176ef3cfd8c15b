import re
from typing import Any

import pytest

from selfcritic.agent import load
from selfcritic.agent.context import Context
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import BudgetExhausted, CheckerError, InputError, ModelError
from selfcritic.agent.evals.arms import ARMS, ArmGraphs, ArmsResult, run_arms
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.nodes.generate import start_from_messages
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.schemas import Budget, Usage
from selfcritic.graphs import create_self_critique
from tests.support import event_loop
from tests.support.completions import Body
from tests.support.fake_provider import FakeProvider, Received
from tests.support.provider_loop import KEY, QUICK, prompt_name

GRAPHS = ArmGraphs(
    answer=create_self_critique().compile(),
    refine=create_self_critique(nodes={"generate": start_from_messages}).compile(),
)
RECORD = AnswerRecord(id="capital", task="capital", question="Which city?", answer="Lyon 0")


def run(context: Context, record: AnswerRecord = RECORD, **options: Any) -> ArmsResult:
    return event_loop.run(run_arms(record, GRAPHS, context, **options))


def scripted(**script: Any) -> Context:
    return Context(model=ScriptedModel(script=script), num_critiques=1, max_rounds=2)


class Cities:
    """Replies with new cities and the same verdict on all of them; counts the requests of each arm."""

    def __init__(self, p_critiqueable: float = 0.9, p_by_city: dict[str, float] | None = None):
        self.p_critiqueable = p_critiqueable
        self.p_by_city = p_by_city or {}
        self.num_drafts = 0

    def __call__(self, messages: list[Body], index: int) -> str | float:
        match prompt_name(messages):
            case "classify":
                prompt = str(messages[-1]["content"])
                for city, probability in self.p_by_city.items():
                    if city in prompt:
                        return probability
                return self.p_critiqueable
            case "helpfulness":
                return 0.8
            case "critique":
                return f"```\nLyon\n```\nRemark {index}."
        self.num_drafts += 1
        return f"Lyon {self.num_drafts}"


def provider_context(provider: FakeProvider, **options: Any) -> Context:
    model = load("openai/city", api_base=provider.url, api_key=KEY)
    values = {"num_critiques": 3, "max_rounds": 1, "patience": 9, "retries": QUICK, **options}
    return Context(model=model, **values)


def is_prompt(*names: str) -> Any:
    def check(received: Received) -> bool:
        return prompt_name(received.body["messages"]) in names

    return check


def last(result: ArmsResult, arm: str) -> Any:
    return [refinement for refinement in result.refinements if refinement.arm == arm][-1]


@pytest.mark.parametrize(
    ("n", "logprobs"),
    [
        ("honor", "honor"),
        ("ignore", "honor"),
        pytest.param("reject", "reject", marks=pytest.mark.slow),
    ],
)
def test_no_arm_sends_more_requests_than_the_loop(n: Any, logprobs: Any):
    sent: dict[str, int] = {}
    for arm in ARMS:
        with FakeProvider(Cities(), n=n, logprobs=logprobs) as provider:
            result = run(provider_context(provider, max_rounds=1), arms=[arm])
            sent[arm] = provider.calls()
        if arm == "loop":
            # 1 is the request of the first draft, which the record already has.
            assert last(result, "loop").calls == sent["loop"] + 1
        else:
            assert 0 < sent[arm] - sent["loop"] <= sent["loop"], arm  # the loop runs in each trial
            assert last(result, arm).calls <= sent["loop"] + 1


def test_reported_calls_are_the_requests_that_were_sent():
    with FakeProvider(Cities()) as provider:
        result = run(provider_context(provider))
        sent = provider.calls()
    first_verdict = 1  # shared by loop, best_of_n and resample; `direct` asks again
    reported = sum(last(result, arm).calls - 1 for arm in ARMS)
    assert reported == sent + 2 * first_verdict


def test_best_of_n_spends_the_requests_of_the_loop():
    with FakeProvider(Cities(), n="honor") as provider:
        result = run(provider_context(provider), arms=["loop", "best_of_n"])
    assert last(result, "best_of_n").calls == last(result, "loop").calls


def test_the_least_critiqueable_draft_wins():
    with FakeProvider(Cities(p_by_city={"Lyon 4": 0.6})) as provider:
        result = run(provider_context(provider), arms=["best_of_n"])
    assert last(result, "best_of_n").answer == "Lyon 4"


def test_the_shared_first_draft_can_win():
    with FakeProvider(Cities(p_by_city={"Lyon 0": 0.6})) as provider:
        result = run(provider_context(provider))
    for arm in ARMS:
        assert last(result, arm).answer == "Lyon 0", arm


def test_an_accepted_first_draft_ends_all_arms_after_its_verdict():
    with FakeProvider(Cities(p_critiqueable=0.1)) as provider:
        result = run(provider_context(provider))
        assert provider.calls(is_prompt("generate", "refine", "refine_directly")) == 0
    assert {(last(result, arm).round, last(result, arm).answer) for arm in ARMS} == {(0, "Lyon 0")}
    assert result.first_round.p_critiqueable == pytest.approx(0.1, abs=0.01)


def test_resampling_stops_at_the_first_accepted_draft():
    with FakeProvider(Cities(p_by_city={"Lyon 4": 0.1})) as provider:
        result = run(provider_context(provider), arms=["resample"])
    refinements = result.refinements
    assert refinements[-1].answer == "Lyon 4"
    assert [refinement.round for refinement in refinements] == list(range(1, len(refinements) + 1))
    assert refinements[-1].calls == 2 + 2 * len(refinements)


def test_a_round_has_the_answer_and_calls_of_a_run_that_ends_there():
    context = scripted(
        classify=[0.9, 0.7, 0.8],
        critique=["```\nLyon\n```\nNo.", "```\nParis\n```\nNo."],
        helpfulness=[0.9, 0.9],
        refine=["Paris", "Nice"],
    )
    result = run(context, arms=["loop"])
    values = [(item.round, item.answer, item.calls) for item in result.refinements]
    # First draft, verdict; critique, score, refinement and verdict in each round.
    assert values == [(1, "Paris", 6), (2, "Paris", 10)]
    shorter = run(
        scripted(
            classify=[0.9, 0.7],
            critique=["```\nLyon\n```\nNo."],
            helpfulness=[0.9],
            refine=["Paris"],
        ).model_copy(update={"max_rounds": 1}),
        arms=["loop"],
    )
    assert [(item.answer, item.calls) for item in shorter.refinements] == [("Paris", 6)]


def test_a_loop_without_a_helpful_critique_reports_its_calls():
    context = scripted(classify=[0.9], critique=["Nothing to quote."], helpfulness=[])
    result = run(context, arms=["loop"])
    [refinement] = result.refinements
    assert (refinement.round, refinement.answer, refinement.calls) == (0, "Lyon 0", 3)


def test_usage_of_the_first_draft_is_counted_in_each_arm():
    usage = Usage(calls=2, input_tokens=1000, output_tokens=100, cost_usd=0.5)
    with FakeProvider(Cities()) as provider:
        result = run(provider_context(provider), draft_usage=usage)
    for refinement in result.refinements:
        assert refinement.calls is not None
        assert refinement.calls >= 3
        assert refinement.tokens is not None
        assert refinement.tokens > 1100


def test_a_failing_model_ends_only_its_arm():
    def fail_new_drafts(messages: list[Any]) -> Any:
        name = prompt_name([{"content": messages[-1].content}])
        if name == "generate":
            raise ModelError("The server is gone.")
        if name == "critique":
            return "```\nLyon\n```\nNo."
        return {"classify": 0.9, "helpfulness": 0.9}.get(str(name), "Paris")

    context = Context(model=ScriptedModel(script=fail_new_drafts), num_critiques=1, max_rounds=1)
    result = run(context)
    assert last(result, "best_of_n").answer == "Lyon 0"
    assert last(result, "resample").answer == "Lyon 0"
    assert last(result, "loop").round == 1


def test_limits_of_the_context_hold_in_each_arm():
    with FakeProvider(Cities()) as provider:
        context = provider_context(provider, budget=Budget(calls=3))
        result = run(context)
    assert all(item.calls is not None and item.calls <= 4 for item in result.refinements)


@pytest.mark.parametrize("calls", [3, 8, 11])
def test_a_surrounding_budget_that_ends_is_not_a_result(calls: int):
    async def run_within_budget() -> ArmsResult:
        parent_budget.set(BudgetTracker(Budget(calls=calls)))
        return await run_arms(RECORD, GRAPHS, context)

    with FakeProvider(Cities()) as provider:
        context = provider_context(provider)
        with pytest.raises(BudgetExhausted):
            event_loop.run(run_within_budget())
        # One request may be counted, and cancelled before it is sent.
        assert calls - 1 <= provider.calls() <= calls


def test_a_failing_checker_is_not_a_result():
    def fail(_question: str, _draft: str) -> list[dict[str, str]]:
        raise CheckerError("The sandbox did not start.")

    context = scripted(classify=[0.9]).model_copy(update={"checkers": [fail]})
    with pytest.raises(CheckerError, match="sandbox did not start"):
        run(context)


def test_context_reaches_every_request():
    record = RECORD.model_copy(update={"context": "The seat of government is Paris."})
    with FakeProvider(Cities()) as provider:
        run(provider_context(provider), record)
        bodies = [str(received.body) for received in provider.received]
    assert all("seat of government" in body for body in bodies)


def test_new_drafts_have_other_seeds_than_the_first_one():
    with FakeProvider(Cities(), n="reject") as provider:
        run(provider_context(provider, seed=5), arms=["best_of_n", "resample"])
        generated = [item.body for item in provider.received if is_prompt("generate")(item)]
    seeds = [body["seed"] for body in generated if "n" not in body]
    assert 5 not in seeds
    assert len(seeds) == len(set(seeds)) > 1


def test_simulated_arms_are_repeatable():
    record = RECORD.model_copy(
        update={"question": "What is 4821 + 3977?", "answer": "4821 + 3977 = 8797"}
    )
    results = []
    for _ in range(2):
        context = Context(model=load("simulated", seed=3), seed=3, num_critiques=2)
        refinements = run(context, record).refinements
        results.append([refinement.model_dump(exclude={"seconds"}) for refinement in refinements])
    assert results[0] == results[1]
    assert {refinement["arm"] for refinement in results[0]} == set(ARMS)


def test_an_unknown_arm_is_named():
    with pytest.raises(InputError, match=re.escape("'lop'. Use loop, direct, best_of_n, resample")):
        run(scripted(), arms=["lop"])


def test_the_loop_writes_the_first_draft_of_a_record_without_an_answer():
    record = RECORD.model_copy(update={"answer": " \n"})
    with FakeProvider(Cities()) as provider:
        result = run(provider_context(provider), record)
        drafts = provider.calls(is_prompt("generate"))
        sent = provider.calls()
    assert result.first_round.answer == "Lyon 1"
    loop = last(result, "loop")
    assert all(last(result, arm).calls <= loop.calls for arm in ARMS)
    first_draft, first_verdict = 1, 1
    reported = sum(last(result, arm).calls for arm in ARMS)
    # All arms share the first draft, and all but "direct" its verdict.
    assert reported == sent + 3 * first_draft + 2 * first_verdict
    assert drafts > 1


def test_a_model_without_a_first_draft_raises():
    record = RECORD.model_copy(update={"answer": ""})
    model = ScriptedModel(script=lambda _: ModelError("The server is gone."))
    with pytest.raises(ModelError, match="server is gone"):
        run(Context(model=model), record)
