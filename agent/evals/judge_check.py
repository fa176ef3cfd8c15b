"""Check a judge's ratings against labels of people, tests or an oracle."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from selfcritic.agent.data.records import AnswerRecord, Comparison, Rating
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.dataset import TRUST
from selfcritic.agent.evals.measures.forms import QUESTIONS, THRESHOLDS
from selfcritic.agent.evals.measures.intervals import Estimate, Rows, rate, resample, undefined
from selfcritic.agent.evals.measures.judges import (
    JudgeResult,
    check_judge,
    correct_rate,
    length_bias,
    position_bias,
)
from selfcritic.agent.evals.sections.preferences import compare_pairs

HELPFUL = "helpful"
BUG_INCLUSION = "bug inclusion"
NO_BETTER_THAN_CHANCE = "the judge is no better than chance"
Key = tuple[str, str, str]
"""Ids of record, critique and bug; the bug is empty for questions about the whole critique."""
Verdicts = dict[Key, bool | None]


@dataclass(frozen=True)
class QuestionCheck:
    """A judge's verdicts on one question against the labels."""

    question: str
    result: JudgeResult
    num_labeled: int
    """Critiques that have both a verdict and a label."""
    judged_rate: Estimate
    """Share of all judged critiques with a yes."""
    corrected_rate: Estimate
    """The rate after correction for the judge's errors (Rogan and Gladen)."""
    labeled_rate: Estimate
    """Share of yes among the labels."""


@dataclass(frozen=True)
class JudgeCheck:
    """How far a judge can be trusted."""

    judge: str
    labelers: list[str]
    questions: list[QuestionCheck]
    position: Estimate | None
    """How often the judge prefers the first shown of two critiques; None without comparisons."""
    length: Estimate | None
    """How often the judge prefers the longer of two equally good critiques; None without comparisons."""
    warnings: list[str] = field(default_factory=list)


def check_judges(
    ratings: Sequence[Rating],
    records: Sequence[AnswerRecord] = (),
    comparisons: Sequence[Comparison] = (),
    *,
    judge: str | None = None,
) -> list[JudgeCheck]:
    """Check each judge of a file of ratings against the most trusted other raters.

    Args:
        ratings: Ratings by judges, and labels of the same critiques by an oracle, tests or people.
        records: The rated answers; they name tasks and critics.
        comparisons: Comparisons by the judges, which show their biases.
        judge: Name of the judge; by default, all judges.

    Raises:
        InputError: There are no judge's ratings, no labels, or no critique has both.
    """
    judges = sorted({rating.rater for rating in ratings if rating.rater_type == "judge"})
    if not judges:
        raise InputError(
            'There are no ratings by a judge (rater_type "judge"). Add the ratings to check.'
        )
    if judge is not None and judge not in judges:
        raise InputError(f"--judge {judge!r} rated nothing. The judges are {', '.join(judges)}.")
    labels = [rating for rating in ratings if rating.rater_type != "judge"]
    if not labels:
        raise InputError(
            "There are no labels to check the judge against. Rate some of the critiques by hand (rater_type "
            '"human"), or with an oracle or tests.'
        )
    selected = judges if judge is None else [judge]
    return [_check(name, ratings, labels, records, comparisons) for name in selected]


def _check(
    judge: str,
    ratings: Sequence[Rating],
    labels: Sequence[Rating],
    records: Sequence[AnswerRecord],
    comparisons: Sequence[Comparison],
) -> JudgeCheck:
    tasks = {record.id: record.task for record in records}
    by_judge = [
        rating for rating in ratings if rating.rater == judge and rating.rater_type == "judge"
    ]
    questions: list[QuestionCheck] = []
    labelers: set[str] = set()
    for question in (HELPFUL, BUG_INCLUSION, *QUESTIONS[:-1]):
        verdicts = _collect(by_judge, question)
        truth, names = _collect_labels(labels, question)
        shared = [key for key in truth if key in verdicts]
        if shared:
            labelers.update(names)
            questions.append(_check_question(question, verdicts, truth, tasks))
    if not questions:
        raise InputError(
            f"No critique has both a rating by {judge!r} and a label. Label critiques that the judge rated."
        )
    own = [row for row in comparisons if row.rater == judge and row.rater_type == "judge"]
    helpful, _ = _collect_labels(labels, HELPFUL)
    position, length = _measure_biases(own, records, helpful)
    return JudgeCheck(
        judge, sorted(labelers), questions, position, length, _warn(judge, by_judge, records)
    )


def _warn(judge: str, ratings: Sequence[Rating], records: Sequence[AnswerRecord]) -> list[str]:
    if not records:
        return [
            "The answers are unknown, so each answer counts as a task, and whether the judge is also the critic is not "
            "checked. Keep the ratings beside records.jsonl."
        ]
    critics = {
        (record.id, critique.id): critique.critic
        for record in records
        for critique in record.critiques
    }
    rated = [critics.get((rating.record, rating.critique)) for rating in ratings]
    num_own = rated.count(judge)
    if num_own:
        return [
            f"The judge {judge!r} is also the critic of {num_own} of the {len(rated)} critiques that it rated. A model "
            "that rates its own critiques is biased: use another judge."
        ]
    return []


def _check_question(
    question: str, verdicts: Verdicts, truth: dict[Key, bool], tasks: dict[str, str]
) -> QuestionCheck:
    shared = [key for key in truth if key in verdicts]
    result = check_judge(
        [verdicts[key] for key in shared],
        [truth[key] for key in shared],
        [_task(key, tasks) for key in shared],
    )
    judged = list(verdicts)
    return QuestionCheck(
        question,
        result,
        len(shared) - result.missing,
        rate(list(verdicts.values()), [_task(key, tasks) for key in judged]),
        _correct(verdicts, truth, tasks),
        rate(list(truth.values()), [_task(key, tasks) for key in truth]),
    )


def _correct(verdicts: Verdicts, truth: dict[Key, bool], tasks: dict[str, str]) -> Estimate:
    """Return the corrected rate; its interval includes the uncertainty of the judge's errors."""
    keys = [key for key, verdict in verdicts.items() if verdict is not None]
    accepted = np.array([bool(verdicts[key]) for key in keys], dtype=bool)
    is_labeled = np.array([key in truth for key in keys], dtype=bool)
    is_true = np.array([truth.get(key, False) for key in keys], dtype=bool)

    def corrected(rows: Rows) -> float:
        drawn = accepted[rows]
        positive = (is_labeled & is_true)[rows]
        negative = (is_labeled & ~is_true)[rows]
        if not positive.any() or not negative.any():
            return float("nan")
        sensitivity = float(drawn[positive].mean())
        specificity = 1 - float(drawn[negative].mean())
        return correct_rate(float(drawn.mean()), sensitivity, specificity)

    estimate = resample(corrected, [_task(key, tasks) for key in keys])
    if estimate.note.startswith("undefined for"):
        labels = is_true[is_labeled]
        has_both = bool(labels.any()) and not bool(labels.all())
        note = NO_BETTER_THAN_CHANCE if has_both else "all labels are equal"
        return undefined(note, len(keys), len(verdicts) - len(keys))
    return estimate


def _measure_biases(
    comparisons: Sequence[Comparison],
    records: Sequence[AnswerRecord],
    helpful: dict[Key, bool],
) -> tuple[Estimate | None, Estimate | None]:
    """Return position bias and length bias; None without comparisons."""
    tasks = {record.id: record.task for record in records}
    lengths = {
        (record.id, critique.id): len(critique.text)
        for record in records
        for critique in record.critiques
    }
    first_preferred: list[float] = []
    position_tasks: list[Hashable] = []
    longer_preferred: list[float] = []
    length_tasks: list[Hashable] = []
    for comparison in comparisons:
        record = comparison.record
        for first, second, preference in compare_pairs(comparison):
            task = tasks.get(record, record)
            first_preferred.append(preference)
            position_tasks.append(task)
            difference = lengths.get((record, first), 0) - lengths.get((record, second), 0)
            label = helpful.get((record, first, ""))
            if difference and label is not None and label == helpful.get((record, second, "")):
                longer_preferred.append(preference if difference > 0 else 1 - preference)
                length_tasks.append(task)
    if not first_preferred:
        return None, None
    length = undefined("no pair of critiques with equal labels and different lengths")
    if longer_preferred:
        length = length_bias(longer_preferred, length_tasks)
    return position_bias(first_preferred, position_tasks), length


def _collect_labels(labels: Sequence[Rating], question: str) -> tuple[dict[Key, bool], set[str]]:
    """Return the labels of the most trusted type of rater, and the raters' names."""
    for rater_type in TRUST:
        rows = [rating for rating in labels if rating.rater_type == rater_type]
        verdicts = _collect(rows, question)
        truth = {key: verdict for key, verdict in verdicts.items() if verdict is not None}
        if truth:
            return truth, {rating.rater for rating in rows}
    return {}, set()


def _collect(ratings: Sequence[Rating], question: str) -> Verdicts:
    """Return the verdict on each critique by most ratings; None for ties and unreadable ratings."""
    votes: dict[Key, int] = {}
    for rating in ratings:
        for key, vote in _read(rating, question):
            votes[key] = votes.get(key, 0) + vote
    return {key: None if vote == 0 else vote > 0 for key, vote in votes.items()}


def _read(rating: Rating, question: str) -> list[tuple[Key, int]]:
    """Return +1 for yes and -1 for no, per bug for bug inclusion; 0 for an unreadable rating."""
    key = (rating.record, rating.critique, "")
    if question == HELPFUL:
        if rating.is_helpful is not None:
            return [(key, 1 if rating.is_helpful else -1)]
        return [(key, 0)] if rating.error is not None else []
    if rating.form is None:
        return []
    if question == BUG_INCLUSION:
        scores = {(*key[:2], bug): score for bug, score in rating.form.bug_inclusion.items()}
    else:
        score = getattr(rating.form, question)
        scores = {} if score is None else {key: score}
    return [(place, 1 if score >= THRESHOLDS[0] else -1) for place, score in scores.items()]


def _task(key: Key, tasks: dict[str, str]) -> str:
    return tasks.get(key[0], key[0])
