"""The loop on one hundred tasks of each type with the simulated model.

Each task's oracle, which the loop cannot see, grades the answers.
"""

import asyncio
import random
from typing import Any

import pytest

from selfcritic.agent.models.simulated import SimulatedModel
from selfcritic.agent.tasks import TASKS, Task
from selfcritic.graphs import create_self_critique

SIZES = {"addition": 6, "alphabetize": 8, "three_sat": 6, "functions": 3}
COUNT = 100
pytestmark = pytest.mark.slow
each_task_type = pytest.mark.parametrize("task_type", TASKS, ids=lambda task_type: task_type.name)


def run_all(task_type: type[Task], **options: Any) -> list[tuple[Task, dict[str, Any]]]:
    """Return each task with the output of the loop."""
    rng = random.Random(f"loop {task_type.name}")
    tasks = [task_type.generate(rng, SIZES[task_type.name]) for _ in range(COUNT)]
    graph = create_self_critique(**options).compile()

    async def run() -> list[dict[str, Any]]:
        return await asyncio.gather(*(graph.ainvoke({"question": task.question}) for task in tasks))

    return list(zip(tasks, asyncio.run(run()), strict=True))


@each_task_type
def test_loop_corrects_answers_and_returns_the_best_judged_draft(task_type: type[Task]):
    outcomes = run_all(task_type, model=SimulatedModel(seed=11), num_critiques=4)
    correct_before = sum(task.is_correct(output["rounds"][0].answer) for task, output in outcomes)
    correct_after = sum(task.is_correct(output["answer"]) for task, output in outcomes)
    assert correct_after > correct_before + COUNT * 0.2
    for _, output in outcomes:
        assert output["p_critiqueable"] == min(draft.p_critiqueable for draft in output["rounds"])
        assert output["answer"] == output["rounds"][output["best_round"]].answer


@each_task_type
def test_perfect_critic_and_refiner_solve_every_task(task_type: type[Task]):
    perfect_critic = SimulatedModel(
        seed=12,
        draft_error_rate=0.9,
        miss_rate=0,
        false_alarm_rate=0,
        judge_error_rate=0,
        refine_error_rate=0,
    )
    outcomes = run_all(task_type, model=perfect_critic, num_critiques=1, max_rounds=8, patience=8)
    wrong_drafts = sum(not task.is_correct(output["rounds"][0].answer) for task, output in outcomes)
    assert wrong_drafts > COUNT * 0.8
    assert all(task.is_correct(output["answer"]) for task, output in outcomes)
    assert {output["stop_reason"] for _, output in outcomes} == {"accepted"}
