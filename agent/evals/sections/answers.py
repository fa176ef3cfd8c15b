"""Measure answers, and how well P(critiqueable) separates flawed from sound ones (paper 1)."""

from collections.abc import Sequence

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.evals.dataset import Dataset, is_flawed, quality_of
from selfcritic.agent.evals.epochs import drop_repeated_answers
from selfcritic.agent.evals.measurement import (
    Item,
    Label,
    Measurement,
    finite_or_none,
    measure_items,
)
from selfcritic.agent.evals.measures.pools import Pool
from selfcritic.agent.evals.sections.curves import measure_curve
from selfcritic.agent.evals.sections.discrimination import Prediction, measure_discrimination

SECTION = "Answers"
DISCRIMINATOR = "Discriminator: P(critiqueable)"
BEST_ANSWERS = "Best-of-N answers"


def measure_errors(data: Dataset) -> list[Measurement]:
    """Return the share of records without a result and of unreadable ratings."""
    measurements = []
    for origin in data.origins:
        records = [record for record in data.all_records if record.origin == origin]
        if any(record.error is not None for record in records):
            items = [
                Item(record.id, record.task, float(record.error is not None)) for record in records
            ]
            label = Label("Rows without a result", "records with an error", origin)
            measurements.append(measure_items(label, items, is_higher_better=False))
        measurements += _measure_rating_errors(data, origin)
    return measurements


def _measure_rating_errors(data: Dataset, origin: str) -> list[Measurement]:
    items: dict[str, list[Item]] = {}
    for rating in data.ratings:
        record = data.find_record(rating.record)
        if record is not None and record.origin == origin:
            item = Item(
                f"{rating.record}/{rating.critique}",
                record.task,
                float(rating.error is not None),
            )
            items.setdefault(rating.rater, []).append(item)
    measurements = []
    for rater, rows in sorted(items.items()):
        if any(row.value for row in rows):
            label = Label("Rows without a result", "unreadable ratings", origin, rater)
            measurements.append(measure_items(label, rows, is_higher_better=False))
    return measurements


def measure_answers(data: Dataset) -> list[Measurement]:
    """Return the critiqueability rate of each origin (paper 1: answers with a valid flaw)."""
    measurements = []
    for origin in data.origins:
        records = data.of_origin(origin)
        flaws = [is_flawed(record) for record in records]
        if any(flaw is not None for flaw in flaws):
            items = _items(records, flaws)
            label = Label(SECTION, "critiqueability rate", origin)
            measurements.append(measure_items(label, items))
        graded = [record.quality for record in records if record.quality is not None]
        if graded:
            qualities = [finite_or_none(record.quality) for record in records]
            label = Label(SECTION, "mean quality", origin)
            measurements.append(
                measure_items(
                    label, _items(records, qualities), unit="number", is_higher_better=True
                )
            )
    return measurements


def measure_discriminator(data: Dataset) -> list[Measurement]:
    """Return AUC, Brier score and calibration error of P(critiqueable)."""
    measurements = []
    for group, predictions in discriminator_predictions(data).items():
        label = Label(DISCRIMINATOR, "", group)
        measurements += measure_discrimination(label, predictions)
    return measurements


def discriminator_predictions(data: Dataset) -> dict[str, list[Prediction]]:
    """Return the predictions of each group; an origin of one class is set against clean answers."""
    groups: dict[str, list[Prediction]] = {}
    clean = data.of_origin("clean")
    for origin in data.origins:
        records = data.of_origin(origin)
        labels = {is_flawed(record) for record in records} - {None}
        group: str = origin
        if origin == "clean" and len(data.origins) > 1:
            continue
        if labels == {True} and clean:
            records = [*records, *clean]
            group = f"{origin}/clean"
        if any(record.p_critiqueable is not None for record in records):
            groups[group] = [
                Prediction(record.id, record.task, record.p_critiqueable, is_flawed(record))
                for record in records
            ]
    return groups


def measure_best_answers(data: Dataset) -> list[Measurement]:
    """Return the quality of the least critiqueable of N answers to a task (paper 1)."""
    measurements = []
    for origin in data.origins:
        by_task: dict[str, list[tuple[float, float]]] = {}
        for record in drop_repeated_answers(data.of_origin(origin)):
            score = finite_or_none(record.p_critiqueable)
            quality = quality_of(record)
            if score is not None and quality is not None:
                by_task.setdefault(record.task, []).append((-score, quality))
        if max((len(samples) for samples in by_task.values()), default=0) > 1:
            label = Label(BEST_ANSWERS, "best of {n}", origin)
            pools = [(task, _pool(task, samples)) for task, samples in by_task.items()]
            measurements += measure_curve(label, pools)
    return measurements


def _pool(task: str, samples: Sequence[tuple[float, float]]) -> Pool:
    scores = [score for score, _ in samples]
    outcomes = [outcome for _, outcome in samples]
    return Pool(task, scores, outcomes)


def _items(records: Sequence[AnswerRecord], values: Sequence[float | bool | None]) -> list[Item]:
    items = []
    for record, value in zip(records, values, strict=True):
        items.append(Item(record.id, record.task, None if value is None else float(value)))
    return items
