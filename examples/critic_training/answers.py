"""Draw flawed answers: a drafter's own errors (natural), and tampered solutions (inserted)."""

import random
from collections.abc import Collection, Sequence
from typing import Literal

from selfcritic.agent.data.records import AnswerRecord, Bug, Origin
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.tasks import Alphabetize, Task
from selfcritic.agent.training.tiny.examples import GradedDraft, render_prompt
from selfcritic.agent.training.tiny.multi_comment import draw_tampered_draft, sort_by_quote

Split = Literal["train", "dev", "test"]
ORIGINS: tuple[Origin, ...] = ("natural", "inserted")
SIZES = range(12, 25)
"""Words of a list. Shorter lists are nearly always sorted without an error."""

_TASKS_PER_CALL = 200


def draw_answers(
    drafter: Engine, split: Split, count: int, used_tasks: Collection[str] = ()
) -> list[AnswerRecord]:
    """Draw `count` flawed answers of each origin, each to another task.

    Args:
        drafter: Model whose first drafts are the natural answers.
        split: Where the answers belong; each split has its own tasks.
        count: Number of answers of each origin.
        used_tasks: Ids of tasks of other splits, which are skipped.
    """
    rng = random.Random(f"critic training {split}")
    seen = set(used_tasks)
    natural: list[AnswerRecord] = []
    while len(natural) < count:
        tasks = _draw_tasks(rng, min(_TASKS_PER_CALL, 4 * count), seen)
        prompts = [render_prompt("generate", task.question) for task in tasks]
        replies = drafter.complete(prompts, seed=rng.randrange(2**31))
        for task, [reply] in zip(tasks, replies, strict=True):
            draft = GradedDraft.grade(task, reply.text.strip())
            if draft.flaws and not reply.is_truncated:
                natural.append(to_record(draft, split, "natural"))
    inserted: list[AnswerRecord] = []
    for task in _draw_tasks(rng, count, seen):
        inserted.append(to_record(draw_tampered_draft(task, rng), split, "inserted"))
    return natural[:count] + inserted


def _draw_tasks(rng: random.Random, count: int, seen: set[str]) -> list[Task]:
    tasks: list[Task] = []
    while len(tasks) < count:
        task = Alphabetize.generate(rng, rng.choice(SIZES))
        if task.id not in seen:
            seen.add(task.id)
            tasks.append(task)
    return tasks


def to_record(draft: GradedDraft, split: Split, origin: Origin) -> AnswerRecord:
    """Return the record of an answer with its flaws as known bugs, in the order of their quotes."""
    bugs = []
    for number, flaw in enumerate(sort_by_quote(draft.flaws)):
        bug = Bug(
            id=str(number),
            description=flaw.text,
            quote=flaw.quote,
            start=flaw.start,
            end=flaw.end,
        )
        bugs.append(bug)
    return AnswerRecord(
        id=f"{draft.task.id}/{origin}",
        task=draft.task.id,
        question=draft.task.question,
        answer=draft.answer,
        origin=origin,
        split=split,
        task_type=draft.task.name,
        is_correct=False,
        bugs=bugs,
    )


def select_origin(records: Sequence[AnswerRecord], origin: Origin) -> list[AnswerRecord]:
    """Return the records of one origin."""
    return [record for record in records if record.origin == origin]
