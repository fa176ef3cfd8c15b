"""Whether an embedded model really criticises itself: its bar, on held-out tasks and its own drafts.

    python -m examples.benchmarks.embedded FOLDER... [--count 500] [--seed "held-out 1"]     (make embedded-report)

A folder is one exported model, as `selfcritic train embedded` makes them. Everything is sampled at temperature 1. A
call is one reply of the model: a draft, a critique or a verdict. A draft is accepted below a P(critiqueable) that was
chosen on other tasks. The arms that end in an answer, up to four rounds:

- loop: 8 critiques a draft, refined by the helpful ones about different words, accepted once the model itself finds no
  flaw;
- by one critique: the same, refined by the most helpful one alone;
- direct: the same without critiques (direct refinement);
- resampled: the same with a new draft in the place of a refinement;
- best of n: as many drafts, each with a verdict, as the loop took calls on that task; the least critiqueable one;
- best of m: the same number of drafts on every task, with as many calls as the loop in all.

On flawed first drafts alone: what a refinement comes to by the model's own best critique, by an untrue one and by the
oracle's, with direct refinement and a new draft beside. Figures on inserted flaws stand apart: they flatter.
The first table is what was asked of a model that is to be the default; the last but one sets the models side by side.
Shares have Wilson's interval; means, areas and differences task by task a bootstrap's over tasks; all of 95%.
"""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import stats  # type: ignore[import-untyped]

from examples.benchmarks.critics import mean, share
from selfcritic.agent.context import Context
from selfcritic.agent.data.families import Task
from selfcritic.agent.errors import ModelError
from selfcritic.agent.models.embedded import EmbeddedModel
from selfcritic.agent.models.engine import Engine
from selfcritic.agent.parsing import body, ground, render
from selfcritic.agent.schemas import Draft
from selfcritic.agent.scoring.chosen import choose, together
from selfcritic.agent.training.documents import SIZES, TRAINED, Judged, ask, is_helpful, slipped
from selfcritic.graphs import create_self_critique
from selfcritic.prompts import Role

CRITIQUES, FOLLOWED, ROUNDS, DRAFTS = 8, 6, 4, 48
"""Critiques of a draft, followed at once and refinements at most, and drafts of a task for the arms that only draw."""


def main(
    folders: Annotated[list[Path], typer.Argument(help="Exported models.")],
    count: Annotated[int, typer.Option(min=10, help="Tasks of each family.")] = 500,
    seed: Annotated[str, typer.Option(help="Of the tasks; no one's but the report's.")] = "held-out 1",
    accept_below: Annotated[float, typer.Option(help="P(critiqueable) of a draft that is accepted.")] = 0.1,
    helpful_above: Annotated[float, typer.Option(help="P(helpful) of critiques that are followed.")] = 0.5,
) -> None:
    """Print the tables of each model."""
    console = Console(highlight=False, width=120)
    bars: list[tuple[str, list[Aim]]] = []
    speeds = Table(
        "model", "MB", "tokens/s", title=f"size, and speed at {DRAFTS} drafts of a task", title_justify="left"
    )
    for folder in folders:
        engine = Engine(folder)
        for family in engine.families:
            trial = Trial(engine, family, count, f"{seed} {family}", accept_below, helpful_above)
            bars.append((_name(folder), trial.bar()))
            speeds.add_row(_name(folder), f"{_bytes(folder) / 1e6:.2f}", f"{trial.rate:,.0f}")
            tables = (trial.judging(), trial.critiques(), trial.arms(), trial.refinements(), trial.by_size())
            for table in (_bar(bars[-1][1]), *tables):
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


@dataclass(frozen=True)
class Ended:
    """How an arm ended on one task."""

    right: bool
    calls: int


class Trial:
    """One model on one family: what it drew, and the tables of it."""

    def __init__(
        self, engine: Engine, family: str, count: int, seed: str, accept_below: float, helpful_above: float
    ) -> None:
        self.engine, self.family, self.rng = engine, family, random.Random(seed)
        self.accept_below, self.helpful_above = accept_below, helpful_above
        self.sizes = [self.rng.choice(SIZES[family]) for _ in range(count)]
        self.tasks = [TRAINED[family].generate(self.rng, size) for size in self.sizes]
        self.slips = [slipped(task, self.rng) for task in self.tasks]
        looped = asyncio.run(self._looped(follow=FOLLOWED, helpful_above=helpful_above))
        by_one = asyncio.run(self._looped(follow=1, helpful_above=0.0))
        direct = asyncio.run(self._looped(refinement="direct"))
        self.first = [Judged.of(task, rounds[0].answer) for task, (rounds, _) in zip(self.tasks, looped, strict=True)]
        self.doubts = [rounds[0].p_critiqueable or 0.0 for rounds, _ in looped]
        self.flawed = [draft for draft in self.first if draft.flaws]
        self.ended = {"first draft": [Ended(not draft.flaws, 1) for draft in self.first]}
        self.ended |= {
            "loop": self._ended(looped),
            "by one critique": self._ended(by_one),
            "direct": self._ended(direct),
        }
        self._draw()
        self.pools = self._pools()

    async def _looped(self, **differs: Any) -> list[tuple[list[Draft], str]]:
        """The rounds and the answer on each task; the same seed draws the same first draft in all arms."""
        found = []
        options = Context(
            model=EmbeddedModel(folder=self.engine.folder),
            critiques=CRITIQUES,
            max_rounds=ROUNDS,
            patience=ROUNDS,
            accept_below=self.accept_below,
            **differs,
        )
        graph = create_self_critique().compile()
        for seed, task in enumerate(track(self.tasks, description=str(differs), transient=True)):
            own = options.model_copy(update={"seed": seed})
            try:
                told = await graph.ainvoke({"question": task.question}, context=own)
            except ModelError:  # a first draft without a word, as a model that has learnt little may make it
                found.append(([Draft(answer="")], ""))
            else:
                found.append((told["rounds"], told["answer"]))
        return found

    def _ended(self, ran: Sequence[tuple[list[Draft], str]]) -> list[Ended]:
        spent = [sum(2 + len(one.critiques) + _distinct(one) for one in rounds) for rounds, _ in ran]
        return [
            Ended(task.is_right(answer), calls) for task, (_, answer), calls in zip(self.tasks, ran, spent, strict=True)
        ]

    def _draw(self) -> None:
        """The arms that only draw drafts, from one pool a task."""
        prompts = [ask("generate", task.question) for task in self.tasks]
        resampled, best, even = [], [], []
        m = max(round(float(np.mean([one.calls for one in self.ended["loop"]])) / 2), 1)
        start = time.perf_counter()
        pools = self.engine.complete(prompts, DRAFTS, 1)
        drawn = sum(len(self.engine.tokens.encode(reply.text)) for pool in pools for reply in pool)
        self.rate = drawn / (time.perf_counter() - start)
        for task, pool, looped in zip(self.tasks, pools, self.ended["loop"], strict=True):
            texts = [reply.text for reply in pool]
            doubts = self._doubts([(task, text) for text in texts])
            accepted = [at for at in range(ROUNDS + 1) if doubts[at] < self.accept_below][:1]
            taken = accepted[0] + 1 if accepted else ROUNDS + 1
            resampled.append(Ended(task.is_right(texts[_least(doubts[:taken])]), 2 * taken))
            n = min(max(looped.calls // 2, 1), DRAFTS)
            best.append(Ended(task.is_right(texts[_least(doubts[:n])]), 2 * n))
            even.append(Ended(task.is_right(texts[_least(doubts[:m])]), 2 * m))
        self.ended |= {"resampled": resampled, "best of n": best, "best of m": even}

    def _doubts(self, drafts: Sequence[tuple[Task, str]]) -> list[float]:
        """P(critiqueable) of answers."""
        prompts = [ask("classify", task.question, answer=answer) for task, answer in drafts]
        return [reply.p_yes for [reply] in self.engine.complete(prompts, seed=2)]

    def bar(self) -> list[Aim]:
        """What is asked of an embedded model that is to be the default."""
        right = {name: float(np.mean([one.right for one in ended])) for name, ended in self.ended.items()}
        ones, best = self._valid()
        ahead = [
            Aim(f"right answers: loop − {name}", right["loop"] - share, 0.15)
            for name, share in right.items()
            if name not in ("loop", "by one critique")
        ]
        return [
            Aim("first drafts right", right["first draft"], 0.3, 0.85),
            Aim("critiqueability AUC, own drafts", _auc(self.doubts, [bool(one.flaws) for one in self.first]), 0.9),
            Aim("one forced critique valid", float(np.mean(ones)), 0.6),
            Aim("the best of 8 − one", float(np.mean(best) - np.mean(ones)), 0.1),
            *ahead,
        ]

    def _valid(self) -> tuple[list[float], list[float]]:
        """Of each flawed draft, the share of its critiques that are valid, and whether the one held best is."""
        valid = [
            [is_helpful(draft, text) for text, _ in pool] for draft, pool in zip(self.flawed, self.pools, strict=True)
        ]
        best = [float(hits[_best(pool)]) for hits, pool in zip(valid, self.pools, strict=True)]
        return [sum(hits) / len(hits) for hits in valid], best

    def judging(self) -> Table:
        """Critiqueability, on own drafts and, apart, on inserted flaws."""
        table = Table("drafts", "flawed", "right", "AUC", "accuracy at 0.5", title="critiqueability")
        flaws = [bool(draft.flaws) for draft in self.first]
        table.add_row("own", *_judged(self.doubts, flaws))
        drafts = [*((one.task, one.answer) for one in self.slips), *((task, task.solution()) for task in self.tasks)]
        table.add_row("inserted", *_judged(self._doubts(drafts), [True] * len(self.slips) + [False] * len(self.tasks)))
        return table

    def critiques(self) -> Table:
        """Forced critiques of flawed own drafts, one sample and the best of 8."""
        table = Table("flawed drafts", "one is valid", "best of 8", "gain", "one of 8 at least", title="critiques")
        ones, best = self._valid()
        gains = [high - low for high, low in zip(best, ones, strict=True)]
        table.add_row(
            str(len(ones)), mean(ones, "{:.1%}"), share([hit > 0 for hit in best]), mean(gains, "{:+.1%}"),
            share([hit > 0 for hit in ones]),
        )  # fmt: skip
        return table

    def _pools(self) -> list[list[tuple[str, float]]]:
        """Eight critiques of each flawed draft, with P(helpful)."""
        prompts = [ask("critique", draft.task.question, answer=draft.answer) for draft in self.flawed]
        pools = []
        for draft, replies in zip(self.flawed, self.engine.complete(prompts, CRITIQUES, 3), strict=True):
            texts = [reply.text for reply in replies]
            asked = [self._about(draft, "helpfulness", text) for text in texts]
            found = [reply.p_yes for [reply] in self.engine.complete(asked, seed=4)]
            pools.append(list(zip(texts, found, strict=True)))
        return pools

    def _about(self, draft: Judged, role: Role, critique: str) -> str:
        said = body(ground(critique, draft.answer))
        return ask(role, draft.task.question, answer=draft.answer, critique=said)

    def arms(self) -> Table:
        """How often each arm is right, and by how much the loop is ahead."""
        table = Table("", "right", "calls a task", "loop is ahead by", title="the loop and its rivals")
        loop = [float(one.right) for one in self.ended["loop"]]
        for name, ended in self.ended.items():
            ahead = [own - one.right for own, one in zip(loop, ended, strict=True)]
            calls = f"{np.mean([one.calls for one in ended]):.1f}"
            row = share([one.right for one in ended]), calls, mean(ahead, "{:+.1%}") if name != "loop" else ""
            table.add_row(name, *row)
        return table

    def refinements(self) -> Table:
        """What becomes of a flawed own draft."""
        table = Table("refined by", "right", "fewer flaws", title="flawed first drafts, refined once")
        own = [pool[_best(pool)][0] for pool in self.pools]
        several = [self._followed(draft, pool) for draft, pool in zip(self.flawed, self.pools, strict=True)]
        untrue = [render([draft.task.invent(draft.answer, self.rng)]) for draft in self.flawed]
        oracle = [render([self.rng.choice(draft.flaws)]) for draft in self.flawed]
        many = [self.rng.sample(draft.flaws, min(len(draft.flaws), FOLLOWED)) for draft in self.flawed]
        all_told = [render(sorted(told, key=lambda comment: comment.start or 0)) for told in many]
        critiques = {
            "its own best critique": own,
            "its own helpful ones": several,
            "an untrue critique": untrue,
            "the oracle's, of one flaw": oracle,
            "the oracle's, of six at most": all_told,
        }
        for name, texts in critiques.items():
            prompts = [self._about(draft, "refine", text) for draft, text in zip(self.flawed, texts, strict=True)]
            table.add_row(name, *self._refined(prompts))
        asked = [ask("refine_directly", draft.task.question, answer=draft.answer) for draft in self.flawed]
        table.add_row("nothing (direct)", *self._refined(asked))
        asked = [ask("generate", draft.task.question) for draft in self.flawed]
        table.add_row("nothing (a new draft)", *self._refined(asked))
        return table

    def _followed(self, draft: Judged, pool: list[tuple[str, float]]) -> str:
        """What the loop follows of a pool, and the best of it where none is helpful enough."""
        critiques = [ground(text, draft.answer).model_copy(update={"reward": helpful}) for text, helpful in pool]
        taken = choose(critiques, 0.0, FOLLOWED, lambda one: (one.reward or 0.0) > self.helpful_above)
        return together([critiques[at] for at in taken or [_best(pool)]]).text

    def _refined(self, prompts: Sequence[str]) -> list[str]:
        after = [
            Judged.of(draft.task, reply.text)
            for draft, [reply] in zip(self.flawed, self.engine.complete(prompts, seed=5), strict=True)
        ]
        fewer = [len(now.flaws) < len(was.flaws) for was, now in zip(self.flawed, after, strict=True)]
        return [share([not one.flaws for one in after]), share(fewer)]

    def by_size(self) -> Table:
        """The arms' right answers by size of task, in six bands at most."""
        table = Table("size", "tasks", *self.ended, title="right answers by size")
        sizes = SIZES[self.family]
        for band in np.array_split(sizes, min(len(sizes), 6)):
            places = [at for at, size in enumerate(self.sizes) if size in band]
            shares = [f"{np.mean([ended[at].right for at in places]):.0%}" for ended in self.ended.values() if places]
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


def _distinct(draft: Draft) -> int:
    """Critiques that were scored: equal ones once."""
    return len({critique.text for critique in draft.critiques})


def _least(values: Sequence[float]) -> int:
    return min(range(len(values)), key=values.__getitem__)


def _best(pool: Sequence[tuple[str, float]]) -> int:
    return max(range(len(pool)), key=lambda at: pool[at][1])


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
