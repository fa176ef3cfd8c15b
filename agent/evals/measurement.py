"""Define a measurement: an estimate, its labels, and the values that a paired comparison needs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from selfcritic.agent.data.records import Origin
from selfcritic.agent.evals.measures.intervals import Estimate, mean, rate

ORIGINS: tuple[Origin, ...] = ("natural", "inserted", "clean")
Unit = Literal["share", "difference", "score", "number", "usd"]
"""How a value is read: a share is from 0 to 1, a difference from -1 to 1, a score from 1 to 7."""
ItemStatistic = Callable[[Sequence[str]], float]
"""Maps item ids, of which some may be repeated, to a value; NaN if it is undefined for them."""


@dataclass(frozen=True)
class Label:
    """What a measurement is of."""

    section: str
    """Heading of the measurement in a report."""
    name: str
    group: str
    """Origin of the answers: "natural", "inserted", "clean", or flawed answers against clean ones."""
    critic: str = ""
    """Critic, refinement arm or rater; empty for a measurement of the answers alone."""


@dataclass(frozen=True)
class Item:
    """The value of one item, such as an answer or a bug."""

    id: str
    """Equal in all runs on the same data."""
    task: str
    value: float | None
    """None if it is missing, for example because the reply could not be read."""


@dataclass(frozen=True)
class Measurement:
    """An estimate with its labels and the values of its items."""

    label: Label
    estimate: Estimate
    unit: Unit = "share"
    n: int | None = None
    """Size of the pool for best-of-N."""
    is_higher_better: bool | None = None
    values_by_item: Mapping[str, float] = field(default_factory=dict)
    """Mean value of each item that has one."""
    task_by_item: Mapping[str, str] = field(default_factory=dict)
    statistic: ItemStatistic | None = None
    """Computes the value from items; None if it is the mean of `values_by_item`."""

    @property
    def is_binary(self) -> bool:
        """Whether each item is right or wrong."""
        return self.statistic is None and all(
            value in (0.0, 1.0) for value in self.values_by_item.values()
        )


def measure_items(
    label: Label,
    items: Sequence[Item],
    *,
    unit: Unit = "share",
    is_higher_better: bool | None = None,
    n: int | None = None,
) -> Measurement:
    """Return the mean of items: a rate if all are right or wrong, with an interval over tasks."""
    values = [item.value for item in items]
    tasks = [item.task for item in items]
    if unit == "share" and all(value in (None, 0, 1) for value in values):
        hits = [None if value is None else bool(value) for value in values]
        estimate = rate(hits, tasks)
    else:
        estimate = mean(values, tasks, is_share=unit == "share")
    return attach_items(
        Measurement(label, estimate, unit, n, is_higher_better=is_higher_better), items
    )


def attach_items(
    measurement: Measurement, items: Sequence[Item], statistic: ItemStatistic | None = None
) -> Measurement:
    """Return the measurement with the values of its items, averaged over repeated ids."""
    values: dict[str, list[float]] = {}
    tasks: dict[str, str] = {}
    for item in items:
        if item.value is not None:
            values.setdefault(item.id, []).append(item.value)
            tasks[item.id] = item.task
    means = {name: sum(numbers) / len(numbers) for name, numbers in values.items()}
    return Measurement(
        measurement.label,
        measurement.estimate,
        measurement.unit,
        measurement.n,
        measurement.is_higher_better,
        means,
        tasks,
        statistic,
    )


def finite_or_none(value: float | None) -> float | None:
    """Return a number, or None for NaN, infinities and None."""
    if value is None or not math.isfinite(value):
        return None
    return value
