"""Keep some tasks out of training, for evaluation."""

import math
import random
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple

from selfcritic.agent.tasks import Task
from selfcritic.agent.training.tiny.examples import draw_task

Split = Literal["dev", "test"]

_ONE_IN = 8


class SizedTask(NamedTuple):
    """A task and the size that it was generated with."""

    size: int
    task: Task


def is_held_out(task: Task) -> bool:
    """Whether a task is for evaluation only; one question in eight is."""
    return _hash(task) % _ONE_IN == 0


def held_out_split(task: Task) -> Split:
    """Return the half of the held-out tasks that a task belongs to."""
    return "dev" if _hash(task) // _ONE_IN % 2 == 0 else "test"


def _hash(task: Task) -> int:
    return zlib.crc32(task.question.encode())


def draw_training_task(
    task_name: str, rng: random.Random, sizes: Sequence[int], max_size: int | None = None
) -> Task:
    """Draw a task that is not held out."""
    while True:
        task = draw_task(task_name, rng, max_size, sizes)
        if not is_held_out(task):
            return task


def draw_held_out_tasks(
    task_name: str, split: Split, sizes: Sequence[int], count: int
) -> list[SizedTask]:
    """Draw at least `count` tasks, equally many of each size.

    The tasks of a size are the same in each call. A size with few questions repeats some.
    """
    tasks: list[SizedTask] = []
    for size in sizes:
        tasks += _draw_tasks_of_size(task_name, split, size, count_per_size(sizes, count))
    return tasks


def count_per_size(sizes: Sequence[int], count: int) -> int:
    """Return how many tasks of each size make at least `count`."""
    return math.ceil(count / len(sizes))


@cache
def _draw_tasks_of_size(task_name: str, split: Split, size: int, count: int) -> list[SizedTask]:
    """Draw tasks once per process: only one in 16 belongs to the split."""
    rng = random.Random(f"held out {split} {task_name} {size}")
    tasks: list[SizedTask] = []
    while len(tasks) < count:
        task = draw_task(task_name, rng, None, [size])
        if is_held_out(task) and held_out_split(task) == split:
            tasks.append(SizedTask(size, task))
    return tasks
