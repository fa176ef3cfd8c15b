"""Measure critiques on CriticGPT's form (paper 2, table 2), and the agreement of its raters."""

from collections.abc import Sequence
from dataclasses import replace

from selfcritic.agent.data.records import Rating
from selfcritic.agent.evals.dataset import Dataset, RatedCritique
from selfcritic.agent.evals.measurement import Item, Label, Measurement, attach_items
from selfcritic.agent.evals.measures.agreement import Level, measure_agreement
from selfcritic.agent.evals.measures.forms import (
    QUESTIONS,
    THRESHOLDS,
    RatedForm,
    bug_inclusion,
    is_spurious,
    mean_score,
    share_with_spurious_claim,
    share_yes,
)
from selfcritic.agent.evals.sections.costs import measure_costs

SECTION = "Critique form"
COSTS = "Costs"
CAUGHT_BUG = "caught bug"
AGREEMENT = "Agreement of raters (Krippendorff's alpha)"
_HIGHER_IS_BETTER = {
    "comprehensiveness": True,
    "nitpick": False,
    "hallucinated_problem": False,
    "conciseness": True,
    "overall": True,
}
_YES_THRESHOLD = THRESHOLDS[0]
SELECTED_SUFFIX = " (selected)"


def measure_forms(data: Dataset) -> list[Measurement]:
    """Return bug inclusion, and the share of yes and mean score of each question."""
    if not data.has_forms:
        return []
    measurements = []
    for origin in data.origins:
        for critic in data.critics:
            rows = [row for _, pool in data.pools(origin, critic) for row in pool]
            measurements += _measure_rows(Label(SECTION, "", origin, critic), rows)
            selected = [row for row in rows if row.critique.selected]
            if selected and len(selected) < len(rows):
                label = Label(SECTION, "", origin, critic + SELECTED_SUFFIX)
                measurements += _measure_rows(label, selected)
    return measurements


def _measure_rows(label: Label, rows: Sequence[RatedCritique]) -> list[Measurement]:
    if all(row.form is None for row in rows):
        return []
    forms = [RatedForm(row.record.task, row.form) for row in rows]
    measurements = []
    for threshold in THRESHOLDS:
        items = _bug_items(rows, threshold)
        if any(item.value is not None for item in items):
            shown = replace(label, name=f"bug inclusion >= {threshold}")
            estimate = bug_inclusion(forms, threshold)
            measurement = Measurement(shown, estimate, is_higher_better=True)
            measurements.append(attach_items(measurement, items))
    for question in QUESTIONS:
        measurements += _measure_question(label, rows, forms, question)
    spurious = [is_spurious(form.form) for form in forms]
    if any(hit is not None for hit in spurious):
        shown = replace(label, name=f"nitpick or hallucination >= {_YES_THRESHOLD}")
        measurement = Measurement(shown, share_with_spurious_claim(forms), is_higher_better=False)
        measurements.append(attach_items(measurement, _items(rows, spurious)))
    return measurements


def _measure_question(
    label: Label, rows: Sequence[RatedCritique], forms: Sequence[RatedForm], question: str
) -> list[Measurement]:
    """Return the share of yes, and the mean score from 1 to 7."""
    scores = [None if row.form is None else getattr(row.form, question) for row in rows]
    if all(score is None for score in scores):
        return []
    is_higher_better = _HIGHER_IS_BETTER[question]
    title = question.replace("_", " ")
    measurements = []
    if question != "overall":  # relative to other critiques, without a yes
        yes = [None if score is None else score >= _YES_THRESHOLD for score in scores]
        shown = replace(label, name=f"{title} >= {_YES_THRESHOLD}")
        estimate = share_yes(forms, question)
        measurement = Measurement(shown, estimate, is_higher_better=is_higher_better)
        measurements.append(attach_items(measurement, _items(rows, yes)))
    shown = replace(label, name=f"{title}, mean score")
    estimate = mean_score(forms, question)
    measurement = Measurement(shown, estimate, "score", is_higher_better=is_higher_better)
    measurements.append(attach_items(measurement, _items(rows, scores)))
    return measurements


def measure_caught_bug_costs(data: Dataset) -> list[Measurement]:
    """Return calls, tokens, dollars and seconds per bug that a critique points out."""
    measurements = []
    for origin in data.origins:
        for critic in data.critics:
            rows = [row for _, pool in data.pools(origin, critic) for row in pool]
            rated = [row for row in rows if row.form is not None and row.form.bug_inclusion]
            if rated:
                label = Label(COSTS, "", origin, critic)
                samples = [row.critique for row in rated]
                tasks = [row.record.task for row in rated]
                caught = _count_caught_bugs(rated)
                measurements += measure_costs(label, samples, caught, tasks, CAUGHT_BUG)
    return measurements


def measure_raters(data: Dataset) -> list[Measurement]:
    """Return the agreement on each question, over critiques that several raters rated."""
    if len({rating.rater for rating in data.ratings}) < 2:
        return []
    measurements = []
    for origin in data.origins:
        by_question = _scores_by_question(data, origin)
        for question, units in by_question.items():
            shared = {key: scores for key, scores in units.items() if len(scores) > 1}
            if shared:
                tasks = [_task(data, key[0]) for key in shared]
                level: Level = "nominal" if question == "helpful" else "ordinal"
                estimate = measure_agreement(list(shared.values()), tasks, level)
                name = question.replace("_", " ")
                label = Label(AGREEMENT, name, origin)
                measurements.append(Measurement(label, estimate, "number"))
    return measurements


def _scores_by_question(
    data: Dataset, origin: str
) -> dict[str, dict[tuple[str, str, str], list[float]]]:
    """Return all raters' scores of each critique (of each bug, for bug inclusion)."""
    scores: dict[str, dict[tuple[str, str, str], list[float]]] = {}
    for rating in data.ratings:
        record = data.find_record(rating.record)
        if record is None or record.origin != origin or data.find(rating) is None:
            continue
        for question, bug, score in _answers(rating):
            key = (rating.record, rating.critique, bug)
            scores.setdefault(question, {}).setdefault(key, []).append(score)
    return scores


def _answers(rating: Rating) -> list[tuple[str, str, float]]:
    """Return question, bug and score of each answered question."""
    answers: list[tuple[str, str, float]] = []
    if rating.is_helpful is not None:
        answers.append(("helpful", "", float(rating.is_helpful)))
    if rating.form is None:
        return answers
    for bug, score in rating.form.bug_inclusion.items():
        answers.append(("bug inclusion", bug, float(score)))
    for question in QUESTIONS:
        value = getattr(rating.form, question)
        if value is not None:
            answers.append((question, "", float(value)))
    return answers


def _task(data: Dataset, name: str) -> str:
    record = data.find_record(name)
    return "" if record is None else record.task


def _bug_items(rows: Sequence[RatedCritique], threshold: int) -> list[Item]:
    """Return whether each bug is pointed out; an unrated critique of known bugs is missing."""
    items = []
    for row in rows:
        if row.form is None:
            if row.record.bugs:
                items.append(Item(row.record.id, row.record.task, None))
            continue
        for bug, score in row.form.bug_inclusion.items():
            name = f"{row.record.id}/{bug}"
            items.append(Item(name, row.record.task, float(score >= threshold)))
    return items


def _count_caught_bugs(rows: Sequence[RatedCritique]) -> list[float]:
    caught = []
    for row in rows:
        scores = row.form.bug_inclusion.values() if row.form else []
        caught.append(float(sum(score >= _YES_THRESHOLD for score in scores)))
    return caught


def _items(rows: Sequence[RatedCritique], values: Sequence[float | None]) -> list[Item]:
    items = []
    for row, value in zip(rows, values, strict=True):
        number = None if value is None else float(value)
        items.append(Item(row.record.id, row.record.task, number))
    return items
