"""Draw the measurements of a run as SVG and PNG files (matplotlib)."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from selfcritic.agent.evals.measurement import Measurement
from selfcritic.agent.evals.panels import (
    GRAY,
    draw_arms,
    draw_best_answers,
    draw_best_critiques,
    draw_gdc,
    draw_matrix,
    draw_sizes,
    pick_color,
    pick_marker,
    shorten,
)
from selfcritic.agent.evals.sections import critiques, gdc, refinement, sizes
from selfcritic.agent.evals.sections.answers import BEST_ANSWERS
from selfcritic.agent.evals.sections.frontier import FrontierCurve
from selfcritic.agent.evals.summary import ReliabilityCurve, Summary

_STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a name may contain dollar signs
    "svg.hashsalt": "selfcritic",  # the same input gives the same file
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}
Panels = dict[str, list[Measurement]]
"""The measurements of each group of answers."""


def draw_plots(summary: Summary, folder: Path) -> list[Path]:
    """Draw all plots for which there are measurements.

    Returns:
        The written files, sorted by name.
    """
    written: list[Path] = []
    with matplotlib.rc_context(_STYLE):
        for name, section, draw in _PLOTS:
            panels = _group(summary.measurements, section)
            if panels:
                written += _save(_draw_panels(panels, draw), folder / name)
        if summary.reliability:
            written += _save(_draw_reliability(summary.reliability), folder / "reliability")
        if summary.frontiers:
            written += _save(_draw_frontiers(summary.frontiers), folder / "frontier")
    return sorted(written)


def _group(measurements: Sequence[Measurement], section: str) -> Panels:
    panels: Panels = {}
    for measurement in measurements:
        is_defined = measurement.estimate.value == measurement.estimate.value
        if measurement.label.section == section and is_defined:
            panels.setdefault(measurement.label.group, []).append(measurement)
    return panels


def _draw_panels(panels: Panels, draw: Callable[[Axes, Sequence[Measurement]], None]) -> Figure:
    """Draw one panel for each group of answers."""
    figure = Figure(figsize=(1.5 + 4.5 * len(panels), 4.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (group, measurements) in zip(axes, panels.items(), strict=True):
        draw(axis, measurements)
        axis.set_title(f"{group} answers", loc="left")
    return figure


_PLOTS: tuple[tuple[str, str, Callable[[Axes, Sequence[Measurement]], None]], ...] = (
    ("best_of_n_critiques", critiques.BEST_CRITIQUES, draw_best_critiques),
    ("best_of_n_answers", BEST_ANSWERS, draw_best_answers),
    ("gdc", gdc.SECTION, draw_gdc),
    ("refinement", refinement.SECTION, draw_arms),
    ("sizes", sizes.SECTION, draw_sizes),
    ("cross_model", critiques.MATRIX, draw_matrix),
)


def _draw_reliability(curves: Sequence[ReliabilityCurve]) -> Figure:
    """Draw predicted against observed probability; the diagonal is perfect calibration."""
    by_title: dict[str, list[ReliabilityCurve]] = {}
    for curve in curves:
        by_title.setdefault(curve.title, []).append(curve)
    figure = Figure(figsize=(0.5 + 4 * len(by_title), 5.2), layout="constrained")
    axes = figure.subplots(1, len(by_title), squeeze=False)[0]
    for axis, (title, members) in zip(axes, by_title.items(), strict=True):
        axis.plot([0, 1], [0, 1], linestyle="--", color=GRAY, label="perfect")
        for index, curve in enumerate(members):
            predicted = [point[0] for point in curve.points]
            observed = [point[1] for point in curve.points]
            marker = pick_marker(index)
            name = shorten(curve.name)
            axis.plot(predicted, observed, marker=marker, color=pick_color(index), label=name)
        axis.set_title(title, loc="left")
        axis.set_xlabel("predicted probability")
        axis.set_ylabel("observed share")
        axis.set_xlim(-0.03, 1.03)
        axis.set_ylim(-0.03, 1.03)
        axis.set_aspect("equal")
        _put_legend_below(axis)
    return figure


def _draw_frontiers(curves: Sequence[FrontierCurve]) -> Figure:
    """Draw comprehensive against spurious critiques, one panel for each group."""
    by_group: dict[str, list[FrontierCurve]] = {}
    for curve in curves:
        by_group.setdefault(curve.group, []).append(curve)
    figure = Figure(figsize=(1.5 + 4.5 * len(by_group), 4.8), layout="constrained")
    axes = figure.subplots(1, len(by_group), squeeze=False)[0]
    for axis, (group, members) in zip(axes, by_group.items(), strict=True):
        for index, curve in enumerate(members):
            color = pick_color(index)
            marker = pick_marker(index)
            name = shorten(curve.critic)
            axis.plot(curve.spurious, curve.comprehensive, marker=marker, color=color, label=name)
            axis.fill_between(
                curve.grid, curve.low, curve.high, color=color, alpha=0.15, linewidth=0
            )
        axis.set_title(f"{group} answers", loc="left")
        axis.set_xlim(-0.02, 1.02)
        axis.set_ylim(-0.02, 1.02)
        axis.set_xlabel("with a nitpick or hallucinated problem")
        axis.set_ylabel("comprehensive critiques")
        _put_legend_below(axis)
    return figure


def _put_legend_below(axis: Axes) -> None:
    """Show the legend below the panel, where long names cover no line."""
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))


def _save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as SVG and PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        for suffix in (".svg", ".png"):
            options: dict[str, Any] = {"dpi": 150}
            if suffix == ".svg":
                options = {"metadata": {"Date": None}}
            target = path.with_suffix(suffix)
            figure.savefig(target, **options)
            written.append(target)
    return written
