"""Measure code reviews: recall and precision on flawed answers, false alarms on clean ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from selfcritic.agent.critic.location import locate
from selfcritic.agent.critic.selection import rank
from selfcritic.agent.data.records import AnswerRecord, Bug
from selfcritic.agent.evals.dataset import Dataset, RatedCritique
from selfcritic.agent.evals.measurement import Item, Label, Measurement, attach_items
from selfcritic.agent.evals.measures.reviews import (
    ReviewedItem,
    match_comments,
    measure_reviews,
)
from selfcritic.agent.evals.sections.costs import measure_costs
from selfcritic.agent.evals.sections.forms import CAUGHT_BUG, COSTS

SECTION = "Review: comments matched with known bugs"


@dataclass(frozen=True)
class _Review:
    """A critic's review of one answer."""

    record: AnswerRecord
    row: RatedCritique
    item: ReviewedItem


def measure_review(data: Dataset) -> list[Measurement]:
    """Return recall, precision, severe misses, false alarms and comments per answer.

    The review is the selected critique of a pool, else the one with the highest score. Answers with unknown bugs, or
    with a bug that has no place in the answer, are missing.
    """
    measurements = []
    for origin in data.origins:
        for critic in data.critics:
            reviews, missing = _match_reviews(data, origin, critic)
            if reviews:
                label = Label(SECTION, "", origin, critic)
                measurements += _measure(label, reviews, missing)
    return measurements


def measure_review_costs(data: Dataset) -> list[Measurement]:
    """Return the costs per matched bug, where no form counts the caught bugs."""
    measurements = []
    for origin in data.origins:
        for critic in data.critics:
            reviews, _ = _match_reviews(data, origin, critic)
            if any(review.item.bugs for review in reviews):
                caught = [float(sum(review.item.matched)) for review in reviews]
                samples = [review.row.critique for review in reviews]
                tasks = [review.record.task for review in reviews]
                label = Label(COSTS, "", origin, critic)
                measurements += measure_costs(label, samples, caught, tasks, CAUGHT_BUG)
    return measurements


def _match_reviews(data: Dataset, origin: str, critic: str) -> tuple[list[_Review], int]:
    """Return the reviews of answers with known places of bugs, and how many have none."""
    reviews = []
    missing = 0
    for record, pool in data.pools(origin, critic):
        bugs = _locate_bugs(record)
        if bugs is None:
            missing += 1
            continue
        row = _choose_review(pool)
        comments = row.critique.comments
        matches = match_comments(comments, bugs)
        matched = [match is not None for match in matches]
        item = ReviewedItem(record.task, len(comments), bugs, matched)
        reviews.append(_Review(record, row, item))
    return reviews, missing


def _locate_bugs(record: AnswerRecord) -> list[Bug] | None:
    """Return the bugs with their places; None if the bugs, or the place of one, are unknown."""
    if record.bugs is None:
        return [] if record.origin == "clean" else None
    located = []
    for bug in record.bugs:
        if bug.start is None or bug.end is None:
            span = locate(bug.quote, record.answer) if bug.quote else None
            if span is None:
                return None
            bug = bug.model_copy(update={"start": span.start, "end": span.end})
        located.append(bug)
    return located


def _choose_review(pool: Sequence[RatedCritique]) -> RatedCritique:
    """Return the selected critique, else the one with the highest reward, else the first."""
    for row in pool:
        if row.critique.selected:
            return row
    ranking = rank([row.critique for row in pool], 0.0, allow_ungrounded=True)
    return pool[ranking[0]] if ranking else pool[0]


def _measure(label: Label, reviews: Sequence[_Review], missing: int) -> list[Measurement]:
    result = measure_reviews([review.item for review in reviews])
    found: list[Item] = []
    severe: list[Item] = []
    precision: list[Item] = []
    alarms: list[Item] = []
    counts: list[Item] = []
    for review in reviews:
        item = review.item
        name, task = review.record.id, review.record.task
        counts.append(Item(name, task, float(item.num_comments)))
        if item.is_clean:
            alarms.append(Item(name, task, float(item.num_comments > 0)))
        elif item.num_comments:
            precision.append(Item(name, task, sum(item.matched) / item.num_comments))
        for bug, is_matched in zip(item.bugs, item.matched, strict=True):
            found.append(Item(f"{name}/{bug.id}", task, float(is_matched)))
            if bug.severity == "high":
                severe.append(Item(f"{name}/{bug.id}", task, float(not is_matched)))
    rows = [
        ("recall: bugs found", result.recall, found, True),
        ("precision: comments on a bug", result.precision, precision, True),
        ("severe bugs missed", result.severe_misses, severe, False),
        ("clean answers with a comment", result.false_alarms, alarms, False),
    ]
    measurements = []
    for name, estimate, items, is_higher_better in rows:
        if items:
            shown = replace(estimate, missing=estimate.missing + missing)
            measurement = Measurement(
                replace(label, name=name), shown, is_higher_better=is_higher_better
            )
            measurements.append(attach_items(measurement, items))
    comments = Measurement(replace(label, name="comments per answer"), result.comments, "number")
    return [*measurements, attach_items(comments, counts)]
