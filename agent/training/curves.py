"""Read what GRPO logged, decide when to stop, and write the curves of a training."""

import csv
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

CURVES_FILE = "curves.csv"
PLOT_FILE = "curves.png"
_COLUMNS = {
    "reward": "reward",
    "proxy": "rewards/proxy/mean",
    "truth": "rewards/truth/mean",
    "grounded": "rewards/grounded/mean",
    "kl": "kl",
    "length": "completions/mean_length",
    "highlights": "highlights",
    "ungrounded": "ungrounded",
    "entropy": "entropy",
    "clipped": "clip_ratio/region_mean",
    "loss": "loss",
}
"""Columns of the file, and the names under which TRL logs them."""
_PANELS = (
    ("proxy", "truth"),
    ("reward",),
    ("kl",),
    ("length",),
    ("highlights", "ungrounded"),
    ("entropy",),
)
_EVAL = "eval_"

Row = dict[str, Any]


def read_curves(log: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return a row for each logged step, "train" or "dev"."""
    rows: list[Row] = []
    for entry in log:
        is_dev = any(name.startswith(f"{_EVAL}rewards/") for name in entry)
        prefix = _EVAL if is_dev else ""
        row: Row = {"step": entry.get("step", 0), "split": "dev" if is_dev else "train"}
        for column, name in _COLUMNS.items():
            row[column] = entry.get(f"{prefix}{name}")
        if row["reward"] is not None:
            rows.append(row)
    return rows


def is_diverging(rows: Sequence[Row], patience: int) -> bool:
    """Whether truth fell in each of the last evaluations on dev, while the proxy rose over them.

    Args:
        rows: Rows of `read_curves`.
        patience: Number of falls in a row.
    """
    recent = [row for row in rows if row["split"] == "dev" and row["truth"] is not None]
    recent = recent[-patience - 1 :]
    if len(recent) <= patience:
        return False
    for before, after in pairwise(recent):
        if after["truth"] >= before["truth"]:
            return False
    return bool(recent[-1]["proxy"] > recent[0]["proxy"])


def write_curves(folder: Path, rows: Sequence[Row]) -> None:
    """Write the rows as CSV."""
    with (folder / CURVES_FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["step", "split", *_COLUMNS])
        writer.writeheader()
        writer.writerows(rows)


def draw_curves(folder: Path, rows: Sequence[Row], title: str) -> None:
    """Draw reward, truth, KL, length, highlights and the ungrounded share over steps (matplotlib)."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True).flatten()
    colors = ("#0072b2", "#e69f00")
    for panel, names in zip(axes, _PANELS, strict=True):
        for name, color in zip(names, colors, strict=False):
            _draw_line(panel, rows, name, color)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.3)
        if panel.lines:
            panel.legend(frameon=False, fontsize=8)
    for panel in axes[3:]:
        panel.set_xlabel("optimizer step")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title)
    figure.savefig(folder / PLOT_FILE, dpi=110)


def _draw_line(panel: Any, rows: Sequence[Row], name: str, color: str) -> None:
    for split, style in (("train", {"alpha": 0.5, "lw": 1}), ("dev", {"marker": "o", "ms": 4})):
        points = [
            (row["step"], row[name])
            for row in rows
            if row["split"] == split and row[name] is not None
        ]
        if points:
            steps, values = zip(*points, strict=True)
            panel.plot(steps, values, color=color, label=f"{name}, {split}", **style)
