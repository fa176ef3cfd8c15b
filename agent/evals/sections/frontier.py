"""Draw the frontier of comprehensive against spurious critiques (paper 2, figures 8 and 9).

Length modifiers are chosen on development tasks, and the points are measured on test tasks.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcritic.agent.critic.selection import calibrate, is_eligible
from selfcritic.agent.evals.dataset import Dataset, RatedCritique
from selfcritic.agent.evals.measurement import Item, Label, Measurement, attach_items
from selfcritic.agent.evals.measures.forms import THRESHOLDS, is_spurious
from selfcritic.agent.evals.measures.frontier import RatedSample, measure_frontier, select_sample
from selfcritic.agent.evals.measures.intervals import CONFIDENCE, RESAMPLES

SECTION = "Frontier"
PERCENTILES = (10, 25, 50, 75)
"""Percentiles of the sampled critiques' lengths for which paper 2 sets its modifiers."""
_CURVE_PERCENTILES = tuple(range(5, 100, 5))
_GRID = 41


@dataclass(frozen=True)
class FrontierCurve:
    """The frontier of one critic on test tasks."""

    group: str
    critic: str
    spurious: list[float]
    """Rate of critiques with a nitpick or hallucinated problem at each modifier."""
    comprehensive: list[float]
    grid: list[float]
    """Spurious rates at which the band is known."""
    low: list[float]
    high: list[float]


def measure_frontiers(data: Dataset) -> list[Measurement]:
    """Return both rates of each critic with a pool, at four length modifiers.

    Answers without the splits dev and test have no frontier.
    """
    measurements = []
    for origin in data.flawed_origins:
        for critic in data.critics:
            dev, test = _split_pools(data, origin, critic)
            if dev and test and _has_pool(dev + test):
                label = Label(SECTION, "", origin, critic)
                measurements += _measure_points(label, dev, test)
    return measurements


def draw_frontiers(data: Dataset) -> list[FrontierCurve]:
    """Return the frontier of each critic with a band over test tasks."""
    curves = []
    for origin in data.flawed_origins:
        for critic in data.critics:
            dev, test = _split_pools(data, origin, critic)
            if dev and test and _has_pool(dev + test):
                modifiers = _choose_modifiers(dev, _CURVE_PERCENTILES)
                curve = _draw(origin, critic, test, sorted(set(modifiers)))
                if curve is not None:
                    curves.append(curve)
    return curves


def _measure_points(
    label: Label, dev: Sequence[list[RatedCritique]], test: Sequence[list[RatedCritique]]
) -> list[Measurement]:
    modifiers = _choose_modifiers(dev, PERCENTILES)
    samples = _to_samples(test)
    pools: dict[Hashable, list[RatedSample]] = dict(samples.items())
    measurements = []
    points = measure_frontier(pools, modifiers)
    for percentile, point in zip(PERCENTILES, points, strict=True):
        comprehensive: list[Item] = []
        spurious: list[Item] = []
        for (task, record), pool in samples.items():
            sample = select_sample(pool, point.length_modifier)
            if sample is not None:
                comprehensive.append(_item(record, task, sample.is_comprehensive))
                spurious.append(_item(record, task, sample.is_spurious))
        place = f"{percentile}th percentile"
        shown = replace(label, name=f"comprehensive, {place}")
        recall = Measurement(shown, point.comprehensive, n=percentile, is_higher_better=True)
        shown = replace(label, name=f"nitpick or hallucination, {place}")
        claims = Measurement(shown, point.spurious, n=percentile, is_higher_better=False)
        shown = replace(label, name=f"comments, {place}")
        measurements += [
            attach_items(recall, comprehensive),
            attach_items(claims, spurious),
            Measurement(shown, point.highlights, "number", percentile),
        ]
    return measurements


def _item(record: str, task: str, hit: bool | None) -> Item:
    return Item(record, task, None if hit is None else float(hit))


def _split_pools(
    data: Dataset, origin: str, critic: str
) -> tuple[list[list[RatedCritique]], list[list[RatedCritique]]]:
    """Return the eligible critiques of development and of test tasks; without a split, as test."""
    dev: list[list[RatedCritique]] = []
    test: list[list[RatedCritique]] = []
    for record, pool in data.pools(origin, critic):
        eligible = [row for row in pool if is_eligible(row.critique) and row.score is not None]
        if record.split == "dev":
            dev.append(eligible)
        elif record.split != "train":
            test.append(eligible)
    return dev, test


def _has_pool(pools: Sequence[Sequence[RatedCritique]]) -> bool:
    """Whether an answer has several critiques, and any critique is rated on both axes."""
    for pool in pools:
        for row in pool:
            is_rated = row.form is not None and row.form.comprehensiveness is not None
            if is_rated and is_spurious(row.form) is not None:
                return any(len(other) > 1 for other in pools)
    return False


def _choose_modifiers(
    dev: Sequence[Sequence[RatedCritique]], percentiles: Sequence[int]
) -> list[float]:
    pools = [[row.critique for row in pool] for pool in dev]
    if not any(pools):
        return [0.0] * len(percentiles)
    return [calibrate(pools, percentile) for percentile in percentiles]


def _to_samples(
    pools: Sequence[Sequence[RatedCritique]],
) -> dict[tuple[str, str], list[RatedSample]]:
    """Return the samples of each answer that has any; the key is its task and id."""
    samples: dict[tuple[str, str], list[RatedSample]] = {}
    for pool in pools:
        for row in pool:
            key = (row.record.task, row.record.id)
            samples.setdefault(key, []).append(_to_sample(row))
    return samples


def _to_sample(row: RatedCritique) -> RatedSample:
    is_comprehensive = None
    if row.form is not None and row.form.comprehensiveness is not None:
        is_comprehensive = row.form.comprehensiveness >= THRESHOLDS[0]
    return RatedSample(
        reward=row.score or 0.0,
        num_highlights=len(row.critique.comments),
        is_comprehensive=is_comprehensive,
        is_spurious=is_spurious(row.form),
    )


def _draw(
    group: str, critic: str, test: Sequence[list[RatedCritique]], modifiers: Sequence[float]
) -> FrontierCurve | None:
    """Return the curve, and the band of its height at each spurious rate."""
    pools = _to_samples(test)
    rows: dict[Hashable, list[list[tuple[float, float]]]] = {}
    for (task, _), pool in pools.items():
        chosen = [select_sample(pool, modifier) for modifier in modifiers]
        values = [
            (float(sample.is_spurious), float(sample.is_comprehensive))
            for sample in chosen
            if sample and sample.is_spurious is not None and sample.is_comprehensive is not None
        ]
        if len(values) == len(modifiers):
            rows.setdefault(task, []).append(values)
    if not rows:
        return None
    sums = np.array([np.sum(values, axis=0) for values in rows.values()])
    counts = np.array([float(len(values)) for values in rows.values()])
    points = sums.sum(axis=0) / counts.sum()
    distinct = sorted({(float(x), float(y)) for x, y in points})
    grid = np.linspace(points[:, 0].min(), points[:, 0].max(), _GRID)
    rng = np.random.default_rng(0)
    heights = np.empty((RESAMPLES, len(grid)))
    for number in range(RESAMPLES):
        drawn = rng.integers(len(counts), size=len(counts))
        means = sums[drawn].sum(axis=0) / counts[drawn].sum()
        by_rate = np.argsort(means[:, 0], kind="stable")
        heights[number] = np.interp(grid, means[by_rate, 0], means[by_rate, 1])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(heights, [tail, 1 - tail], axis=0)
    return FrontierCurve(
        group,
        critic,
        [spurious for spurious, _ in distinct],
        [comprehensive for _, comprehensive in distinct],
        grid.tolist(),
        low.tolist(),
        high.tolist(),
    )
