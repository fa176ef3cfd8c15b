"""Measure how far annotators agree on each question of the form, while they work."""

import math
from collections.abc import Hashable, Sequence
from typing import Any

from selfcritic.agent.data.records import RatingForm
from selfcritic.agent.evals.measures import agreement
from selfcritic.agent.evals.measures.forms import QUESTIONS
from selfcritic.graphs.desk.events import compute_state
from selfcritic.graphs.desk.session import Desk

_Key = tuple[str, str, str]
"""Screen, record and critique."""


def measure_agreement(desk: Desk) -> list[dict[str, Any]]:
    """Return Krippendorff's alpha (ordinal) of each question.

    Each entry has the question, the number of critiques (or bugs) that two annotators scored, alpha, and its interval;
    alpha is None where it is undefined, and `note` gives the reason.
    """
    forms = _collect_forms(desk)
    bug_scores: list[list[float]] = []
    bug_tasks: list[str] = []
    for (_, record, _), scored in forms.items():
        for bug in sorted({bug for form in scored for bug in form.bug_inclusion}):
            scores = [form.bug_inclusion[bug] for form in scored if bug in form.bug_inclusion]
            bug_scores.append([float(score) for score in scores])
            bug_tasks.append(desk.records[record].task)
    rows = [_measure("bug_inclusion", bug_scores, bug_tasks)]
    for question in QUESTIONS:
        units = [_read_scores(scored, question) for scored in forms.values()]
        tasks = [desk.records[record].task for _, record, _ in forms]
        rows.append(_measure(question, units, tasks))
    return rows


def _collect_forms(desk: Desk) -> dict[_Key, list[RatingForm]]:
    """Return the submitted forms of each critique; a person's forms are in one screen only."""
    forms: dict[_Key, list[RatingForm]] = {}
    for assignment in desk.database.list_assignments():
        if assignment.screen == "review" or assignment.status != "submitted":
            continue
        state = compute_state(desk.work_of(assignment), desk.events_of(assignment))
        for critique, form in zip(assignment.critiques, state.forms.values(), strict=True):
            key = (assignment.screen, assignment.record, critique)
            forms.setdefault(key, []).append(form)
    return forms


def _read_scores(forms: Sequence[RatingForm], question: str) -> list[float]:
    scores = [getattr(form, question) for form in forms]
    return [float(score) for score in scores if score is not None]


def _measure(
    question: str, units: Sequence[Sequence[float]], tasks: Sequence[Hashable]
) -> dict[str, Any]:
    estimate = agreement.measure_agreement(units, tasks, "ordinal")
    return {
        "question": question,
        "count": sum(len(scores) > 1 for scores in units),
        "alpha": _finite_or_none(estimate.value),
        "low": _finite_or_none(estimate.low),
        "high": _finite_or_none(estimate.high),
        "note": estimate.note,
    }


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
