"""Convert answers, critiques and oracle grades to records."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from examples.papers.models import Split, parse_tasks
from examples.papers.replies import Answer, grade_critiques
from selfcritic.agent.data.files import RATINGS_FILE, RECORDS_FILE, read_answers, read_ratings
from selfcritic.agent.data.records import (
    AnswerRecord,
    Bug,
    CritiqueSample,
    Origin,
    Rating,
    RatingForm,
)
from selfcritic.agent.schemas import Critique
from selfcritic.agent.tasks import Task

RATER = "oracle"
_NO = 1
_YES = 7  # scores of the form


def answer_record(
    answer: Answer, name: str, split: Split, origin: Origin = "natural", **values: object
) -> AnswerRecord:
    """Return the record of an answer, graded by the oracle; `name` is unique for the task."""
    task, text = answer
    bugs = []
    for number, flaw in enumerate(task.flaws(text)):
        comment = flaw.comment
        bugs.append(
            Bug(
                id=str(number),
                description=comment.text,
                quote=comment.quote,
                start=comment.start,
                end=comment.end,
            )
        )
    return AnswerRecord.model_validate(
        {
            "id": f"{task.id}/{name}",
            "task": task.id,
            "question": task.question,
            "answer": text,
            "origin": origin,
            "split": split,
            "task_type": task.name,
            "is_correct": not bugs,
            "bugs": bugs,
            **values,
        }
    )


def critique_samples(critiques: Iterable[Critique], critic: str) -> list[CritiqueSample]:
    """Return a critic's pool as records."""
    samples = []
    for number, critique in enumerate(critiques):
        fields = {name: getattr(critique, name) for name in Critique.model_fields}
        samples.append(CritiqueSample(id=f"{critic}/{number}", critic=critic, calls=2, **fields))
    return samples


def rate_pool(record: AnswerRecord, answer: Answer) -> list[Rating]:
    """Rate each critique of a record by the task's oracle."""
    ratings = []
    verdicts = grade_critiques(answer, record.critiques)
    for critique, is_valid in zip(record.critiques, verdicts, strict=True):
        ratings.append(
            Rating(
                record=record.id,
                critique=critique.id,
                rater=RATER,
                rater_type="oracle",
                is_helpful=is_valid,
            )
        )
    return ratings


RatedPools = list[tuple[AnswerRecord, list[bool]]]
"""Records, and whether each of their critiques is valid."""


def read_pools(folder: Path) -> RatedPools:
    """Read records with the oracle's ratings of their critiques."""
    records = read_answers(folder / RECORDS_FILE)
    helpful: dict[tuple[str, str], bool] = {}
    for rating in read_ratings(folder / RATINGS_FILE):
        helpful[rating.record, rating.critique] = bool(rating.is_helpful)
    pools = []
    for record in records:
        pools.append((record, [helpful[record.id, sample.id] for sample in record.critiques]))
    return pools


def select_records(pools: RatedPools, split: Split, origin: Origin) -> RatedPools:
    """Return the pools of one split and origin."""
    selected = []
    for record, is_valid in pools:
        if (record.split, record.origin) == (split, origin):
            selected.append((record, is_valid))
    return selected


def first_answers(pools: RatedPools) -> RatedPools:
    """Return the first answer of each task, which has the large pool."""
    firsts: dict[str, tuple[AnswerRecord, list[bool]]] = {}
    for record, is_valid in pools:
        firsts.setdefault(record.task, (record, is_valid))
    return list(firsts.values())


def take_share(rated: RatedPools, share: float) -> RatedPools:
    """Return the first records, at least one."""
    return rated[: max(round(share * len(rated)), 1)]


def to_answers(records: Sequence[AnswerRecord]) -> list[Answer]:
    """Return recorded answers with their tasks."""
    tasks: list[Task] = []
    for record in records:
        tasks += parse_tasks([record.question], record.task_type or "")
    return [Answer(task, record.answer) for task, record in zip(tasks, records, strict=True)]


def rated_forms(record: AnswerRecord, answer: Answer) -> list[Rating]:
    """Rate each critique on CriticGPT's form by the task's oracle.

    A critique is comprehensive if the edits of its valid comments make the answer correct. A hallucinated problem is an
    invalid comment, or a comment without a quote of the answer.
    """
    forms: dict[str, Rating] = {}
    ratings = []
    for critique in record.critiques:
        if critique.text not in forms:
            forms[critique.text] = _rate_form(record.id, critique, answer)
        ratings.append(forms[critique.text].model_copy(update={"critique": critique.id}))
    return ratings


def _rate_form(record: str, critique: CritiqueSample, answer: Answer) -> Rating:
    task, text = answer
    valid = [comment for comment in critique.comments if task.is_valid(text, comment)]
    edited = text
    for comment in valid:
        edited = task.apply_comment(edited, comment)
    is_clean = bool(valid) and len(valid) == len(critique.comments) and not critique.ungrounded
    form = RatingForm(
        comprehensiveness=_YES if task.is_correct(edited) else _NO,
        nitpick=_NO,
        hallucinated_problem=_NO if is_clean else _YES,
    )
    return Rating(
        record=record,
        critique=critique.id,
        rater=RATER,
        rater_type="oracle",
        is_helpful=is_clean,
        form=form,
    )
