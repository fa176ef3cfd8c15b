"""Generate tasks whose answers an oracle can grade."""

import random

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.tasks import TASKS

TASK_TYPES = {task_type.name: task_type for task_type in TASKS}
_DEFAULT_COUNT = 100
_MAX_COUNT = 100_000
_MAX_ATTEMPTS = 100
"""Attempts for each task, since small tasks repeat."""


def generate_answers(name: str, count: int | None, seed: int) -> list[AnswerRecord]:
    """Generate different tasks of a type, with the oracle's solutions as answers.

    Raises:
        InputError: The type has fewer different tasks than `count`, or `count` is more than 100,000.
    """
    task_type = TASK_TYPES[name]
    wanted = _DEFAULT_COUNT if count is None else count
    if wanted > _MAX_COUNT:
        raise InputError(
            f"{name} generates at most {_MAX_COUNT:,} tasks, not {wanted:,}: choose a smaller `count` (--count)."
        )
    rng = random.Random(f"{name} {seed}")
    records: dict[str, AnswerRecord] = {}
    for _ in range(wanted * _MAX_ATTEMPTS):
        if len(records) == wanted:
            break
        size = rng.choice(task_type.sizes)
        task = task_type.generate(rng, size)
        records[task.id] = AnswerRecord(
            id=task.id,
            task=task.id,
            question=task.question,
            answer=task.solution(),
            origin="clean",
            task_type=name,
            language="python" if name == "functions" else None,
            is_correct=True,
            bugs=[],
            metadata={"size": size},
        )
    if len(records) < wanted:
        raise InputError(
            f"{name} has only {len(records)} different tasks, not {wanted}: choose a smaller `count` (--count)."
        )
    return list(records.values())
