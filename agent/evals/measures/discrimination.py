"""Measure how well a probability separates flawed answers, or unhelpful critiques, from others.

Critiqueability discriminates answers, and helpfulness discriminates critiques (paper 1, sections on discriminators).
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn import calibration, metrics

from selfcritic.agent.evals.measures.analytic import estimate_auc, estimate_skewed_mean
from selfcritic.agent.evals.measures.intervals import (
    Estimate,
    WeightedStatistic,
    Weights,
    divide,
    mean,
    resample_weighted,
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
    auc = weighted_auc(probabilities, labels)
    estimate = estimate_auc(auc, labels, predictions.tasks, predictions.missing)
    return replace(estimate, value=float(metrics.roc_auc_score(labels, probabilities)))


def weighted_auc(
    probabilities: NDArray[np.float64], labels: NDArray[np.bool_]
) -> WeightedStatistic:
    """Return a function from the weights of the rows to the ROC AUC."""
    order = np.argsort(probabilities)
    is_positive = labels[order]
    _, starts = np.unique(probabilities[order], return_index=True)

    def auc(weights: Weights) -> NDArray[np.float64]:
        ranked = weights[:, order]
        positives = np.add.reduceat(ranked * is_positive, starts, axis=1)
        negatives = np.add.reduceat(ranked * ~is_positive, starts, axis=1)
        below = np.cumsum(negatives, axis=1) - negatives / 2
        num_pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        return divide((positives * below).sum(axis=1), num_pairs)

    return auc


def rank_auc(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Return the ROC AUC of one sample; NaN if all labels are equal.

    Uses `weighted_auc`, without scikit-learn's slow checks.
    """
    if len(set(labels.tolist())) < 2:
        return math.nan
    return float(weighted_auc(scores, labels)(np.ones((1, len(labels))))[0])


def brier_score(predictions: Predictions) -> Estimate:
    """Return the mean squared error of the probabilities; 0 is best."""
    errors = []
    for probability, label in zip(predictions.probabilities, predictions.labels, strict=True):
        errors.append((probability - label) ** 2)
    return estimate_skewed_mean(errors, predictions.tasks, predictions.missing)


def calibration_error(predictions: Predictions, bins: int = NUM_BINS) -> Estimate:
    """Return the expected calibration error over bins of equal width; 0 is best.

    The value is biased upwards for few rows, as the error of each bin is never negative. The interval is corrected for
    this bias.
    """
    labels = np.array(predictions.labels, dtype=float)
    probabilities = np.array(predictions.probabilities, dtype=float)
    if not len(labels):
        return undefined("no rows with a value", missing=predictions.missing)
    places = np.minimum((probabilities * bins).astype(int), bins - 1)

    is_in_bin = np.eye(bins)[places]
    excess = is_in_bin * (probabilities - labels)[:, None]

    def error(weights: Weights) -> NDArray[np.float64]:
        return divide(np.abs(weights @ excess).sum(axis=1), weights.sum(axis=1))

    estimate = resample_weighted(
        error, predictions.tasks, missing=predictions.missing, is_biased=True
    )
    low, high = np.clip([estimate.low, estimate.high], 0.0, 1.0)  # keeps NaN, unlike max and min
    return replace(estimate, low=float(low), high=float(high))


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
