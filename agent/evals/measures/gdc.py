"""Measure generator, discriminator and critique abilities, and their gaps (paper 1, section on GDC gaps).

- G: quality of one sampled answer.
- D: quality of the answer chosen from two by the critiqueability score.
- C: quality of the answer chosen from two by whether its critique is judged valid.
- oracle: quality of the better of two answers.

All pairs of a task's answers are used. GD = D - G asks whether a model knows that its answer is poor, GC = C - G
whether it can point out why, and CD = D - C what it knows but does not point out.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from selfcritic.agent.evals.measures.intervals import Estimate, Rows, mean, resample

ABILITIES = ("G", "D", "C", "oracle")
Key = tuple[float, ...]
"""Sort key; the answer with the lower key is chosen."""
GAPS = {"GD": ("D", "G"), "GC": ("C", "G"), "CD": ("D", "C")}


@dataclass(frozen=True)
class GDCSample:
    """One sampled answer to a task."""

    quality: float
    """The truth, such as 1.0 for a correct answer."""
    p_critiqueable: float
    has_valid_critique: bool
    """Whether the model's critique of the answer is judged valid and helpful."""
    severity: float = 0.0
    """Severity of the valid critique; decides if both or neither critique is valid."""


@dataclass(frozen=True)
class GDCResult:
    """Abilities and gaps, absolute and as a share of what the oracle gains."""

    abilities: dict[str, Estimate]
    gaps: dict[str, Estimate]
    normalized: dict[str, Estimate]
    """D, C and the gaps divided by (oracle - G)."""
    missing: int
    """Tasks with fewer than two answers."""


def measure_gdc(tasks: dict[Hashable, Sequence[GDCSample]]) -> GDCResult:
    """Measure all abilities and gaps; intervals resample tasks.

    Args:
        tasks: The sampled answers of each task; tasks with fewer than two are left out.
    """
    names = [task for task, samples in tasks.items() if len(samples) >= 2]
    values: dict[str, list[float]] = {ability: [] for ability in ABILITIES}
    for name in names:
        for ability, value in task_abilities(tasks[name]).items():
            values[ability].append(value)
    abilities = {ability: mean(values[ability], names) for ability in ABILITIES}
    gaps = {}
    for gap, (upper, lower) in GAPS.items():
        differences = np.subtract(values[upper], values[lower]).tolist()
        gaps[gap] = mean(differences, names)
    normalized = {name: _normalize(values, name, names) for name in ("D", "C", *GAPS)}
    return GDCResult(abilities, gaps, normalized, len(tasks) - len(names))


def task_abilities(samples: Sequence[GDCSample]) -> dict[str, float]:
    """Return each ability's mean quality over all pairs of answers."""
    totals = dict.fromkeys(ABILITIES, 0.0)
    pairs = list(combinations(samples, 2))
    for first, second in pairs:
        totals["G"] += (first.quality + second.quality) / 2
        totals["D"] += _choose(first, second, (first.p_critiqueable,), (second.p_critiqueable,))
        totals["C"] += _choose(first, second, _criticized(first), _criticized(second))
        totals["oracle"] += max(first.quality, second.quality)
    return {ability: total / len(pairs) for ability, total in totals.items()}


def _criticized(sample: GDCSample) -> Key:
    """Order answers by how much their critique counts against them."""
    if not sample.has_valid_critique:
        return (0.0, 0.0)
    return (1.0, sample.severity)


def _choose(first: GDCSample, second: GDCSample, first_key: Key, second_key: Key) -> float:
    """Return the quality of the answer with the lower key; the mean of both if they are equal."""
    if first_key < second_key:
        return first.quality
    if first_key > second_key:
        return second.quality
    return (first.quality + second.quality) / 2


def _normalize(values: dict[str, list[float]], name: str, tasks: Sequence[Hashable]) -> Estimate:
    """Return an ability or a gap as a share of what the oracle gains over G."""
    arrays = {ability: np.array(numbers) for ability, numbers in values.items()}
    upper, lower = GAPS.get(name, (name, "G"))

    def share(rows: Rows) -> float:
        available = float((arrays["oracle"][rows] - arrays["G"][rows]).sum())
        if available == 0:
            return float("nan")
        return float((arrays[upper][rows] - arrays[lower][rows]).sum()) / available

    return resample(share, tasks)
