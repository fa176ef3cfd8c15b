"""Tests of the tasks that are held out for evaluation."""

import random
from collections import Counter

import pytest

from selfcritic.agent.training.tiny import held_out
from selfcritic.agent.training.tiny.examples import TRAINABLE_TASKS, draw_task
from selfcritic.agent.training.tiny.held_out import (
    draw_held_out_tasks,
    draw_training_task,
    held_out_split,
    is_held_out,
)

SIZES = range(3, 6)


@pytest.mark.parametrize("task_name", TRAINABLE_TASKS)
def test_no_question_is_in_two_splits(task_name: str):
    rng = random.Random(0)
    training = {draw_training_task(task_name, rng, SIZES).question for _ in range(200)}
    dev = {task.question for _, task in draw_held_out_tasks(task_name, "dev", SIZES, 60)}
    test = {task.question for _, task in draw_held_out_tasks(task_name, "test", SIZES, 60)}
    assert not dev & test
    assert not training & (dev | test)


def test_divides_the_held_out_tasks_evenly():
    rng = random.Random(0)
    splits: Counter[str] = Counter()
    for _ in range(8000):
        task = draw_task("alphabetize", rng)
        splits[held_out_split(task) if is_held_out(task) else "training"] += 1
    assert splits["dev"] == pytest.approx(500, abs=100)
    assert splits["test"] == pytest.approx(500, abs=100)


def test_draws_equally_many_tasks_of_each_size():
    tasks = draw_held_out_tasks("three_sat", "dev", SIZES, 10)
    assert Counter(task.size for task in tasks) == {3: 4, 4: 4, 5: 4}
    for size, task in tasks:
        assert len(task.people) == size


def test_draws_the_tasks_of_a_process_once(monkeypatch: pytest.MonkeyPatch):
    tasks = draw_held_out_tasks("three_sat", "dev", SIZES, 12)
    monkeypatch.setattr(held_out, "draw_task", None)
    assert draw_held_out_tasks("three_sat", "dev", SIZES, 12) == tasks
    assert draw_held_out_tasks("three_sat", "dev", [4], 4) == tasks[4:8]


def test_training_tasks_have_the_sizes():
    rng = random.Random(1)
    tasks = [draw_training_task("alphabetize", rng, range(4, 9)) for _ in range(40)]
    assert {len(task.words) for task in tasks} == {4, 5, 6, 7, 8}


def test_a_narrower_range_has_the_same_tasks():
    tasks = draw_held_out_tasks("addition", "test", SIZES, 9)
    of_size_4 = [task for task in tasks if task.size == 4]
    assert draw_held_out_tasks("addition", "test", [4], 5)[:3] == of_size_4
