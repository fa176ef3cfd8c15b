"""Sample answers, verdicts and pools of critiques, graded by the oracle (experiments 1, 2 and 4).

Each task has two natural answers of the model, a flawed answer that the oracle made (origin "inserted") and the
solution (origin "clean"). The first natural answer has 64 critiques, the inserted one 28, and the second one 8. For
sums, all have 8.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from examples.papers.models import SEEDS, Split, TinyLanguageModel
from examples.papers.records import answer_record, critique_samples, rate_pool
from examples.papers.replies import Answer, judge_answers, write_answers, write_critiques
from selfcritic.agent.data.files import RATINGS_FILE, RECORDS_FILE, write_records
from selfcritic.agent.data.records import AnswerRecord, Origin, Rating
from selfcritic.agent.schemas import Critique
from selfcritic.agent.tasks import Task
from selfcritic.agent.training.tiny.examples import draw_flawed_draft

NUM_ANSWERS = 2
POOL_SIZE = 64
INSERTED_POOL_SIZE = 28
SMALL_POOL_SIZE = 8


class _Kind(NamedTuple):
    """Which answer of a task it is, and how many critiques it gets."""

    name: str
    split: Split
    origin: Origin
    pool_size: int


def make_pools(
    model: TinyLanguageModel, tasks_by_split: dict[Split, list[Task]], folder: Path
) -> None:
    """Write the records and ratings of both splits."""
    records: list[AnswerRecord] = []
    ratings: list[Rating] = []
    first_size, inserted_size = POOL_SIZE, INSERTED_POOL_SIZE
    if model.task_type == "addition":
        first_size = inserted_size = SMALL_POOL_SIZE
    for split, tasks in tasks_by_split.items():
        drafts = write_answers(model.engine, tasks, NUM_ANSWERS, model.seed(f"{split} answers"))
        for number in range(NUM_ANSWERS):
            size = first_size if number == 0 else SMALL_POOL_SIZE
            texts = [pool[number] for pool in drafts]
            kind = _Kind(f"natural-{number}", split, "natural", size)
            _add_answers(model, tasks, texts, kind, records, ratings)
        inserted = draw_inserted(tasks, split)
        kind = _Kind("inserted", split, "inserted", inserted_size)
        _add_answers(model, tasks, inserted, kind, records, ratings)
        solutions = [task.solution() for task in tasks]
        kind = _Kind("clean", split, "clean", 0)
        _add_answers(model, tasks, solutions, kind, records, ratings)
    write_records(folder / RATINGS_FILE, ratings)
    write_records(folder / RECORDS_FILE, records)


def draw_inserted(tasks: Sequence[Task], split: Split) -> list[str]:
    """Return an answer to each task with one to three inserted flaws."""
    answers = []
    rng = random.Random(f"{SEEDS[split]} inserted")
    for task in tasks:
        draft = draw_flawed_draft(task, rng)
        while not draft.flaws:  # a later edit can repair an earlier one
            draft = draw_flawed_draft(task, rng)
        answers.append(draft.answer)
    return answers


def _add_answers(
    model: TinyLanguageModel,
    tasks: Sequence[Task],
    texts: Sequence[str],
    kind: _Kind,
    records: list[AnswerRecord],
    ratings: list[Rating],
) -> None:
    """Judge and criticize one answer of each task."""
    name, split, origin, pool_size = kind
    answers = [Answer(task, text) for task, text in zip(tasks, texts, strict=True)]
    p_flawed = judge_answers(model.engine, answers)
    pools: list[list[Critique]] = [[] for _ in answers]
    if pool_size:
        seed = model.seed(f"{split} {name} critiques")
        pools = write_critiques(model.engine, answers, pool_size, seed)
    for answer, p_critiqueable, pool in zip(answers, p_flawed, pools, strict=True):
        record = answer_record(
            answer,
            name,
            split,
            origin,
            p_critiqueable=p_critiqueable,
            critiques=critique_samples(pool, model.name),
        )
        records.append(record)
        ratings += rate_pool(record, answer)
