"""Draw one panel of a plot: the measurements of one group of answers."""

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


def _draw_curves(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw best-of-N by the score with a band, and by the oracle as a dashed line."""
    critics = list(dict.fromkeys(row.label.critic for row in measurements))
    for index, critic in enumerate(critics):
        rows = [row for row in measurements if row.label.critic == critic]
        oracle = [row for row in rows if row.label.name.endswith(ORACLE_SUFFIX)]
        scored = [row for row in rows if not row.label.name.endswith(ORACLE_SUFFIX)]
        color = COLORS[index % len(COLORS)]
        name = shorten(critic) or "least critiqueable"
        marker = MARKERS[index % len(MARKERS)]
        axis.plot(_sizes(scored), _values(scored), marker=marker, color=color, label=name)
        low = [row.estimate.low for row in scored]
        high = [row.estimate.high for row in scored]
        axis.fill_between(_sizes(scored), low, high, color=color, alpha=0.15, linewidth=0)
        axis.plot(_sizes(oracle), _values(oracle), linestyle="--", color=color)
    axis.plot([], [], linestyle="--", color=GRAY, label="chosen by the oracle")
    _set_power_ticks(axis, sorted({row.n for row in measurements if row.n}))
    axis.set_xlabel("N samples to select from")
    _set_share_axis(axis, measurements)
    axis.legend(loc="best")


def draw_best_critiques(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw how often the best of N critiques is helpful."""
    _draw_curves(axis, measurements)
    axis.set_ylabel("helpful, of selected critiques")


def draw_best_answers(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw the quality of the best of N answers."""
    _draw_curves(axis, measurements)
    axis.set_ylabel("quality of the selected answer")


def draw_gdc(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw the four abilities of each critic as bars."""
    rows = [row for row in measurements if row.label.name in gdc.ABILITY_NAMES.values()]
    critics = list(dict.fromkeys(row.label.critic for row in rows))
    width = 0.8 / len(critics)
    for index, critic in enumerate(critics):
        bars = [row for row in rows if row.label.critic == critic]
        places = [place + width * (index - (len(critics) - 1) / 2) for place in range(len(bars))]
        color = COLORS[index % len(COLORS)]
        axis.bar(places, _values(bars), width * 0.9, color=color, alpha=0.75, label=shorten(critic))
        _draw_intervals(axis, places, bars, "black")
        for place, bar in zip(places, bars, strict=True):
            top = max(bar.estimate.value, _finite(bar.estimate.high, bar.estimate.value))
            axis.annotate(
                f"{bar.estimate.value:.2f}",
                (place, top),
                (0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
    axis.set_xticks(
        range(len(gdc.ABILITY_NAMES)),
        ["G\none\nanswer", "D\ndiscrim-\ninator", "C\ncritique", "oracle"],
    )
    axis.grid(visible=False, axis="x")
    axis.set_ylabel("quality of the chosen answer")
    axis.margins(y=0.12)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))


def draw_arms(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw the accuracy of each arm, with its calls and both transitions."""
    rows = [row for row in measurements if row.label.name == refinement.ACCURACY]
    rows.sort(key=lambda row: (row.label.critic != refinement.FIRST_DRAFT, row.estimate.value))
    places = list(range(len(rows)))
    for place, row in zip(places, rows, strict=True):
        is_draft = row.label.critic == refinement.FIRST_DRAFT
        color = GRAY if is_draft else COLORS[0]
        estimate = row.estimate
        low = _finite(estimate.low, estimate.value)
        high = _finite(estimate.high, estimate.value)
        axis.plot([low, high], [place, place], color=color, linewidth=2)
        axis.plot([estimate.value], [place], marker="o", color=color)
        axis.annotate(
            _describe_changes(row, measurements),
            (estimate.value, place),
            (0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
        if is_draft:
            axis.axvline(estimate.value, color=GRAY, linestyle="--", linewidth=1)
    axis.set_yticks(places, [_describe_arm(row, measurements) for row in rows])
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.set_xlabel("correct answers")
    axis.grid(visible=False, axis="y")


def _describe_arm(row: Measurement, measurements: Sequence[Measurement]) -> str:
    """Return an arm's name, with its calls per answer if they are known."""
    name = shorten(row.label.critic)
    for other in measurements:
        if other.label.critic == row.label.critic and other.label.name == "calls per answer":
            return f"{name}\n{other.estimate.value:.1f} calls"
    return name


def _describe_changes(row: Measurement, measurements: Sequence[Measurement]) -> str:
    """Return which shares of wrong and of correct drafts an arm changed."""
    words = []
    for name, verb in ((refinement.FIXED, "fixed"), (refinement.BROKEN, "broke")):
        for other in measurements:
            if other.label.critic == row.label.critic and other.label.name == name:
                words.append(f"{verb} {other.estimate.value:.0%}")
    return ", ".join(words)


def draw_sizes(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw critiqueability and helpfulness against the number of parameters."""
    for index, name in enumerate((sizes.CRITIQUEABLE, sizes.HELPFUL)):
        rows = [row for row in measurements if row.label.name == name]
        if not rows:
            continue
        color = COLORS[index]
        axis.plot(_sizes(rows), _values(rows), marker=MARKERS[index], color=color, label=name)
        _draw_intervals(axis, _sizes(rows), rows, color)
    numbers = sorted({row.n for row in measurements if row.n})
    axis.set_xscale("log")
    axis.set_xticks(numbers, [_format_size(number) for number in numbers])
    axis.minorticks_off()
    axis.set_xlabel("parameters")
    axis.set_ylabel("share of answers")
    _set_share_axis(axis, measurements)
    axis.legend(loc="best")


def draw_matrix(axis: Axes, measurements: Sequence[Measurement]) -> None:
    """Draw the fraction helpful of each critic (row) on each author's answers (column)."""
    critics = list(dict.fromkeys(row.label.critic for row in measurements))
    authors = list(dict.fromkeys(row.label.name for row in measurements))
    values = [[float("nan")] * len(authors) for _ in critics]
    for row in measurements:
        place = (critics.index(row.label.critic), authors.index(row.label.name))
        values[place[0]][place[1]] = row.estimate.value
        color = "white" if row.estimate.value < 0.5 else "black"
        axis.text(
            place[1], place[0], f"{row.estimate.value:.2f}", ha="center", va="center", color=color
        )
    axis.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    names = [shorten(name.removeprefix(critiques.AUTHOR_PREFIX)) for name in authors]
    axis.set_xticks(range(len(authors)), names, rotation=20, ha="right")
    axis.set_yticks(range(len(critics)), [shorten(name) for name in critics])
    axis.set_xlabel("author of the answer")
    axis.set_ylabel("critic")
    axis.grid(visible=False)


def _draw_intervals(
    axis: Axes, places: Sequence[float], rows: Sequence[Measurement], color: str
) -> None:
    for place, row in zip(places, rows, strict=True):
        low = _finite(row.estimate.low, row.estimate.value)
        high = _finite(row.estimate.high, row.estimate.value)
        axis.plot([place, place], [low, high], color=color, linewidth=1.2)


def _values(rows: Sequence[Measurement]) -> list[float]:
    return [row.estimate.value for row in rows]


def _sizes(rows: Sequence[Measurement]) -> list[float]:
    return [float(row.n or 0) for row in rows]


def _finite(value: float, default: float) -> float:
    return value if value == value else default


def _format_size(number: int) -> str:
    """Return a number of parameters as in names of models, such as 1.1M."""
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return str(number)


def _set_share_axis(axis: Axes, rows: Sequence[Measurement]) -> None:
    """Show the whole range of shares."""
    if all(row.unit == "share" for row in rows):
        axis.set_ylim(-0.02, 1.02)


def _set_power_ticks(axis: Axes, numbers: Sequence[int]) -> None:
    """Label each pool size on a logarithmic axis."""
    axis.set_xscale("log", base=2)
    axis.set_xticks(numbers, [str(number) for number in numbers])


def shorten(text: str) -> str:
    """Return a name that fits into a legend."""
    shown = clean(text)
    if len(shown) > _MAX_NAME:
        shown = shown[: _MAX_NAME - 1] + "…"
    return shown
