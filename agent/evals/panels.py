"""Draw one panel of a plot: the measurements of one group of answers."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from selfcritic.agent.evals.measurement import Measurement
from selfcritic.agent.evals.report import clean
from selfcritic.agent.evals.sections import critiques, gdc, refinement, sizes
from selfcritic.agent.evals.sections.curves import ORACLE_SUFFIX

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Palette of Okabe and Ito: distinct with any color vision."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GRAY = "#666666"
_MAX_NAME = 40
_BAR_WIDTH = 0.8
"""Width of all bars of one ability together."""
_ABILITY_LABELS = ("G\none\nanswer", "D\ndiscrim-\ninator", "C\ncritique", "oracle")
_UNITS = ((10**9, "B"), (10**6, "M"), (10**3, "k"))


def pick_color(index: int) -> str:
    """Return the color of a critic; colors repeat after seven."""
    return COLORS[index % len(COLORS)]


def pick_marker(index: int) -> str:
    """Return the marker of a critic; markers repeat after seven."""
    return MARKERS[index % len(MARKERS)]


def draw_best_critiques(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw how often the best of N critiques is helpful."""
    _draw_curves(axis, measurements)
    axis.set_ylabel("helpful, of selected critiques")


def draw_best_answers(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw the quality of the best of N answers."""
    _draw_curves(axis, measurements)
    axis.set_ylabel("quality of the selected answer")


def _draw_curves(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw best-of-N by the score with a band, and by the oracle as a dashed line."""
    by_critic = _group_by_critic(measurements)
    for index, (critic, rows) in enumerate(by_critic.items()):
        oracle: list[Measurement] = []
        scored: list[Measurement] = []
        for row in rows:
            is_oracle = row.label.name.endswith(ORACLE_SUFFIX)
            curve = oracle if is_oracle else scored
            curve.append(row)
        color = pick_color(index)
        marker = pick_marker(index)
        name = shorten(critic) or "least critiqueable"
        places = _sizes(scored)
        low, high = _bounds(scored)
        axis.plot(places, _values(scored), marker=marker, color=color, label=name)
        axis.fill_between(places, low, high, color=color, alpha=0.15, linewidth=0)
        axis.plot(_sizes(oracle), _values(oracle), linestyle="--", color=color)
    axis.plot([], [], linestyle="--", color=GRAY, label="chosen by the oracle")
    _set_power_ticks(axis, measurements)
    axis.set_xlabel("N samples to select from")
    _set_share_axis(axis, measurements)
    axis.legend(loc="best")


def draw_gdc(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw the four abilities of each critic as bars."""
    abilities = gdc.ABILITY_NAMES.values()
    rows = [row for row in measurements if row.label.name in abilities]
    by_critic = _group_by_critic(rows)
    width = _BAR_WIDTH / len(by_critic)
    for index, (critic, bars) in enumerate(by_critic.items()):
        shift = width * (index - (len(by_critic) - 1) / 2)
        places = [place + shift for place in range(len(bars))]
        color = pick_color(index)
        name = shorten(critic)
        values = _values(bars)
        axis.bar(places, values, width * 0.9, color=color, alpha=0.75, label=name)
        _draw_intervals(axis, places, bars, "black")
        _label_bars(axis, places, bars)
    axis.set_xticks(range(len(_ABILITY_LABELS)), _ABILITY_LABELS)
    axis.grid(visible=False, axis="x")
    axis.set_ylabel("quality of the chosen answer")
    axis.margins(y=0.12)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))


def _label_bars(axis: Axes, places: Sequence[float], bars: Sequence[Measurement]) -> None:
    """Write the value of each bar above its interval."""
    _, tops = _bounds(bars)
    for place, bar, high in zip(places, bars, tops, strict=True):
        value = bar.estimate.value
        top = max(value, high)
        _annotate(axis, f"{value:.2f}", (place, top), 2)


def draw_arms(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw the accuracy of each arm, with its calls and both transitions."""
    rows = _sort_arms(measurements)
    names = []
    low, high = _bounds(rows)
    for place, row in enumerate(rows):
        names.append(_describe_arm(row, measurements))
        value = row.estimate.value
        color = COLORS[0]
        if row.label.critic == refinement.FIRST_DRAFT:
            color = GRAY
            axis.axvline(value, color=GRAY, linestyle="--", linewidth=1)
        axis.plot([low[place], high[place]], [place, place], color=color, linewidth=2)
        axis.plot([value], [place], marker="o", color=color)
        changes = _describe_changes(row, measurements)
        _annotate(axis, changes, (value, place), 7)
    axis.set_yticks(range(len(rows)), names)
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.set_xlabel("correct answers")
    axis.grid(visible=False, axis="y")


def _sort_arms(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return the accuracy of the first draft, then that of each arm, the highest last."""
    drafts = []
    arms = []
    for row in measurements:
        if row.label.name != refinement.ACCURACY:
            continue
        if row.label.critic == refinement.FIRST_DRAFT:
            drafts.append(row)
        else:
            arms.append(row)
    arms.sort(key=lambda row: row.estimate.value)
    return drafts + arms


def _describe_arm(row: Measurement, measurements: Sequence[Measurement]) -> str:
    """Return an arm's name, with its calls per answer if they are known."""
    critic = row.label.critic
    name = shorten(critic)
    calls = _find_value(measurements, critic, "calls per answer")
    if calls is None:
        return name
    return f"{name}\n{calls:.1f} calls"


def _describe_changes(row: Measurement, measurements: Sequence[Measurement]) -> str:
    """Return which shares of wrong and of correct drafts an arm changed."""
    critic = row.label.critic
    words = []
    fixed = _find_value(measurements, critic, refinement.FIXED)
    if fixed is not None:
        words.append(f"fixed {fixed:.0%}")
    broken = _find_value(measurements, critic, refinement.BROKEN)
    if broken is not None:
        words.append(f"broke {broken:.0%}")
    return ", ".join(words)


def _find_value(measurements: Sequence[Measurement], critic: str, name: str) -> float | None:
    """Return the value of a critic's measurement; None without it."""
    for row in measurements:
        label = row.label
        if label.critic == critic and label.name == name:
            return row.estimate.value
    return None


def draw_sizes(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw critiqueability and helpfulness against the number of parameters."""
    for index, name in enumerate((sizes.CRITIQUEABLE, sizes.HELPFUL)):
        rows = [row for row in measurements if row.label.name == name]
        if not rows:
            continue
        color = pick_color(index)
        marker = pick_marker(index)
        places = _sizes(rows)
        axis.plot(places, _values(rows), marker=marker, color=color, label=name)
        _draw_intervals(axis, places, rows, color)
    numbers = _distinct_sizes(measurements)
    labels = [_format_size(number) for number in numbers]
    axis.set_xscale("log")
    axis.set_xticks(numbers, labels)
    axis.minorticks_off()
    axis.set_xlabel("parameters")
    axis.set_ylabel("share of answers")
    _set_share_axis(axis, measurements)
    axis.legend(loc="best")


def draw_matrix(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw the fraction helpful of each critic (row) on each author's answers (column)."""
    critics = list(_group_by_critic(measurements))
    authors = list(dict.fromkeys(row.label.name for row in measurements))
    values = []
    for _ in critics:
        values.append([float("nan")] * len(authors))
    for row in measurements:
        line = critics.index(row.label.critic)
        column = authors.index(row.label.name)
        value = row.estimate.value
        values[line][column] = value
        color = "white" if value < 0.5 else "black"
        axis.text(column, line, f"{value:.2f}", ha="center", va="center", color=color)
    axis.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    author_names = []
    for author in authors:
        name = author.removeprefix(critiques.AUTHOR_PREFIX)
        author_names.append(shorten(name))
    critic_names = [shorten(name) for name in critics]
    axis.set_xticks(range(len(authors)), author_names, rotation=20, ha="right")
    axis.set_yticks(range(len(critics)), critic_names)
    axis.set_xlabel("author of the answer")
    axis.set_ylabel("critic")
    axis.grid(visible=False)


def _group_by_critic(measurements: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    """Return the measurements of each critic, in order of first appearance."""
    by_critic: dict[str, list[Measurement]] = {}
    for row in measurements:
        by_critic.setdefault(row.label.critic, []).append(row)
    return by_critic


def _draw_intervals(
    axis: Axes, places: Sequence[float], rows: Sequence[Measurement], color: str
) -> None:
    low, high = _bounds(rows)
    for index, place in enumerate(places):
        ends = [low[index], high[index]]
        axis.plot([place, place], ends, color=color, linewidth=1.2)


def _annotate(axis: Axes, text: str, point: tuple[float, float], offset: int) -> None:
    """Write a small text above a point, by an offset in typographic points."""
    axis.annotate(text, point, (0, offset), textcoords="offset points", ha="center", fontsize=8)


def _values(rows: Sequence[Measurement]) -> list[float]:
    return [row.estimate.value for row in rows]


def _bounds(rows: Sequence[Measurement]) -> tuple[list[float], list[float]]:
    """Return the ends of the intervals; an undefined end is the value."""
    low = []
    high = []
    for row in rows:
        estimate = row.estimate
        low.append(_finite(estimate.low, estimate.value))
        high.append(_finite(estimate.high, estimate.value))
    return low, high


def _sizes(rows: Sequence[Measurement]) -> list[float]:
    return [float(row.n or 0) for row in rows]


def _distinct_sizes(rows: Sequence[Measurement]) -> list[int]:
    return sorted({row.n for row in rows if row.n})


def _finite(value: float, default: float) -> float:
    return default if math.isnan(value) else value


def _format_size(number: int) -> str:
    """Return a number of parameters as in names of models, such as 1.1M."""
    for unit, letter in _UNITS:
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return str(number)


def _set_share_axis(axis: Axes, rows: Sequence[Measurement]) -> None:
    """Show the whole range of shares."""
    if all(row.unit == "share" for row in rows):
        axis.set_ylim(-0.02, 1.02)


def _set_power_ticks(axis: Axes, rows: Sequence[Measurement]) -> None:
    """Label each pool size on a logarithmic axis."""
    numbers = _distinct_sizes(rows)
    labels = [str(number) for number in numbers]
    axis.set_xscale("log", base=2)
    axis.set_xticks(numbers, labels)


def shorten(text: str) -> str:
    """Return a name that fits into a legend; a long one loses its middle."""
    shown = clean(text)
    if len(shown) <= _MAX_NAME:
        return shown
    half = (_MAX_NAME - 1) // 2
    return f"{shown[:half]}…{shown[-half:]}"
