"""Keep some tasks out of training, for evaluation."""

import random
import zlib
from collections.abc import Sequence

from selfcritic.agent.tasks import Task
from selfcritic.agent.training.tiny.examples import draw_task

_ONE_IN = 8


def is_held_out(task: Task) -> bool:
    """Whether a task is for evaluation only; one question in eight is."""
    return zlib.crc32(task.question.encode()) % _ONE_IN == 0


def draw_training_task(
    task_name: str, rng: random.Random, sizes: Sequence[int], max_size: int | None = None
) -> Task:
    """Draw a task that is not held out."""
    while True:
        task = draw_task(task_name, rng, max_size, sizes)
        if not is_held_out(task):
            return task


def draw_held_out_tasks(task_name: str, sizes: Sequence[int], count: int) -> list[Task]:
    """Draw the first tasks for evaluation; they are the same in each call."""
    rng = random.Random(f"held out {task_name}")
    tasks: list[Task] = []
    while len(tasks) < count:
        task = draw_task(task_name, rng, None, sizes)
        if is_held_out(task):
            tasks.append(task)
    return tasks
