"""Measure how well a probability separates flawed answers, or unhelpful critiques, from others.

Critiqueability discriminates answers, and helpfulness discriminates critiques (paper 1, sections on discriminators).
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn import calibration

from selfcritic.agent.evals.measures.intervals import (
    Estimate,
    Rows,
    mean,
    resample,
    undefined,
)

NUM_BINS = 10


@dataclass(frozen=True)
class Predictions:
    """Probabilities and the truth about the same rows."""

    probabilities: Sequence[float]
    labels: Sequence[bool]
    """Whether the event happened, for example whether the answer has a flaw."""
    tasks: Sequence[Hashable]
    missing: int = 0
    """Rows whose probability could not be read."""

    def __post_init__(self) -> None:
        if not len(self.probabilities) == len(self.labels) == len(self.tasks):
            raise ValueError("Pass as many labels and tasks as probabilities.")
        for probability in self.probabilities:
            if not 0 <= probability <= 1:
                raise ValueError(f"{probability} is not a probability. Pass values from 0 to 1.")


def area_under_curve(predictions: Predictions) -> Estimate:
    """Return the ROC AUC; undefined if all labels are equal."""
    labels = np.array(predictions.labels, dtype=bool)
    probabilities = np.array(predictions.probabilities, dtype=float)
    if labels.all() or not labels.any():
        return undefined("all labels are equal", len(labels), predictions.missing)

    def auc(rows: Rows) -> float:
        return rank_auc(labels[rows], probabilities[rows])

    return resample(auc, predictions.tasks, missing=predictions.missing)


def rank_auc(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Return the ROC AUC of one sample from its ranks; NaN if all labels are equal.

    Equals `sklearn.metrics.roc_auc_score`, which takes milliseconds per call to check its input.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        return math.nan
    rank_sum = float(stats.rankdata(scores)[labels].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def brier_score(predictions: Predictions) -> Estimate:
    """Return the mean squared error of the probabilities; 0 is best."""
    errors: list[float | None] = []
    for probability, label in zip(predictions.probabilities, predictions.labels, strict=True):
        errors.append((probability - label) ** 2)
    return _with_missing(errors, predictions)


def calibration_error(predictions: Predictions, bins: int = NUM_BINS) -> Estimate:
    """Return the expected calibration error over bins of equal width; 0 is best.

    The estimate is biased upwards for few rows, as the error of each bin is never negative.
    """
    labels = np.array(predictions.labels, dtype=float)
    probabilities = np.array(predictions.probabilities, dtype=float)
    if not len(labels):
        return undefined("no rows with a value", missing=predictions.missing)
    places = np.minimum((probabilities * bins).astype(int), bins - 1)

    def error(rows: Rows) -> float:
        sums = np.bincount(places[rows], probabilities[rows] - labels[rows], minlength=bins)
        return float(np.abs(sums).sum() / len(rows))

    return resample(error, predictions.tasks, missing=predictions.missing)


def reliability_curve(predictions: Predictions, bins: int = NUM_BINS) -> list[tuple[float, float]]:
    """Return the mean probability and the share of true labels of each bin that has rows."""
    observed, predicted = calibration.calibration_curve(
        predictions.labels, predictions.probabilities, n_bins=bins
    )
    return [(float(x), float(y)) for x, y in zip(predicted, observed, strict=True)]


def accuracy(predictions: Predictions, threshold: float = 0.5) -> Estimate:
    """Return the share of rows on the right side of a threshold."""
    hits: list[float | None] = []
    for probability, label in zip(predictions.probabilities, predictions.labels, strict=True):
        hits.append(float((probability >= threshold) == label))
    return _with_missing(hits, predictions)


def pairwise_accuracy(predictions: Predictions) -> Estimate:
    """Return how often the flawed answer of a pair of the same task has the higher probability.

    Equal probabilities count half. Tasks without both labels have no pair, and are missing.
    """
    by_task: dict[Hashable, tuple[list[float], list[float]]] = {}
    for probability, label, task in zip(
        predictions.probabilities, predictions.labels, predictions.tasks, strict=True
    ):
        by_task.setdefault(task, ([], []))[int(label)].append(probability)
    shares: list[float | None] = []
    for negative, positive in by_task.values():
        shares.append(_share_ordered(negative, positive))
    return mean(shares, list(by_task), is_share=True)


def _share_ordered(negative: Sequence[float], positive: Sequence[float]) -> float | None:
    """Return the share of pairs in which the positive is higher; None without pairs."""
    if not negative or not positive:
        return None
    differences: NDArray[np.float64] = np.subtract.outer(np.array(positive), np.array(negative))
    return float(np.mean((np.sign(differences) + 1) / 2))


def _with_missing(values: list[float | None], predictions: Predictions) -> Estimate:
    """Return the mean, with the rows that could not be read as missing ones."""
    padding: list[float | None] = [None] * predictions.missing
    tasks = [*predictions.tasks, *range(predictions.missing)]
    return mean(values + padding, tasks, is_share=True)
