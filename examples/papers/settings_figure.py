"""Draw accuracy against calls for each setting of the loop, with labels that do not overlap."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from examples.papers.figures import BLUE, GREEN, ORANGE, PURPLE, RED, draw_path, subplots
from examples.papers.results import Result, ResultTable

Families = Mapping[str, tuple[str, tuple[str, ...]]]
Place = tuple[float, float]

STOP_RULES: Families = {
    "accept_threshold": (BLUE, ("0.02", "0.05", "0.1", "0.2", "0.3", "0.5")),
    "max_rounds": (RED, ("1", "2", "3", "4", "5", "6")),
    "patience": (GREEN, ("1", "2", "3", "6")),
}
CRITIQUES: Families = {
    "N": (BLUE, ("1", "2", "4", "8", "16", "32")),
    "up to 6, N": (ORANGE, ("4", "8", "16")),
}
_ALIASES = {"N=8": "default", "up to 6, N=8": "up to 6"}
_OFFSETS = ((-4, 4), (4, -4), (4, 4), (-4, -4), (0, 7), (0, -7), (8, 0), (-8, 0), (4, 14), (4, -14))
"""Places of a label, in points from its dot; the first one that is free is used."""
_MIN_DISTANCE = 0.2
"""Points of a setting that are closer, in calls and percent, share a label."""


def draw_settings(table: ResultTable) -> Any:
    """Draw accuracy against calls along each setting, as the mean over the models."""
    figure, axes = subplots(2, 7.4, 3.6, sharey=True)
    default = _find(table, "default")
    for axis, families in zip(axes, (STOP_RULES, CRITIQUES), strict=True):
        labels: list[tuple[str, Place, str]] = []
        for family, (color, values) in families.items():
            points = [_find(table, _setting_name(family, value)) for value in values]
            draw_path(axis, points, color, family, "-")
            for text, place in group_labels(values, points):
                if place != _place_of(default):
                    labels.append((text, place, color))
        draw_path(axis, [default], "black", "default", "D")
        if axis is axes[1]:
            draw_path(axis, [_find(table, "direct")], PURPLE, "direct refinement", "s")
        axis.set_xlabel("calls per task")
        axis.margins(0.1)
        axis.legend(frameon=False, fontsize=8, loc="lower right")
        _place_labels(axis, labels)
    axes[0].set_title("% correct, development tasks: stop rules", fontsize=9, loc="left")
    axes[1].set_title("critiques per round", fontsize=9, loc="left")
    return figure


def _setting_name(family: str, value: str) -> str:
    name = f"{family}={value}"
    return _ALIASES.get(name, name)


def _find(table: ResultTable, name: str) -> Result | None:
    return table.find("settings_dev", "all", f"{name}: correct")


def _place_of(point: Result | None) -> Place | None:
    if point is None or point.value is None:
        return None
    return point.x or 0.0, 100 * point.value


def group_labels(values: Sequence[str], points: Sequence[Result | None]) -> list[tuple[str, Place]]:
    """Return one label for each place: the values of all points next to it."""
    labels: list[tuple[str, Place]] = []
    for value, point in zip(values, points, strict=True):
        place = _place_of(point)
        if place is None:
            continue
        if labels and math.dist(labels[-1][1], place) < _MIN_DISTANCE:
            text, place = labels.pop()
            value = f"{text}, {value}"
        labels.append((value, place))
    return labels


def _place_labels(axis: Any, labels: Sequence[tuple[str, Place, str]]) -> None:
    """Write each label near its dot, where it covers no dots, lines or labels."""
    from matplotlib.transforms import Bbox

    axis.figure.canvas.draw()
    taken = []
    for line in axis.lines:
        dots = axis.transData.transform(line.get_xydata())
        for number, (x, y) in enumerate(dots):
            taken.append(Bbox.from_extents(x - 3, y - 3, x + 3, y + 3))
            for step in range(1, 20):
                if number > 0:
                    x, y = dots[number - 1] + (dots[number] - dots[number - 1]) * step / 20
                    taken.append(Bbox.from_bounds(x, y, 1, 1))
    for text, place, color in labels:
        for offset in _OFFSETS:
            label = axis.annotate(
                text,
                place,
                textcoords="offset points",
                xytext=offset,
                ha=_align(offset[0], "right", "left"),
                va=_align(offset[1], "top", "bottom"),
                fontsize=7,
                color=color,
            )
            box = label.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                break
            if offset != _OFFSETS[-1]:
                label.remove()
        taken.append(box)


def _align(offset: int, negative: str, positive: str) -> str:
    if offset == 0:
        return "center"
    return positive if offset > 0 else negative
