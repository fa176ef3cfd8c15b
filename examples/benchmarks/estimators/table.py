"""Tabulate how often the intervals contain the truth."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfcritic.agent.evals.measures.intervals import Estimate

_LEVEL = 0.05
_GOOD_SHARES = (0.9, 0.99)
_TRUTH_OF = {"judge: corrected rate": "helpful critiques"}
"""Measures that estimate the truth of another one."""
_INTRODUCTION = """\
# Do the estimators recover the truth?

The measures of `selfcritic eval` are applied to critics whose error rates are planted. A 95% interval should contain
the truth in 90 to 99 of 100 repeats. **This holds for {good} of {all} measures.**

```bash
python -m examples.benchmarks.estimators.run --repeats {repeats} --tasks {tasks} --truth-tasks {truth_tasks}
```

- **Data.** Each repeat has {tasks} tasks with 3 to 5 answers each, and 8 critiques of each answer. They are replies of
  the [simulated model](../models.md#the-simulated-model) to the loop's prompts, graded by the oracles of four task
  types. Half of the tasks are hard, so answers to one task depend on each other. Seeds are 0, 1, 2 … in order.
- **Truth.** A closed form where one exists, such as Φ((μ₁ - μ₀) / √2) for an AUC. `*` marks the value of one sample of
  {truth_tasks:,} other tasks.
- **Calibration error** is compared with the planted distribution's error in the same ten bins. The estimate is biased
  upwards in small samples, since the error of a bin is never negative; the interval is corrected for this bias.
- **Covered without clusters** is the same with intervals that treat answers as independent.
- **AUC and Brier score** have intervals that were chosen on other data; see the last section.
- **Elo** ratings, and position and length bias, have planted preferences: the simulated model does not compare.
"""
_OUTSIDE = """
Outside of 90 to 99 of 100: {names}.

At a coverage of exactly 95%, 1.7% of the rows would be outside by chance. Measures of the same answers depend on each
other."""
_MORE = """
## More repeats

The measures of answers over {count} other repeats, with additions only:
"""


_DEVELOPMENT = """
## Intervals of AUC and Brier score

These were chosen on development data of other seeds and tasks, from bootstrap, t and jackknife intervals. A bootstrap
interval contains the truth too rarely where errors are rare. With few flawed answers, the interval of the AUC is wide.

```bash
python -m examples.benchmarks.estimators.development
```
"""


@dataclass(frozen=True)
class Row:
    """One measure over all repeats."""

    name: str
    truth: float
    is_closed_form: bool
    mean: float
    """Mean of the point estimates."""
    covered: int
    """Repeats whose interval contains the truth."""
    count: int
    """Repeats in which the measure is defined."""
    unclustered: int | None = None
    """The same with intervals that treat answers as independent."""

    @property
    def is_calibrated(self) -> bool:
        """Whether the intervals contain the truth as often as they claim."""
        low, high = _GOOD_SHARES
        return low * self.count <= self.covered <= high * self.count


def build_rows(
    truth: Mapping[str, Any], closed: Mapping[str, float], repeats: Sequence[Mapping[str, Any]]
) -> list[Row]:
    """Return one row per measure, in the order of measuring."""
    rows: list[Row] = []
    for name in truth["values"]:
        sampled = truth["values"][_TRUTH_OF.get(name, name)][0]
        value = closed.get(name, sampled)
        estimates = _defined(repeat["values"].get(name) for repeat in repeats)
        independent = _defined(repeat["unclustered"].get(name) for repeat in repeats)
        rows.append(
            Row(
                name=name,
                truth=value,
                is_closed_form=name in closed,
                mean=sum(estimate[0] for estimate in estimates) / max(1, len(estimates)),
                covered=_count_covering(estimates, value),
                count=len(estimates),
                unclustered=_count_covering(independent, value) if independent else None,
            )
        )
    return rows


def write_page(
    rows: Sequence[Row],
    more_rows: Sequence[Row],
    repeats: Sequence[Mapping[str, Any]],
    *,
    num_tasks: int,
    truth_tasks: int,
    graph: Mapping[str, Estimate],
    development: str,
) -> str:
    """Return the page with the table in Markdown.

    Args:
        rows: The measures.
        more_rows: The measures of answers over other repeats.
        repeats: The repeats that they summarize.
        num_tasks: Tasks of each repeat.
        truth_tasks: Tasks of the large sample.
        graph: Measures of runs of the real graph.
        development: Table of the data on which intervals were chosen.
    """
    rejected = sum(repeat["p_value"] < _LEVEL for repeat in repeats)
    num_good = sum(row.is_calibrated for row in rows)
    lines = [
        _INTRODUCTION.format(
            repeats=len(repeats),
            tasks=num_tasks,
            truth_tasks=truth_tasks,
            good=num_good,
            all=len(rows),
        ),
        format_rows(rows),
    ]
    outside = [row.name for row in rows if not row.is_calibrated]
    if outside:
        lines.append(_OUTSIDE.format(names=", ".join(outside)))
    lines.append(_MORE.format(count=more_rows[0].count))
    lines.append(format_rows(more_rows))
    lines.append(
        f"\nMcNemar's exact test of two equal arms, on one answer per task, has p < {_LEVEL} in {rejected} of "
        f"{len(repeats)} repeats."
    )
    if graph:
        lines.append("\n" + _describe_graph(rows, graph))
    lines += [_DEVELOPMENT, development]
    return "\n".join(lines) + "\n"


def format_rows(rows: Sequence[Row]) -> str:
    """Return the table in Markdown."""
    lines = [
        "| measure | truth | mean estimate | covered | covered without clusters |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        mark = "" if row.is_closed_form else " *"
        unclustered = "" if row.unclustered is None else str(row.unclustered)
        covered = f"{row.covered} of {row.count}"
        lines.append(
            f"| {row.name} | {row.truth:.3f}{mark} | {row.mean:.3f} | {covered} | {unclustered} |"
        )
    return "\n".join(lines)


def _describe_graph(rows: Sequence[Row], graph: Mapping[str, Estimate]) -> str:
    truths = {row.name: row.truth for row in rows}
    parts = []
    for name in ("flawed answers", "critiqueability: mean"):
        estimate = graph[name]
        interval = f"{estimate.low:.2f} to {estimate.high:.2f}"
        parts.append(f"{name} {estimate.value:.2f} ({interval}; truth {truths[name]:.3f})")
    count = graph["flawed answers"].count
    return f"{count} runs of the real graph: {', '.join(parts)}."


def _defined(estimates: Iterable[Sequence[float] | None]) -> list[Sequence[float]]:
    """Return the estimates that have an interval."""
    defined: list[Sequence[float]] = []
    for estimate in estimates:
        if estimate is not None and not math.isnan(estimate[1]):
            defined.append(estimate)
    return defined


def _count_covering(estimates: Sequence[Sequence[float]], truth: float) -> int:
    return sum(low <= truth <= high for _, low, high in estimates)
