"""The loop over a thousand tasks of each family with the simulated model, graded by the oracles it never sees."""

import asyncio
import random
from typing import Any

import pytest

from selfcritic.agent.models.simulated import SimulatedModel
from selfcritic.agent.tasks import TASKS, Task
from selfcritic.graphs import create_self_critique

SIZES = {"addition": 6, "alphabetize": 8, "three_sat": 6, "functions": 3}
COUNT = 1000
pytestmark = pytest.mark.slow
families = pytest.mark.parametrize("family", TASKS, ids=lambda family: family.family)


def run_all(family: type[Task], **options: Any) -> list[tuple[Task, dict[str, Any]]]:
    rng = random.Random(f"loop {family.family}")
    tasks = [family.generate(rng, SIZES[family.family]) for _ in range(COUNT)]
    graph = create_self_critique(**options).compile()

    async def run() -> list[dict[str, Any]]:
        return await asyncio.gather(*(graph.ainvoke({"question": task.question}) for task in tasks))

    return list(zip(tasks, asyncio.run(run()), strict=True))


@families
def test_more_answers_are_right_after_the_loop_and_none_is_worse_by_its_own_measure(family: type[Task]):
    outcomes = run_all(family, model=SimulatedModel(seed=11), num_critiques=4)
    before = sum(task.is_correct(output["rounds"][0].answer) for task, output in outcomes)
    after = sum(task.is_correct(output["answer"]) for task, output in outcomes)
    assert after > before + COUNT * 0.2
    for _, output in outcomes:
        measures = [draft.p_critiqueable for draft in output["rounds"]]
        assert output["p_critiqueable"] == min(measures)
        assert output["answer"] == output["rounds"][output["best_round"]].answer


@families
def test_where_only_drafts_err_every_task_ends_right(family: type[Task]):
    perfect_critic = SimulatedModel(
        seed=12, draft_error_rate=0.9, miss_rate=0, false_alarm_rate=0, judge_error_rate=0, refine_error_rate=0
    )
    outcomes = run_all(family, model=perfect_critic, num_critiques=1, max_rounds=8, patience=8)
    assert sum(not task.is_correct(output["rounds"][0].answer) for task, output in outcomes) > COUNT * 0.8
    assert all(task.is_correct(output["answer"]) for task, output in outcomes)
    assert {output["stop_reason"] for _, output in outcomes} == {"accepted"}
