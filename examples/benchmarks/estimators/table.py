"""Tabulate how often the intervals contain the truth."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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


def build_rows(
    truth: Mapping[str, Any], closed: Mapping[str, float], repeats: Sequence[Mapping[str, Any]]
) -> list[Row]:
    """Return one row per measure, in the order of measuring."""
    rows: list[Row] = []
    for name, (sampled, _, _) in truth["values"].items():
        value = closed.get(name, sampled)
        estimates = [repeat["values"][name] for repeat in repeats if name in repeat["values"]]
        defined = [estimate for estimate in estimates if not math.isnan(estimate[1])]
        unclustered = None
        if repeats and name in repeats[0]["unclustered"]:
            unclustered = _count_covering(
                [repeat["unclustered"][name] for repeat in repeats], value
            )
        mean = sum(estimate[0] for estimate in defined) / max(1, len(defined))
        covered = _count_covering(defined, value)
        rows.append(Row(name, value, name in closed, mean, covered, len(defined), unclustered))
    return rows


def write_page(
    rows: Sequence[Row], repeats: Sequence[Mapping[str, Any]], *, tasks: int, truth_tasks: int
) -> str:
    """Return the table in Markdown."""
    lines = [
        "| measure | truth | mean estimate | covered | without clusters |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        mark = "" if row.is_closed_form else " *"
        unclustered = "" if row.unclustered is None else str(row.unclustered)
        covered = f"{row.covered} of {row.count}"
        lines.append(
            f"| {row.name} | {row.truth:.3f}{mark} | {row.mean:.3f} | {covered} | {unclustered} |"
        )
    rejected = sum(repeat["p_value"] < 0.05 for repeat in repeats)
    lines.append(f"\nMcNemar rejects {rejected} of {len(repeats)} equal arms at 5%.")
    return "\n".join(lines) + "\n"


def _count_covering(estimates: Sequence[Sequence[float]], truth: float) -> int:
    return sum(low <= truth <= high for _, low, high in estimates)
