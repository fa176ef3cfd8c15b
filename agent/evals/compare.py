"""Compare two runs on the same data, measure by measure and paired by item."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from selfcritic.agent.data.manifest import Manifest
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.measurement import Label, Measurement, Unit
from selfcritic.agent.evals.measures.intervals import Estimate, Rows, resample, undefined
from selfcritic.agent.evals.measures.paired import adjust_holm, compare_rates, compare_values
from selfcritic.agent.evals.sections.curves import ORACLE_SUFFIX
from selfcritic.agent.evals.sections.forms import SELECTED_SUFFIX

MCNEMAR = "McNemar"
SIGN_FLIP = "sign flip"
_MAX_EXACT_TASKS = 14
_NUM_FLIPS = 10_000
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class MeasureComparison:
    """The difference of two runs in one measure, on the items that both have."""

    label: Label
    """That of the first run."""
    other_critic: str
    """The second run's critic."""
    unit: Unit
    first: float
    """Value of the first run on the shared items."""
    second: float
    difference: Estimate
    """Second minus first."""
    num_items: int
    """Items that both runs have."""
    p_value: float | None = None
    test: str = ""
    """McNemar's exact test if each task has one item that is right or wrong, else a sign flip of tasks."""
    adjusted_p: float | None = None
    """After Holm's correction for all compared measures."""

    @property
    def is_equal(self) -> bool:
        """Whether the runs have the same value for every item, so that no test can find a difference."""
        return self.difference.low == self.difference.high == 0


def check_same_data(first: Manifest, second: Manifest, num_shared: int) -> None:
    """Raise InputError if two runs have different data."""
    if first.data_sha256 != second.data_sha256:
        raise InputError(
            f"The runs have different data: {first.data!r} (SHA-256 {first.data_sha256[:12]}) and {second.data!r} "
            f"({second.data_sha256[:12]}). {num_shared} records have the same id in both, but may differ. Compare runs "
            "of the same data."
        )


def compare_runs(
    first: Sequence[Measurement], second: Sequence[Measurement], measures: Sequence[str] = ()
) -> list[MeasureComparison]:
    """Compare the measurements that two runs share.

    Critics are paired by name. If both runs have one critic for a measure, these two are paired, and so are the
    critiques selected from their pools. Of best-of-N curves,
    only the largest shared N is compared. P-values are corrected for all compared measures (Holm), except for measures
    that are equal for every item.

    Args:
        first: Measurements of the first run.
        second: Measurements of the second run.
        measures: Compare only measures whose name or section contains one of these texts; by default, all.
    """
    compared = []
    for before, after in _pair(_select(first, measures), _select(second, measures)):
        comparison = _compare(before, after)
        if comparison is not None:
            compared.append(comparison)
    p_values: dict[str, float] = {}
    for index, row in enumerate(compared):
        if row.p_value is not None and not row.is_equal:
            p_values[str(index)] = row.p_value
    for name, adjusted in adjust_holm(p_values).items():
        compared[int(name)] = replace(compared[int(name)], adjusted_p=adjusted)
    return compared


def _select(rows: Sequence[Measurement], measures: Sequence[str]) -> list[Measurement]:
    """Return the measurements that can be paired by item and are asked for."""
    selected = []
    for row in rows:
        text = f"{row.label.section} {row.label.name}".casefold()
        is_wanted = not measures or any(measure.casefold() in text for measure in measures)
        is_oracle = row.label.name.endswith(ORACLE_SUFFIX)
        if row.values_by_item and is_wanted and not is_oracle:
            selected.append(row)
    return selected


def _pair(
    first: Sequence[Measurement], second: Sequence[Measurement]
) -> list[tuple[Measurement, Measurement]]:
    """Return the measurements of the same measure, group and critic."""
    pairs: list[tuple[Measurement, Measurement]] = []
    before_by_key = _by_measure(first)
    after_by_key = _by_measure(second)
    for key, before in before_by_key.items():
        after = after_by_key.get(key, {})
        if len(before) == 1 and len(after) == 1:
            pairs.append((next(iter(before.values())), next(iter(after.values()))))
        else:
            pairs += [(row, after[critic]) for critic, row in before.items() if critic in after]
    return _keep_largest_pools(pairs)


def _by_measure(
    rows: Sequence[Measurement],
) -> dict[tuple[str, str, str, bool], dict[str, Measurement]]:
    """Return the measurements of each measure by critic, selected critiques apart."""
    measures: dict[tuple[str, str, str, bool], dict[str, Measurement]] = {}
    for row in rows:
        is_selected = row.label.critic.endswith(SELECTED_SUFFIX)
        key = (row.label.section, row.label.name, row.label.group, is_selected)
        measures.setdefault(key, {})[row.label.critic] = row
    return measures


def _keep_largest_pools(
    pairs: Sequence[tuple[Measurement, Measurement]],
) -> list[tuple[Measurement, Measurement]]:
    """Drop all sizes of a best-of-N curve but the largest."""
    largest: dict[Label, int] = {}
    for before, _ in pairs:
        if before.label.name.startswith("best of"):
            key = replace(before.label, name="")
            largest[key] = max(largest.get(key, 0), before.n or 0)
    kept = []
    for before, after in pairs:
        key = replace(before.label, name="")
        is_curve = before.label.name.startswith("best of")
        if not is_curve or before.n == largest[key]:
            kept.append((before, after))
    return kept


def _compare(before: Measurement, after: Measurement) -> MeasureComparison | None:
    """Compare two measurements; None if they share no item."""
    items = [item for item in before.values_by_item if item in after.values_by_item]
    if not items:
        return None
    tasks = [before.task_by_item[item] for item in items]
    if before.statistic is not None and after.statistic is not None:
        return _compare_statistics(before, after, items, tasks)
    first = [before.values_by_item[item] for item in items]
    second = [after.values_by_item[item] for item in items]
    is_binary = all(value in (0.0, 1.0) for value in (*first, *second))
    comparison = MeasureComparison(
        before.label,
        after.label.critic,
        before.unit,
        sum(first) / len(first),
        sum(second) / len(second),
        compare_values(first, second, tasks).difference,
        len(items),
    )
    if is_binary and len(set(tasks)) == len(tasks):
        result = compare_rates(list(map(bool, first)), list(map(bool, second)), tasks)
        return replace(comparison, p_value=result.p_value, test=MCNEMAR)
    differences = [later - earlier for earlier, later in zip(first, second, strict=True)]
    return replace(comparison, p_value=flip_signs(differences, tasks), test=SIGN_FLIP)


def _compare_statistics(
    before: Measurement, after: Measurement, items: Sequence[str], tasks: Sequence[str]
) -> MeasureComparison:
    """Compare values that are not means, such as AUC, by a paired bootstrap."""
    first_statistic = before.statistic
    second_statistic = after.statistic
    if first_statistic is None or second_statistic is None:
        raise ValueError("Both measurements need a statistic.")

    def difference(rows: Rows) -> float:
        drawn = [items[row] for row in rows]
        return second_statistic(drawn) - first_statistic(drawn)

    first = first_statistic(items)
    second = second_statistic(items)
    estimate = undefined("undefined for the shared items", len(items))
    if not math.isnan(first) and not math.isnan(second):
        estimate = resample(difference, tasks)
    return MeasureComparison(
        before.label, after.label.critic, before.unit, first, second, estimate, len(items)
    )


def flip_signs(differences: Sequence[float], tasks: Sequence[str]) -> float:
    """Return the p-value of a test that flips the signs of whole tasks, which may have several items.

    If two systems are equal, each task's difference is as likely to have the other sign. The test is exact for few
    tasks, and uses seeded random flips for more.
    """
    sums: dict[str, float] = {}
    for difference, task in zip(differences, tasks, strict=True):
        sums[task] = sums.get(task, 0.0) + difference
    totals = np.array([total for total in sums.values() if abs(total) > _TOLERANCE])
    if not len(totals):
        return 1.0
    observed = abs(float(totals.sum()))
    if len(totals) <= _MAX_EXACT_TASKS:
        codes = np.arange(2 ** len(totals))[:, None] >> np.arange(len(totals))
        signs = 1 - 2 * (codes & 1)
        flipped = np.abs(signs @ totals)
        return float((flipped >= observed - _TOLERANCE).mean())
    rng = np.random.default_rng(0)
    signs = rng.choice((-1.0, 1.0), size=(_NUM_FLIPS, len(totals)))
    flipped = np.abs(signs @ totals)
    extreme = int((flipped >= observed - _TOLERANCE).sum())
    return (extreme + 1) / (_NUM_FLIPS + 1)
