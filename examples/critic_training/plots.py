"""Draw the results: reward models, curves of the policy, and the frontier."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from examples.critic_training.setup import SEARCHED
from examples.papers.plots import STYLE
from examples.papers.results import Result

_STYLE = {**STYLE, "svg.hashsalt": "critic training"}
_COLORS = ("#888888", "#1f77b4")
_MARKERS = {"one sample": "x", "best of 28": "s", "FSBS": "o"}
_CURVES = ("reward", "truth", "kl", "length", "highlights", "ungrounded")
_POLICIES = {
    "policy": "reward model",
    "policy-oracle": "oracle",
    "policy-natural": "no tampering",
    "policy-long": "reward model, long",
    "policy-oracle-long": "oracle, long",
}


def draw_plots(results: Sequence[Result], folders: Sequence[Path], out: Path) -> None:
    """Write one SVG file per plot."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(_STYLE):
        figures = {}
        experiments = {result.experiment for result in results}
        if "reward" in experiments:
            figures["reward"] = _draw_rewards(results)
        if "frontier" in experiments:
            figures["frontier"] = _draw_frontier(results)
        for folder in folders:
            if list(folder.glob("*/curves.csv")):
                figures[f"curves-{folder.name}"] = _draw_curves(folder)
        for name, figure in figures.items():
            path = out / f"{name}.svg"
            figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
            plt.close(figure)


def _draw_rewards(results: Sequence[Result]) -> Any:
    """Draw held-out pair accuracy against the number of training pairs."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.6, 3.2))
    for index, seed in enumerate(sorted({result.model for result in results})):
        color = f"C{index}"
        rows = [
            result
            for result in results
            if result.experiment == "reward"
            and result.model == seed
            and result.measure.startswith("all,")
            and result.measure.endswith("pairs")
        ]
        counts = [(row.x or 0.0) * 1.05**index for row in rows]  # so that no bar hides another
        values = [100 * (row.value or 0.0) for row in rows]
        axes.errorbar(
            counts, values, yerr=_error_bars(rows), color=color, marker="o", capsize=2, label=seed
        )
        for result in results:
            if result.model == seed and result.measure == "all, untrained verdict":
                axes.axhline(100 * (result.value or 0.0), color=color, linestyle="--", lw=0.9)
    axes.set_xscale("log")
    axes.set_ylim(50, 90)
    axes.set_xlabel("training pairs")
    axes.set_ylabel("held-out pairs ordered rightly, %")
    axes.legend(
        frameon=False, ncols=3, title="dashed: untrained verdict", title_fontsize=8, fontsize=8
    )
    return figure


def _error_bars(rows: Sequence[Result]) -> list[list[float]]:
    """Return the distances below and above each value, in percent."""
    below = [100 * ((row.value or 0.0) - (row.low or 0.0)) for row in rows]
    above = [100 * ((row.high or 0.0) - (row.value or 0.0)) for row in rows]
    return [below, above]


def _draw_curves(folder: Path) -> Any:
    """Draw what each policy's training logged; points are means over five batches."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(2, 3, figsize=(8.4, 4.2))
    for name, label in _POLICIES.items():
        path = folder / name / "curves.csv"
        if not path.exists():
            continue
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
        for axes, column in zip(grid.flat, _CURVES, strict=True):
            points = [(float(row["step"]), float(row[column])) for row in rows if row.get(column)]
            if points:
                axes.plot(*_smooth(points), label=label, lw=1.2)
    for axes, column in zip(grid.flat, _CURVES, strict=True):
        axes.set_title(column, fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("updates")
    figure.tight_layout(rect=(0, 0, 1, 0.93))
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=len(labels), frameon=False, fontsize=8)
    return figure


def _smooth(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Return the mean of each five points."""
    steps: list[float] = []
    values: list[float] = []
    for start in range(0, len(points), 5):
        part = points[start : start + 5]
        steps.append(part[-1][0])
        values.append(sum(value for _, value in part) / len(part))
    return steps, values


def _draw_frontier(results: Sequence[Result]) -> Any:
    """Draw bug inclusion against hallucinated problems at each percentile."""
    import matplotlib.pyplot as plt

    seeds = sorted({result.model for result in results if result.experiment == "frontier"})
    figure, grid = plt.subplots(
        max(len(seeds), 1), 2, figsize=(7.6, 3.2 * max(len(seeds), 1)), squeeze=False
    )
    for row, seed in zip(grid, seeds, strict=False):
        for axes, origin in zip(row, ("natural", "inserted"), strict=True):
            _draw_arms(axes, [item for item in results if item.model == seed], origin)
            axes.set_title(f"{origin} flaws, {seed}", fontsize=9)
            axes.set_xlabel("critiques with a hallucinated problem, %")
            axes.set_ylabel("bug inclusion, %")
    legend_axes: Any = grid[0, 0]
    legend_axes.legend(frameon=False, fontsize=7, loc="lower right")
    figure.tight_layout()
    return figure


def _draw_arms(axes: Any, results: Sequence[Result], origin: str) -> None:
    values = {
        (result.measure, result.x): 100 * (result.value or 0.0)
        for result in results
        if result.experiment == "frontier"
    }
    for critic, color in zip(SEARCHED, _COLORS, strict=True):
        for search, marker in _MARKERS.items():
            prefix = f"{origin}, {critic}, {search}"
            percentiles = sorted(
                {x or 0.0 for name, x in values if name == f"{prefix}: overall score"}
            )
            spurious = [values[f"{prefix}: hallucinated problem", x] for x in percentiles]
            included = [values[f"{prefix}: bug inclusion", x] for x in percentiles]
            axes.plot(
                spurious,
                included,
                marker=marker,
                color=color,
                ms=5,
                lw=1,
                label=f"{critic}, {search}",
            )
