"""Draw one figure for each experiment; colors are safe for color-blind readers (Okabe and Ito)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from examples.papers.models import MODELS, WORD_MODELS
from examples.papers.results import Result, ResultTable

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GRAY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#666666",
)
MODEL_COLORS: Mapping[str, str] = {
    "small": ORANGE,
    "medium-0": BLUE,
    "medium-1": SKY,
    "medium-2": PURPLE,
    "large": GREEN,
    "addition": GRAY,
}
_POOL_SIZES = (1, 2, 4, 8, 16, 32, 64)


def subplots(columns: int, width: float, height: float, **options: Any) -> tuple[Any, Any]:
    """Return a figure and its axes side by side."""
    import matplotlib.pyplot as plt

    return plt.subplots(1, columns, figsize=(width, height), **options)


def _error_bars(results: Sequence[Result | None]) -> tuple[list[float], list[list[float]]]:
    """Return values in percent and the lengths of their intervals."""
    values: list[float] = []
    lows: list[float] = []
    highs: list[float] = []
    for result in results:
        if result is None or result.value is None:
            values.append(math.nan)
            lows.append(0.0)
            highs.append(0.0)
            continue
        low = result.value if result.low is None else result.low
        high = result.value if result.high is None else result.high
        values.append(100 * result.value)
        lows.append(max(100 * (result.value - low), 0.0))
        highs.append(max(100 * (high - result.value), 0.0))
    return values, [lows, highs]


def draw_size(table: ResultTable) -> Any:
    """Draw critiqueability and the fraction of helpful critiques against size."""
    figure, axes = subplots(2, 7.4, 3.0, sharey=True)
    names = [model.name for model in WORD_MODELS if model.name in table.models("size")]
    sizes = [MODELS[name].parameters * _spread(name) for name in names]
    panels = {
        "all answers": {
            "critiqueable": ("critiqueable (oracle)", RED),
            "helpful, best of 8, of all": ("best of 8 helpful", GREEN),
            "helpful, one, of all": ("one critique helpful", BLUE),
        },
        "flawed answers": {
            "helpful, best of 8, of flawed": ("best of 8 helpful", GREEN),
            "helpful, one, of flawed": ("one critique helpful", BLUE),
        },
    }
    for axis, (title, measures) in zip(axes, panels.items(), strict=True):
        for measure, (label, color) in measures.items():
            values, errors = _error_bars([table.find("size", name, measure) for name in names])
            axis.errorbar(
                sizes, values, errors, fmt="o", color=color, capsize=2, markersize=4, label=label
            )
            axis.plot(*_mean_line(names, values), color=color, linewidth=1.5)
        axis.set_xscale("log")
        axis.set_xticks([0.11, 1.06, 3.32], ["0.11", "1.06", "3.32"])
        axis.minorticks_off()
        axis.set_xlabel("million parameters")
        axis.set_title(f"% of {title}", fontsize=9, loc="left")
        axis.set_ylim(0, 100)
        axis.legend(frameon=False, fontsize=8)
    return figure


def _spread(name: str) -> float:
    """Move the three medium models apart."""
    return {"medium-0": 0.9, "medium-2": 1.11}.get(name, 1.0)


def _mean_line(names: Sequence[str], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the mean value of each size."""
    groups: dict[float, list[float]] = {}
    for name, value in zip(names, values, strict=True):
        groups.setdefault(MODELS[name].parameters, []).append(value)
    return list(groups), [sum(group) / len(group) for group in groups.values()]


def draw_best_of_n(table: ResultTable) -> Any:
    """Draw the validity of the best of N critiques of flawed answers."""
    figure, axes = subplots(2, 7.4, 3.2, sharey=True)
    for axis, origin in zip(axes, ("natural", "inserted"), strict=True):
        for name in table.models("best_of_n"):
            for selection, style in (("P(helpful)", "-"), ("oracle", ":")):
                points = []
                for n in _POOL_SIZES:
                    value = table.value("best_of_n", name, f"{origin}, {selection}, N={n}")
                    points.append(100 * value)
                label = name if style == "-" else None
                color = MODEL_COLORS[name]
                axis.plot(_POOL_SIZES, points, style, color=color, label=label, marker=".")
        axis.set_xscale("log", base=2)
        axis.set_xticks(_POOL_SIZES, [str(n) for n in _POOL_SIZES])
        axis.set_xlabel("N critiques")
        axis.set_title(f"% valid, {origin} flaws", fontsize=9, loc="left")
        axis.set_ylim(0, 102)
    axes[0].legend(frameon=False, fontsize=8, title="dotted: oracle's choice", title_fontsize=8)
    return figure


def draw_refinement(table: ResultTable) -> Any:
    """Draw accuracy against calls, for the arms and baselines of three models."""
    names = [name for name in ("small", "medium-0", "large") if name in table.models("refine")]
    figure, axes = subplots(len(names), 2.7 * len(names), 3.4, sharey=True, squeeze=False)
    arms = {
        "one critique": ORANGE,
        "best of 8, helpful": BLUE,
        "up to 6 of 8, helpful": GREEN,
        "direct": RED,
        "false critique": GRAY,
        "oracle's critique": "black",
    }
    for axis, name in zip(axes[0], names, strict=True):
        for arm, color in arms.items():
            points = [
                table.find("refine", name, f"gated, {arm}, {n}: correct") for n in range(1, 7)
            ]
            draw_path(axis, points, color, arm, "-")
        for baseline, color in (("best of n drafts", PURPLE), ("direct, repeated", SKY)):
            points = []
            for arm in ("one critique", "up to 6 of 8, helpful"):
                for n in range(1, 7):
                    measure = f"{baseline}, as {arm}, {n}: correct"
                    points.append(table.find("equal_calls", name, measure))
            points.sort(key=lambda point: point.x or 0.0 if point else 0.0)
            draw_path(axis, points, color, baseline, "--")
        draft = table.find("refine", name, "draft: correct")
        if draft is not None and draft.value is not None:
            axis.axhline(100 * draft.value, color=GRAY, linewidth=0.8, linestyle=":")
        axis.set_xscale("log", base=2)
        axis.set_xticks([2, 4, 8, 16, 32, 64], ["2", "4", "8", "16", "32", "64"])
        axis.set_xlabel("calls per task")
        axis.set_title(f"{name}: % correct", fontsize=9, loc="left")
        axis.set_ylim(0, 100)
    figure.legend(
        *axes[0][0].get_legend_handles_labels(),
        loc="upper center",
        ncols=4,
        frameon=False,
        fontsize=8,
        bbox_to_anchor=(0.5, 0.0),
    )
    return figure


def draw_path(
    axis: Any, points: Sequence[Result | None], color: str, label: str, style: str
) -> None:
    """Draw results against calls; a style that begins with "-" is a line, others are markers."""
    xs = [point.x for point in points if point is not None]
    ys = [100 * (point.value or 0.0) for point in points if point is not None]
    marker, line = (".", style) if style.startswith("-") else (style, "")
    axis.plot(xs, ys, linestyle=line, marker=marker, color=color, label=label, linewidth=1.3)


def draw_gaps(table: ResultTable) -> Any:
    """Draw the GDC gaps with intervals."""
    figure, axis = subplots(1, 7.0, 2.8)
    names = table.models("gdc")
    for number, (gap, color) in enumerate((("GD", BLUE), ("GC", ORANGE), ("CD", GREEN))):
        values, errors = _error_bars([table.find("gdc", name, gap) for name in names])
        places = [index + 0.22 * (number - 1) for index in range(len(names))]
        axis.errorbar(places, values, errors, fmt="o", color=color, capsize=3, label=gap)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_xticks(range(len(names)), names)
    axis.grid(visible=False, axis="x")
    axis.set_title("gaps in percentage points of correct answers", fontsize=9, loc="left")
    axis.legend(frameon=False, fontsize=8, ncols=3)
    return figure


def draw_cross(table: ResultTable) -> Any:
    """Draw the validity of every critic's critiques of every author's flawed answers."""
    figure, axes = subplots(2, 7.4, 3.2, sharey=True)
    names = [model.name for model in WORD_MODELS if model.name in table.models("cross")]
    panels = (
        ("one critique valid", "% of one critique valid"),
        ("best of 8 valid", "% of the best of 8 valid"),
    )
    for axis, (measure, title) in zip(axes, panels, strict=True):
        rows = []
        for critic in names:
            row = [100 * table.value("cross", critic, f"{author}: {measure}") for author in names]
            rows.append(row)
        axis.imshow(rows, cmap="cividis", vmin=0, vmax=100, aspect="auto")
        for y, row in enumerate(rows):
            for x, value in enumerate(row):
                color = "white" if value < 60 else "black"
                axis.text(x, y, f"{value:.0f}", ha="center", va="center", color=color)
        axis.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axis.set_yticks(range(len(names)), names)
        axis.set_xlabel("author of the flawed answers")
        axis.set_title(title, fontsize=9, loc="left")
        axis.grid(visible=False)
    axes[0].set_ylabel("critic")
    return figure


def draw_frontier(table: ResultTable) -> Any:
    """Draw comprehensive against spurious critiques, as the mean over the models."""
    figure, axes = subplots(2, 7.4, 3.2, sharex=True, sharey=True)
    searches = {"fsbs": BLUE, "joined": GREEN, "best_of_28": ORANGE}
    labels = {"fsbs": "FSBS", "joined": "joined critiques", "best_of_28": "best of 28"}
    for axis, origin in zip(axes, ("natural", "inserted"), strict=True):
        for search, color in searches.items():
            modifiers = _modifiers(table, f"{origin}, {search}, modifier ")
            xs = [
                _mean_over_models(table, f"{origin}, {search}, modifier {m}: spurious")
                for m in modifiers
            ]
            ys = [
                _mean_over_models(table, f"{origin}, {search}, modifier {m}: comprehensive")
                for m in modifiers
            ]
            marker = "s" if search == "best_of_28" else "."
            axis.plot(xs, ys, "-", marker=marker, color=color, label=labels[search])
        axis.set_xlabel("% spurious")
        axis.set_title(f"% comprehensive, {origin} flaws", fontsize=9, loc="left")
        axis.set_xlim(0, 80)
        axis.set_ylim(0, 60)
    axes[1].legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def _modifiers(table: ResultTable, prefix: str) -> list[float]:
    modifiers = set()
    for result in table.results:
        if result.experiment == "frontier" and result.measure.startswith(prefix):
            modifiers.add(result.x or 0.0)
    return sorted(modifiers)


def _mean_over_models(table: ResultTable, measure: str) -> float:
    names = table.models("frontier")
    return 100 * sum(table.value("frontier", name, measure) for name in names) / len(names)
