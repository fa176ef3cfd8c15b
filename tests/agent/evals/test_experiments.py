"""Test what one sample of each experiment records."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from selfcritic.agent.context import Context
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import BudgetExhausted, CheckerError, ModelError
from selfcritic.agent.evals.experiments import Experiment, Graphs, Item
from selfcritic.agent.evals.journal import FinishedSample
from selfcritic.agent.evals.names import ExperimentName
from selfcritic.agent.evals.oracles import HiddenTestsOracle
from selfcritic.agent.evals.splits import assign_splits
from selfcritic.agent.models.simulated import SimulatedModel
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.schemas import Budget, Critique, FSBSConfig, Round, Usage
from selfcritic.graphs.cli.eval.experiment_graphs import compile_graphs

QUESTION = "Sort these words alphabetically: pear, apple, orange, kiwi"
FLAWED = "apple, kiwi, pear, orange"
CORRECT = "apple, kiwi, orange, pear"
RECORD = AnswerRecord(
    id="r", task="t", question=QUESTION, answer=FLAWED, task_type="alphabetize", origin="inserted"
)
PERFECT = SimulatedModel(
    miss_rate=0, false_alarm_rate=0, judge_error_rate=0, refine_error_rate=0, seed=1
)


def create_experiment(name: ExperimentName, **context: Any) -> Experiment:
    fields = {"model": PERFECT, "num_critiques": 3, "seed": 1, **context}
    options = Context.model_validate(fields)
    arms = ("loop", "best_of_n") if name == "refine" else ()
    return Experiment(name, compile_graphs(), {"m": options}, arms=arms)


def run(
    experiment: Experiment, record: AnswerRecord = RECORD, budget: Budget | None = None
) -> FinishedSample:
    async def run_item() -> FinishedSample:
        token = parent_budget.set(BudgetTracker(budget or Budget()))
        try:
            return await experiment.run(Item(record, "m"))
        finally:
            parent_budget.reset(token)

    return asyncio.run(run_item())


class FixedGraph:
    """Returns the same output for each run, or raises it."""

    def __init__(self, output: Mapping[str, Any] | Exception) -> None:
        self.output = output

    async def ainvoke(self, _state: Any, /, *, context: Context) -> Mapping[str, Any]:
        assert context.num_critiques
        if isinstance(self.output, Exception):
            raise self.output
        return self.output


def with_review(experiment: Experiment, output: Mapping[str, Any] | Exception) -> Experiment:
    graphs = replace(experiment.graphs, review=FixedGraph(output))
    return replace(experiment, graphs=graphs)


def test_critic_keeps_the_whole_pool_with_its_costs():
    finished = run(create_experiment("critic"))
    [record] = finished.records
    assert finished.error is None
    assert record.is_correct is False
    assert record.p_critiqueable == pytest.approx(1)
    assert [critique.id for critique in record.critiques] == ["m #1", "m #2", "m #3"]
    assert all(critique.reward is not None for critique in record.critiques)
    assert record.bugs is not None
    assert {rating.critique for rating in finished.ratings} == {"m #1", "m #2", "m #3"}
    assert all(rating.is_helpful for rating in finished.ratings)
    pool_calls = sum(critique.calls or 0 for critique in record.critiques)
    assert finished.usage.calls == pool_calls + 1  # the verdict on the answer


def test_self_critique_replaces_the_answer_and_criticizes_it_whatever_the_verdict():
    model = PERFECT.model_copy(update={"draft_error_rate": 0.0})
    finished = run(create_experiment("self-critique", model=model), RECORD)
    [record] = finished.records
    assert (record.id, record.answer, record.origin) == ("r", CORRECT, "natural")
    assert (record.is_correct, record.bugs) == (True, [])
    assert record.p_critiqueable == pytest.approx(0)
    assert len(record.critiques) == 3
    assert not any(rating.is_helpful for rating in finished.ratings)


def test_gdc_has_one_record_per_answer():
    finished = run(replace(create_experiment("gdc"), num_answers=2))
    assert [record.id for record in finished.records] == ["r/1", "r/2"]
    assert {record.task for record in finished.records} == {"t"}
    assert all(record.p_critiqueable is not None for record in finished.records)
    rated = {rating.record for rating in finished.ratings}
    assert rated == {"r/1", "r/2"}


def test_epochs_have_other_seeds_and_ids():
    model = PERFECT.model_copy(update={"miss_rate": 0.5, "seed": None})
    experiment = create_experiment("self-critique", model=model)

    def run_epoch(epoch: int) -> FinishedSample:
        return asyncio.run(experiment.run(Item(RECORD, "m", epoch)))

    first, again, second = run_epoch(1), run_epoch(1), run_epoch(2)
    assert (first.sample, second.sample) == ("r | m", "r | m | epoch 2")
    assert (first.records[0].id, second.records[0].id) == ("r", "r@2")
    assert {rating.record for rating in second.ratings} == {"r@2"}
    assert first.records[0].answer == again.records[0].answer
    texts = [[critique.text for critique in run.records[0].critiques] for run in (first, second)]
    assert texts[0] != texts[1]


def test_frontier_has_two_pools_of_equal_size():
    finished = run(create_experiment("frontier", fsbs=FSBSConfig(n=2, k=1, d=2)))
    [record] = finished.records
    critics = [critique.critic for critique in record.critiques]
    assert critics == ["m/fsbs"] * 4 + ["m/best_of_4"] * 4
    assert len({critique.id for critique in record.critiques}) == 8
    assert len(finished.ratings) == 8


def test_review_has_one_critique_even_if_it_is_silent():
    finished = run(create_experiment("review"))
    assert [critique.selected for critique in finished.records[0].critiques] == [True]
    assert finished.ratings[0].is_helpful is True

    checker = create_experiment("review", model="none", checkers=["task_tests"])
    clean = RECORD.model_copy(update={"answer": CORRECT, "origin": "clean"})
    finished = run(checker, clean)
    [critique] = finished.records[0].critiques
    assert (critique.comments, finished.usage.calls) == ([], 0)
    assert finished.ratings[0].form is not None
    assert finished.ratings[0].form.hallucinated_problem == 1


def test_refine_grades_all_arms():
    finished = run(create_experiment("refine"))
    [record] = finished.records
    assert record.answer == FLAWED
    arms = {refinement.arm: refinement.is_correct for refinement in record.refinements}
    assert arms["loop"] is True
    assert set(arms) == {"loop", "best_of_n"}
    assert all(refinement.calls for refinement in record.refinements)
    assert record.critiques


def test_refine_drafts_an_answer_to_clean_data():
    clean = RECORD.model_copy(update={"answer": CORRECT, "origin": "clean", "bugs": []})
    model = PERFECT.model_copy(update={"draft_error_rate": 1.0})
    [record] = run(create_experiment("refine", model=model), clean).records
    assert (record.is_correct, record.origin) == (False, "natural")


def test_answer_that_cannot_be_graded_is_kept(caplog: pytest.LogCaptureFixture):
    metadata = {"tests": "def test_f():\n    assert f() == 1\n"}
    update: dict[str, Any] = {"task_type": None, "metadata": metadata, "bugs": []}

    async def grade(_record: AnswerRecord, _answer: str, /) -> bool | None:
        raise CheckerError("No test ran.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HiddenTestsOracle, "grade", lambda self, *texts: grade(*texts))
        [record] = run(create_experiment("critic"), RECORD.model_copy(update=update)).records
    assert (record.is_correct, record.error, len(record.critiques)) == (None, None, 3)
    assert "An answer to r could not be graded: No test ran." in caplog.text


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (ModelError("The server is down."), "The server is down."),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
        (ModelError("api_key=sk-secretsecretsecret"), "key"),
    ],
)
def test_failure_becomes_a_record_with_error(failure: Exception, message: str):
    finished = run(with_review(create_experiment("critic"), failure))
    assert finished.error is not None
    assert message in finished.error
    assert "secretsecret" not in finished.error
    assert finished.records[0].error == finished.error
    assert finished.usage.calls == 1


def test_review_that_ends_early_keeps_its_critiques():
    pool = [Critique(text="x", reward=None)]
    output = {
        "rounds": [Round(answer=FLAWED, critiques=pool)],
        "stop_reason": "judge_unreadable",
        "error": "The judge's replies are not Yes or No.",
        "usage": Usage(),
    }
    [record] = run(with_review(create_experiment("critic"), output)).records
    assert record.error is None
    assert record.metadata["review_error"] == output["error"]
    assert len(record.critiques) == 1

    empty = {**output, "rounds": [Round(answer=FLAWED)]}
    finished = run(with_review(create_experiment("critic"), empty))
    assert finished.records[0].error == output["error"]


def test_budget_ends_an_item_with_what_was_paid_for():
    finished = run(create_experiment("critic"), budget=Budget(calls=2))
    assert finished.error == "The budget ended before this item was complete."
    assert finished.usage.calls == 2
    assert finished.records[0].p_critiqueable is not None
    assert finished.records[0].error == finished.error


def test_budget_that_covers_nothing_is_raised():
    spent = BudgetTracker(Budget(calls=1), Usage(calls=1))

    async def run_item() -> None:
        token = parent_budget.set(spent)
        try:
            await create_experiment("critic").run(Item(RECORD, "m"))
        finally:
            parent_budget.reset(token)

    with pytest.raises(BudgetExhausted):
        asyncio.run(run_item())


def test_splits_keep_tasks_together_and_depend_on_the_seed():
    records = []
    for number in range(20):
        update = {"id": f"r{number}", "task": f"t{number // 2}"}
        records.append(RECORD.model_copy(update=update))
    split = assign_splits(records, seed=0)
    by_task: dict[str, set[str | None]] = {}
    for record in split:
        by_task.setdefault(record.task, set()).add(record.split)
    assert all(len(splits) == 1 for splits in by_task.values())
    assert sum(record.split == "dev" for record in split) == 10
    assert assign_splits(records, seed=0) == split
    assert assign_splits(records, seed=1) != split
    assert assign_splits(split, seed=1) == split


def test_graphs_can_be_any_object_with_ainvoke():
    pool = [Critique(text="", reward=1.0, selected=True)]
    output = {"rounds": [Round(answer=FLAWED, critiques=pool)], "critique": pool[0]}
    graph = FixedGraph({**output, "stop_reason": "reviewed", "usage": Usage()})
    graphs = Graphs(draft=graph, judge=graph, review=graph, loop=graph, refine=graph)
    experiment = Experiment("review", graphs, {"m": Context(model=PERFECT)})
    assert run(experiment).error is None
