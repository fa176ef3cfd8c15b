"""Measure whether a tiny model criticizes its own drafts, on held-out tasks.

    python -m examples.benchmarks.tiny FOLDER... [--count 500] [--seed "held-out 3"]     (make tiny-report)

FOLDER is a model that `selfcritic train tiny` exported. All sampling uses temperature 1. A call is one reply of the
model: a draft, a critique or a verdict. A draft is accepted if its P(critiqueable) is below a threshold that was chosen
on other tasks. Each of these arms returns an answer after at most four refinements:

- loop: 8 critiques per draft; refines with the helpful ones about different words, and accepts a draft in which the
  model finds no flaw;
- by one critique: the same, but refines with the most helpful critique only;
- direct: the same without critiques (direct refinement);
- resampled: the same with a new draft instead of a refinement;
- best of n: as many drafts with verdicts as the loop made calls on that task; takes the least critiqueable one;
- best of m: the same number of drafts for every task, with as many calls in total as the loop.

Flawed first drafts are also refined once: with the model's own critiques, false ones and the oracle's, compared with
direct refinement and a new draft. Results on injected flaws are listed separately, as they are too optimistic. The
first table has the targets. The second-to-last table compares the models.
All intervals are 95%: Wilson's for shares, a bootstrap over tasks for means, areas and paired differences.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy import stats

from examples.benchmarks.critics import mean, share
from examples.benchmarks.tiny_arms import ACCEPT_THRESHOLD, arm_table
from examples.benchmarks.tiny_trial import NUM_DRAFTS, Trial
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.training.tiny.examples import SIZES

_MAX_SIZE_BANDS = 6
_RIVALS = ("first draft", "direct", "resampled", "best of n", "best of m")


@dataclass(frozen=True)
class Target:
    """A measured share and its target range."""

    name: str
    value: float
    minimum: float
    maximum: float = 1.0

    @property
    def is_met(self) -> bool:
        """Check the value itself, without its interval."""
        return self.minimum <= self.value <= self.maximum

    @property
    def value_text(self) -> str:
        """Format the value; it is undefined if all drafts are correct or all flawed."""
        return "—" if math.isnan(self.value) else f"{self.value:.1%}"

    @property
    def range_text(self) -> str:
        """Format the range."""
        if self.maximum == 1:
            return f"≥ {self.minimum:.0%}"
        return f"{self.minimum:.0%} to {self.maximum:.0%}"


class ModelTargets(NamedTuple):
    """The measured targets of one model."""

    model: str
    targets: list[Target]


def main(
    folders: Annotated[list[Path], typer.Argument(help="Exported models.")],
    count: Annotated[int, typer.Option(min=10, help="Tasks of each type.")] = 500,
    seed: Annotated[
        str, typer.Option(help="Seed of the tasks; use another one to tune.")
    ] = "held-out 3",
    accept_threshold: Annotated[
        float, typer.Option(help="Accept drafts below this P(critiqueable).")
    ] = ACCEPT_THRESHOLD,
    helpful_threshold: Annotated[
        float, typer.Option(help="Apply critiques above this P(helpful).")
    ] = 0.5,
) -> None:
    """Print the tables of each model."""
    console = Console(highlight=False, width=120)
    measured: list[ModelTargets] = []
    speed_title = f"size, and speed at {NUM_DRAFTS} drafts of a task"
    speeds = Table("model", "MB", "tokens/s", title=speed_title, title_justify="left")
    for folder in folders:
        engine = Engine(folder)
        model = _model_name(folder)
        for task_name in engine.tasks:
            trial = Trial(
                engine, task_name, count, f"{seed} {task_name}", accept_threshold, helpful_threshold
            )
            targets = _measure_targets(trial)
            measured.append(ModelTargets(model, targets))
            speeds.add_row(
                model, f"{_folder_size(folder) / 1e6:.2f}", f"{trial.tokens_per_second:,.0f}"
            )
            tables = [
                _target_table(targets),
                _verdict_table(trial),
                _critique_table(trial),
                arm_table(trial.outcomes),
                _refinement_table(trial),
                _size_table(trial),
            ]
            for table in tables:
                table.title = f"{model}, {task_name}, {count} tasks: {table.title}"
                table.title_justify = "left"
                console.print(table)
    console.print(_comparison_table(measured))
    console.print(speeds)


def _measure_targets(trial: Trial) -> list[Target]:
    """Measure the values that have a target."""
    accuracy = {}
    for arm, outcomes in trial.outcomes.items():
        accuracy[arm] = float(np.mean([outcome.is_correct for outcome in outcomes]))
    single, best = trial.critique_validity()
    auc = _auc(trial.p_flawed, [bool(draft.flaws) for draft in trial.first_drafts])
    targets = [
        Target("first drafts right", accuracy["first draft"], 0.3, 0.85),
        Target("critiqueability AUC, own drafts", auc, 0.9),
        Target("one forced critique valid", float(np.mean(single)), 0.6),
        Target("the best of 8 − one", float(np.mean(best) - np.mean(single)), 0.1),
    ]
    for arm in _RIVALS:
        targets.append(
            Target(f"right answers: loop − {arm}", accuracy["loop"] - accuracy[arm], 0.15)
        )
    return targets


def _target_table(targets: Sequence[Target]) -> Table:
    table = Table("", "figure", "asked", "met", title="the bar")
    for target in targets:
        table.add_row(
            target.name, target.value_text, target.range_text, "yes" if target.is_met else "no"
        )
    return table


def _verdict_table(trial: Trial) -> Table:
    """Compare verdicts with the oracle, on drafts and on injected flaws."""
    table = Table("drafts", "flawed", "right", "AUC", "accuracy at 0.5", title="critiqueability")
    is_flawed = [bool(draft.flaws) for draft in trial.first_drafts]
    table.add_row("own", *_verdict_cells(trial.p_flawed, is_flawed))
    drafts = [(draft.task, draft.answer) for draft in trial.injected]
    drafts += [(task, task.solution()) for task in trial.tasks]
    is_flawed = [True] * len(trial.injected) + [False] * len(trial.tasks)
    table.add_row("inserted", *_verdict_cells(trial.judge(drafts), is_flawed))
    return table


def _verdict_cells(p_flawed: Sequence[float], is_flawed: Sequence[bool]) -> list[str]:
    num_flawed = sum(is_flawed)
    num_correct = len(is_flawed) - num_flawed
    hits = [(p >= 0.5) == flawed for p, flawed in zip(p_flawed, is_flawed, strict=True)]
    return [str(num_flawed), str(num_correct), _auc_with_interval(p_flawed, is_flawed), share(hits)]


def _critique_table(trial: Trial) -> Table:
    """Compare one forced critique of a flawed draft with the best of 8."""
    table = Table(
        "flawed drafts", "one is valid", "best of 8", "gain", "one of 8 at least", title="critiques"
    )
    single, best = trial.critique_validity()
    gains = [
        best_valid - single_valid for best_valid, single_valid in zip(best, single, strict=True)
    ]
    table.add_row(
        str(len(single)),
        mean(single, "{:.1%}"),
        share([is_valid > 0 for is_valid in best]),
        mean(gains, "{:+.1%}"),
        share([valid_share > 0 for valid_share in single]),
    )
    return table


def _refinement_table(trial: Trial) -> Table:
    """Count the flawed drafts that one refinement fixes or improves."""
    table = Table("refined by", "right", "fewer flaws", title="flawed first drafts, refined once")
    for name, refined in trial.refine_flawed_drafts().items():
        pairs = zip(trial.flawed_drafts, refined, strict=True)
        is_better = [len(after.flaws) < len(before.flaws) for before, after in pairs]
        is_correct = [not draft.flaws for draft in refined]
        table.add_row(name, share(is_correct), share(is_better))
    return table


def _size_table(trial: Trial) -> Table:
    """Compare the accuracy of the arms by task size."""
    table = Table("size", "tasks", *trial.outcomes, title="right answers by size")
    sizes = SIZES[trial.task_name]
    for band in np.array_split(sizes, min(len(sizes), _MAX_SIZE_BANDS)):
        indexes = [index for index, size in enumerate(trial.sizes) if size in band]
        cells = []
        if indexes:
            for outcomes in trial.outcomes.values():
                accuracy = np.mean([outcomes[index].is_correct for index in indexes])
                cells.append(f"{accuracy:.0%}")
        label = "–".join(map(str, dict.fromkeys((band[0], band[-1]))))
        table.add_row(label, str(len(indexes)), *cells)
    return table


def _comparison_table(measured: Sequence[ModelTargets]) -> Table:
    """Show one target per row and one model per column."""
    models = [model for model, _ in measured]
    table = Table("", *models, title="side by side (* the bar is met)", title_justify="left")
    for row in zip(*(targets for _, targets in measured), strict=True):
        cells = []
        for target in row:
            mark = "*" if target.is_met else ""
            cells.append(target.value_text + mark)
        table.add_row(row[0].name, *cells)
    return table


def _model_name(folder: Path) -> str:
    """Return the folder's name, with its parent's for a training export."""
    if folder.name in ("float32", "int8"):
        return f"{folder.parent.name} {folder.name}"
    return folder.name


def _folder_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _auc(p_flawed: Sequence[float], is_flawed: Sequence[bool]) -> float:
    flawed, correct = _split_by_label(p_flawed, is_flawed)
    if not flawed or not correct:
        return float("nan")
    return _area_under_curve(flawed, correct)


def _auc_with_interval(p_flawed: Sequence[float], is_flawed: Sequence[bool]) -> str:
    flawed, correct = _split_by_label(p_flawed, is_flawed)
    if min(len(flawed), len(correct)) < 2:
        return "—"
    result = stats.bootstrap(
        (flawed, correct),
        _area_under_curve,
        vectorized=False,
        n_resamples=2000,
        rng=1,
        method="percentile",
    )
    low, high = result.confidence_interval
    return f"{_area_under_curve(flawed, correct):.3f} ({low:.3f}–{high:.3f})"


def _split_by_label(
    p_flawed: Sequence[float], is_flawed: Sequence[bool]
) -> tuple[list[float], list[float]]:
    """Split P(critiqueable) by whether the draft is flawed."""
    pairs = list(zip(p_flawed, is_flawed, strict=True))
    flawed = [p for p, is_draft_flawed in pairs if is_draft_flawed]
    correct = [p for p, is_draft_flawed in pairs if not is_draft_flawed]
    return flawed, correct


def _area_under_curve(flawed: Sequence[float], correct: Sequence[float]) -> float:
    """Return the probability that a flawed draft ranks above a correct one."""
    wins = stats.mannwhitneyu(flawed, correct).statistic
    return float(wins / (len(flawed) * len(correct)))


if __name__ == "__main__":
    typer.run(main)
