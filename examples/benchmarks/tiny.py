"""Whether a tiny model really criticises itself: its bar, on held-out tasks and its own drafts.

    python -m examples.benchmarks.tiny FOLDER... [--count 500] [--seed "held-out 3"]     (make tiny-report)

A folder is one exported model, as `selfcritic train tiny` makes them. Everything is sampled at temperature 1. A
call is one reply of the model: a draft, a critique or a verdict. A draft is accepted below a P(critiqueable) that was
chosen on other tasks. The arms that end in an answer, up to four rounds:

- loop: 8 critiques a draft, refined by the helpful ones about different words, accepted once the model itself finds no
  flaw;
- by one critique: the same, refined by the most helpful one alone;
- direct: the same without critiques (direct refinement);
- resampled: the same with a new draft in the place of a refinement;
- best of n: as many drafts, each with a verdict, as the loop took calls on that task; the least critiqueable one;
- best of m: the same number of drafts on every task, with as many calls as the loop in all.

On flawed first drafts alone: what a refinement comes to by critiques of the model's own, untrue ones and the oracle's,
with direct refinement and a new draft beside. Figures on inserted flaws stand apart: they flatter.
The first table is what was asked of a model that is to be the default; the last but one sets the models side by side.
Shares have Wilson's interval; means, areas and differences task by task a bootstrap's over tasks; all of 95%.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy import stats  # type: ignore[import-untyped]

from examples.benchmarks.critics import mean, share
from examples.benchmarks.tiny_trial import DRAFTS, Trial
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.training.tiny.examples import SIZES


def main(
    folders: Annotated[list[Path], typer.Argument(help="Exported models.")],
    count: Annotated[int, typer.Option(min=10, help="Tasks of each family.")] = 500,
    seed: Annotated[str, typer.Option(help="Of the tasks; no one's but the report's.")] = "held-out 3",
    accept_threshold: Annotated[float, typer.Option(help="P(critiqueable) of a draft that is accepted.")] = 0.1,
    helpful_threshold: Annotated[float, typer.Option(help="P(helpful) of critiques that are followed.")] = 0.5,
) -> None:
    """Print the tables of each model."""
    console = Console(highlight=False, width=120)
    bars: list[tuple[str, list[Aim]]] = []
    speeds = Table(
        "model", "MB", "tokens/s", title=f"size, and speed at {DRAFTS} drafts of a task", title_justify="left"
    )
    for folder in folders:
        engine = Engine(folder)
        for family in engine.tasks:
            trial = Trial(engine, family, count, f"{seed} {family}", accept_threshold, helpful_threshold)
            bars.append((_name(folder), _aims(trial)))
            speeds.add_row(_name(folder), f"{_bytes(folder) / 1e6:.2f}", f"{trial.rate:,.0f}")
            tables = (_judging, _critiques, _arms, _refinements, _by_size)
            for table in (_bar(bars[-1][1]), *(made(trial) for made in tables)):
                table.title = f"{_name(folder)}, {family}, {count} tasks: {table.title}"
                table.title_justify = "left"
                console.print(table)
    console.print(_side_by_side(bars))
    console.print(speeds)


@dataclass(frozen=True)
class Aim:
    """A figure of the bar, as a share, and the least it is to be; the most where that is less than 1."""

    name: str
    figure: float
    least: float
    most: float = 1.0

    @property
    def is_met(self) -> bool:
        """Whether the figure itself is within the aim, whatever its interval."""
        return self.least <= self.figure <= self.most

    @property
    def told(self) -> str:
        """The figure in words; there is none where no draft is right, or none flawed."""
        return "—" if math.isnan(self.figure) else f"{self.figure:.1%}"


def _aims(trial: Trial) -> list[Aim]:
    """What is asked of a tiny model that is to be the default."""
    right = {name: float(np.mean([one.right for one in ended])) for name, ended in trial.ended.items()}
    ones, best = trial.valid()
    ahead = [
        Aim(f"right answers: loop − {name}", right["loop"] - share, 0.15)
        for name, share in right.items()
        if name not in ("loop", "by one critique")
    ]
    return [
        Aim("first drafts right", right["first draft"], 0.3, 0.85),
        Aim("critiqueability AUC, own drafts", _auc(trial.doubts, [bool(one.flaws) for one in trial.first]), 0.9),
        Aim("one forced critique valid", float(np.mean(ones)), 0.6),
        Aim("the best of 8 − one", float(np.mean(best) - np.mean(ones)), 0.1),
        *ahead,
    ]


def _judging(trial: Trial) -> Table:
    """Critiqueability, on own drafts and, apart, on inserted flaws."""
    table = Table("drafts", "flawed", "right", "AUC", "accuracy at 0.5", title="critiqueability")
    flaws = [bool(draft.flaws) for draft in trial.first]
    table.add_row("own", *_judged(trial.doubts, flaws))
    drafts = [*((one.task, one.answer) for one in trial.slips), *((task, task.solution()) for task in trial.tasks)]
    table.add_row("inserted", *_judged(trial.doubts_of(drafts), [True] * len(trial.slips) + [False] * len(trial.tasks)))
    return table


def _critiques(trial: Trial) -> Table:
    """Forced critiques of flawed own drafts, one sample and the best of 8."""
    table = Table("flawed drafts", "one is valid", "best of 8", "gain", "one of 8 at least", title="critiques")
    ones, best = trial.valid()
    gains = [high - low for high, low in zip(best, ones, strict=True)]
    table.add_row(
        str(len(ones)), mean(ones, "{:.1%}"), share([hit > 0 for hit in best]), mean(gains, "{:+.1%}"),
        share([hit > 0 for hit in ones]),
    )  # fmt: skip
    return table


def _arms(trial: Trial) -> Table:
    """How often each arm is right, and by how much the loop is ahead."""
    table = Table("", "right", "calls a task", "loop is ahead by", title="the loop and its rivals")
    loop = [float(one.right) for one in trial.ended["loop"]]
    for name, ended in trial.ended.items():
        ahead = [own - one.right for own, one in zip(loop, ended, strict=True)]
        calls = f"{np.mean([one.calls for one in ended]):.1f}"
        row = share([one.right for one in ended]), calls, mean(ahead, "{:+.1%}") if name != "loop" else ""
        table.add_row(name, *row)
    return table


def _refinements(trial: Trial) -> Table:
    """What becomes of a flawed own draft."""
    table = Table("refined by", "right", "fewer flaws", title="flawed first drafts, refined once")
    for name, after in trial.refined().items():
        fewer = [len(now.flaws) < len(was.flaws) for was, now in zip(trial.flawed, after, strict=True)]
        table.add_row(name, share([not one.flaws for one in after]), share(fewer))
    return table


def _by_size(trial: Trial) -> Table:
    """The arms' right answers by size of task, in six bands at most."""
    table = Table("size", "tasks", *trial.ended, title="right answers by size")
    sizes = SIZES[trial.family]
    for band in np.array_split(sizes, min(len(sizes), 6)):
        places = [at for at, size in enumerate(trial.sizes) if size in band]
        shares = [f"{np.mean([ended[at].right for at in places]):.0%}" for ended in trial.ended.values() if places]
        table.add_row("–".join(map(str, dict.fromkeys((band[0], band[-1])))), str(len(places)), *shares)
    return table


def _name(folder: Path) -> str:
    """What a model is called: its folder, and the one around it where it is one of a training's two exports."""
    exported = folder.name in ("float32", "int8")
    return f"{folder.parent.name} {folder.name}" if exported else folder.name


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _bar(aims: Sequence[Aim]) -> Table:
    table = Table("", "figure", "asked", "met", title="the bar")
    for aim in aims:
        asked = f"≥ {aim.least:.0%}" if aim.most == 1 else f"{aim.least:.0%} to {aim.most:.0%}"
        table.add_row(aim.name, aim.told, asked, "yes" if aim.is_met else "no")
    return table


def _side_by_side(bars: Sequence[tuple[str, list[Aim]]]) -> Table:
    """One row a figure of the bar, one column a model; an asterisk where it is met."""
    table = Table("", *(name for name, _ in bars), title="side by side (* the bar is met)", title_justify="left")
    for row in zip(*(aims for _, aims in bars), strict=True):
        table.add_row(row[0].name, *(f"{aim.told}{'*' if aim.is_met else ''}" for aim in row))
    return table


def _judged(doubts: Sequence[float], flaws: Sequence[bool]) -> list[str]:
    hits = [(doubt >= 0.5) == flaw for doubt, flaw in zip(doubts, flaws, strict=True)]
    return [str(sum(flaws)), str(len(flaws) - sum(flaws)), _area(doubts, flaws), share(hits)]


def _area(doubts: Sequence[float], flaws: Sequence[bool]) -> str:
    """The area under the curve, with a bootstrap's interval."""
    flawed, right = _apart(doubts, flaws)
    if min(len(flawed), len(right)) < 2:
        return "—"
    found = stats.bootstrap(
        (flawed, right), _share_above, vectorized=False, n_resamples=2000, rng=1, method="percentile"
    )
    low, high = found.confidence_interval
    return f"{_share_above(flawed, right):.3f} ({low:.3f}–{high:.3f})"


def _auc(doubts: Sequence[float], flaws: Sequence[bool]) -> float:
    flawed, right = _apart(doubts, flaws)
    return _share_above(flawed, right) if flawed and right else float("nan")


def _apart(doubts: Sequence[float], flaws: Sequence[bool]) -> tuple[list[float], list[float]]:
    flawed, right = (
        [doubt for doubt, flaw in zip(doubts, flaws, strict=True) if flaw is kind] for kind in (True, False)
    )
    return flawed, right


def _share_above(flawed: Sequence[float], right: Sequence[float]) -> float:
    """How often a flawed draft is doubted more than a right one: the area under the curve."""
    return float(stats.mannwhitneyu(flawed, right).statistic / (len(flawed) * len(right)))


if __name__ == "__main__":
    typer.run(main)
