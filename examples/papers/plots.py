"""Draw the results as small SVG files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from examples.papers.figures import (
    draw_best_of_n,
    draw_cross,
    draw_frontier,
    draw_gaps,
    draw_refinement,
    draw_size,
)
from examples.papers.results import ResultTable
from examples.papers.settings_figure import draw_settings

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "papers",
    "font.family": "sans-serif",
}


def draw_plots(table: ResultTable, folder: Path, file_type: str = "svg") -> None:
    """Write one file per plot that has results."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    plots: dict[str, tuple[str, Callable[[ResultTable], Any]]] = {
        "size": ("size", draw_size),
        "best_of_n": ("best_of_n", draw_best_of_n),
        "refine": ("equal_calls", draw_refinement),
        "gdc": ("gdc", draw_gaps),
        "cross": ("cross", draw_cross),
        "frontier": ("frontier", draw_frontier),
        "settings": ("settings_dev", draw_settings),
    }
    with plt.rc_context(STYLE):
        for name, (experiment, draw) in plots.items():
            if not table.models(experiment):
                continue
            figure = draw(table)
            metadata = {"Date": None} if file_type == "svg" else None
            figure.savefig(
                folder / f"{name}.{file_type}", metadata=metadata, bbox_inches="tight", dpi=110
            )
            plt.close(figure)
