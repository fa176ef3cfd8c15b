"""Measure AUC, Brier score and calibration of probabilities (paper 1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from selfcritic.agent.evals.measurement import (
    Item,
    Label,
    Measurement,
    attach_items,
    finite_or_none,
)
from selfcritic.agent.evals.measures.discrimination import (
    Predictions,
    area_under_curve,
    brier_score,
    calibration_error,
    rank_auc,
    reliability_curve,
)
from selfcritic.agent.evals.measures.intervals import undefined


@dataclass(frozen=True)
class Prediction:
    """The score of one row, and whether the event happened; None where unknown."""

    id: str
    task: str
    score: float | None
    label: bool | None


def measure_discrimination(label: Label, rows: Sequence[Prediction]) -> list[Measurement]:
    """Return AUC, Brier score and calibration error.

    Rows with a label and without a score are missing. Scores that are not probabilities have only an AUC.
    """
    used = usable_rows(rows)
    auc_label = replace(label, name="AUC")
    missing = len([row for row in rows if row.label is not None]) - len(used)
    if not used:
        note = "no row has both a score and a known truth"
        return [Measurement(auc_label, undefined(note, missing=missing))]
    scaled = to_predictions(_scale(used), missing)
    scores = {row.id: row for row in used}
    auc = Measurement(auc_label, area_under_curve(scaled), is_higher_better=True)
    measurements = [
        attach_items(auc, _items(used), lambda ids: _auc([scores[name] for name in ids]))
    ]
    if not are_probabilities(used):
        return measurements
    predictions = to_predictions(used, missing)
    squared = [replace(row, score=_squared_error(row)) for row in used]
    brier = Measurement(
        replace(label, name="Brier score"), brier_score(predictions), "number", None, False
    )
    error = Measurement(
        replace(label, name="calibration error (ECE)"),
        calibration_error(predictions),
        "number",
        None,
        False,
    )
    return [*measurements, attach_items(brier, _items(squared)), error]


def measure_reliability(rows: Sequence[Prediction]) -> list[tuple[float, float]]:
    """Return the reliability curve: mean probability and share of true labels of each bin."""
    used = usable_rows(rows)
    if not used or not are_probabilities(used):
        return []
    return reliability_curve(to_predictions(used))


def usable_rows(rows: Sequence[Prediction]) -> list[Prediction]:
    """Return the rows with a score and a label."""
    return [row for row in rows if row.label is not None and finite_or_none(row.score) is not None]


def are_probabilities(rows: Sequence[Prediction]) -> bool:
    """Whether all scores are from 0 to 1."""
    return all(row.score is not None and 0 <= row.score <= 1 for row in rows)


def to_predictions(rows: Sequence[Prediction], missing: int = 0) -> Predictions:
    """Convert usable rows."""
    return Predictions(
        [float(row.score or 0.0) for row in rows],
        [bool(row.label) for row in rows],
        [row.task for row in rows],
        missing,
    )


def _scale(rows: Sequence[Prediction]) -> list[Prediction]:
    """Return ranks from 0 to 1 in place of scores: the AUC depends on their order only."""
    ranks = stats.rankdata([row.score for row in rows], method="dense") / len(rows)
    return [replace(row, score=float(rank)) for row, rank in zip(rows, ranks, strict=True)]


def _items(rows: Sequence[Prediction]) -> list[Item]:
    return [Item(row.id, row.task, row.score) for row in rows]


def _squared_error(row: Prediction) -> float:
    return (float(row.score or 0.0) - float(bool(row.label))) ** 2


def _auc(rows: Sequence[Prediction]) -> float:
    labels = np.array([bool(row.label) for row in rows])
    scores = np.array([float(row.score or 0.0) for row in rows])
    return rank_auc(labels, scores)
