"""Measure generator, discriminator and critique abilities and their gaps (paper 1)."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.evals.dataset import Dataset, RatedCritique, quality_of
from selfcritic.agent.evals.epochs import drop_repeated_answers
from selfcritic.agent.evals.measurement import (
    Item,
    Label,
    Measurement,
    Unit,
    attach_items,
    finite_or_none,
)
from selfcritic.agent.evals.measures.gdc import (
    GAPS,
    GDCResult,
    GDCSample,
    measure_gdc,
    task_abilities,
)
from selfcritic.agent.schemas import SEVERITIES

SECTION = "Generator, discriminator, critique (GDC)"
ABILITY_NAMES = {
    "G": "G: one answer",
    "D": "D: choice by P(critiqueable)",
    "C": "C: choice by valid critique",
    "oracle": "oracle: the better answer",
}
GAP_NAMES = {
    "GD": "gap GD = D - G",
    "GC": "gap GC = C - G",
    "CD": "gap CD = D - C",
}
NORMALIZED = ", of oracle - G"


def measure_gaps(data: Dataset) -> list[Measurement]:
    """Return abilities and gaps of each critic, over all pairs of answers to the same task."""
    measurements = []
    for origin in data.flawed_origins:
        for critic in data.critics:
            records = drop_repeated_answers(data.of_origin(origin))
            tasks = _samples(records, data, critic)
            if any(len(samples) > 1 for samples in tasks.values()):
                label = Label(SECTION, "", origin, critic)
                measurements += _measure(label, tasks)
    return measurements


def _samples(
    records: Sequence[AnswerRecord], data: Dataset, critic: str
) -> dict[Hashable, list[GDCSample]]:
    """Return the answers of each task that have a truth, a score and a rated critique."""
    tasks: dict[Hashable, list[GDCSample]] = {}
    for record in records:
        best = _best_critique(data.pool(record, critic))
        quality = quality_of(record)
        score = finite_or_none(record.p_critiqueable)
        if best is None or quality is None or score is None:
            continue
        is_valid = best.is_helpful is True
        sample = GDCSample(quality, score, is_valid, _severity(best) if is_valid else 0.0)
        tasks.setdefault(record.task, []).append(sample)
    return tasks


def _best_critique(pool: Sequence[RatedCritique]) -> RatedCritique | None:
    """Return the rated critique with the highest score, the first of ties."""
    rated = [row for row in pool if row.is_helpful is not None]
    if not rated:
        return None
    return max(rated, key=lambda row: float("-inf") if row.score is None else row.score)


def _severity(row: RatedCritique) -> float:
    """Return the highest severity of the comments: 0 if unknown, 3 for high."""
    levels = [
        SEVERITIES.index(comment.severity) + 1
        for comment in row.critique.comments
        if comment.severity is not None
    ]
    return float(max(levels, default=0))


def _measure(label: Label, tasks: dict[Hashable, list[GDCSample]]) -> list[Measurement]:
    result: GDCResult = measure_gdc(dict(tasks))
    values = {
        str(task): task_abilities(samples) for task, samples in tasks.items() if len(samples) > 1
    }
    qualities = [sample.quality for samples in tasks.values() for sample in samples]
    is_share = all(0 <= quality <= 1 for quality in qualities)
    unit: Unit = "share" if is_share else "number"
    measurements = []
    for ability, name in ABILITY_NAMES.items():
        estimate = replace(result.abilities[ability], missing=result.missing)
        items = [Item(task, task, numbers[ability]) for task, numbers in values.items()]
        measurement = Measurement(
            replace(label, name=name), estimate, unit, is_higher_better=ability != "oracle" or None
        )
        measurements.append(attach_items(measurement, items))
    for gap, name in GAP_NAMES.items():
        upper, lower = GAPS[gap]
        items = [
            Item(task, task, numbers[upper] - numbers[lower]) for task, numbers in values.items()
        ]
        measurement = Measurement(replace(label, name=name), result.gaps[gap], "difference")
        measurements.append(attach_items(measurement, items))
        normalized = result.normalized[gap]
        if not normalized.note.startswith("undefined"):
            shown = replace(label, name=f"gap {gap}{NORMALIZED}")
            measurements.append(Measurement(shown, normalized, "difference"))
    return measurements
