"""Divide tasks into development and test tasks."""

import random
from collections.abc import Sequence

from selfcritic.agent.data.records import AnswerRecord


def assign_splits(records: Sequence[AnswerRecord], seed: int) -> list[AnswerRecord]:
    """Return records of which half of the tasks are `dev` and the others `test`.

    The answers of a task stay together. Data with a split keeps it.
    """
    if any(record.split is not None for record in records):
        return list(records)
    tasks = sorted({record.task for record in records})
    random.Random(f"split {seed}").shuffle(tasks)
    dev = set(tasks[: len(tasks) // 2])
    assigned = []
    for record in records:
        split = "dev" if record.task in dev else "test"
        assigned.append(record.model_copy(update={"split": split}))
    return assigned
