"""What a tiny model does on held-out tasks: the arms of `embedded.py`, and the refinements of flawed drafts."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.progress import track

from selfcritic.agent.context import Context
from selfcritic.agent.critic.format import critique_text, render
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.critic.selection import merge_critiques, select_critiques
from selfcritic.agent.errors import ModelError
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.model import TinyModel
from selfcritic.agent.schemas import Round
from selfcritic.agent.tasks import Task
from selfcritic.agent.training.tiny.examples import SIZES, TRAINED, GradedDraft, ask, is_helpful, slipped
from selfcritic.graphs import create_self_critique
from selfcritic.prompts import PromptName

CRITIQUES, FOLLOWED, ROUNDS, DRAFTS = 8, 6, 4, 48
"""Critiques of a draft, followed at once and refinements at most, and drafts of a task for the arms that only draw."""


@dataclass(frozen=True)
class Ended:
    """How an arm ended on one task."""

    right: bool
    calls: int


class Trial:
    """One model on one family: what it drew."""

    def __init__(
        self, engine: Engine, family: str, count: int, seed: str, accept_threshold: float, helpful_threshold: float
    ) -> None:
        self.engine, self.name, self.rng = engine, family, random.Random(seed)
        self.accept_threshold, self.helpful_threshold = accept_threshold, helpful_threshold
        self.sizes = [self.rng.choice(SIZES[family]) for _ in range(count)]
        self.tasks = [TRAINED[family].generate(self.rng, size) for size in self.sizes]
        self.slips = [slipped(task, self.rng) for task in self.tasks]
        looped = asyncio.run(self._looped(critiques_per_refinement=FOLLOWED, helpful_threshold=helpful_threshold))
        by_one = asyncio.run(self._looped(critiques_per_refinement=1, helpful_threshold=0.0))
        direct = asyncio.run(self._looped(refinement="direct"))
        self.first = [
            GradedDraft.of(task, rounds[0].answer) for task, (rounds, _) in zip(self.tasks, looped, strict=True)
        ]
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

    async def _looped(self, **differs: Any) -> list[tuple[list[Round], str]]:
        """The rounds and the answer on each task; the same seed draws the same first draft in all arms."""
        found = []
        options = Context(
            model=TinyModel(folder=self.engine.folder),
            num_critiques=CRITIQUES,
            max_rounds=ROUNDS,
            patience=ROUNDS,
            accept_threshold=self.accept_threshold,
            **differs,
        )
        graph = create_self_critique().compile()
        for seed, task in enumerate(track(self.tasks, description=str(differs), transient=True)):
            own = options.model_copy(update={"seed": seed})
            try:
                told = await graph.ainvoke({"question": task.question}, context=own)
            except ModelError:  # a first draft without a word, as a model that has learnt little may make it
                found.append(([Round(answer="")], ""))
            else:
                found.append((told["rounds"], told["answer"]))
        return found

    def _ended(self, ran: Sequence[tuple[list[Round], str]]) -> list[Ended]:
        spent = [sum(2 + len(one.critiques) + _distinct(one) for one in rounds) for rounds, _ in ran]
        return [
            Ended(task.is_correct(answer), calls)
            for task, (_, answer), calls in zip(self.tasks, ran, spent, strict=True)
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
            doubts = self.doubts_of([(task, text) for text in texts])
            accepted = [at for at in range(ROUNDS + 1) if doubts[at] < self.accept_threshold][:1]
            taken = accepted[0] + 1 if accepted else ROUNDS + 1
            resampled.append(Ended(task.is_correct(texts[least_of(doubts[:taken])]), 2 * taken))
            n = min(max(looped.calls // 2, 1), DRAFTS)
            best.append(Ended(task.is_correct(texts[least_of(doubts[:n])]), 2 * n))
            even.append(Ended(task.is_correct(texts[least_of(doubts[:m])]), 2 * m))
        self.ended |= {"resampled": resampled, "best of n": best, "best of m": even}

    def doubts_of(self, drafts: Sequence[tuple[Task, str]]) -> list[float]:
        """P(critiqueable) of answers."""
        prompts = [ask("classify", task.question, answer=answer) for task, answer in drafts]
        return [reply.p_yes for [reply] in self.engine.complete(prompts, seed=2)]

    def valid(self) -> tuple[list[float], list[float]]:
        """Of each flawed draft, the share of its critiques that are valid, and whether the one held best is."""
        valid = [
            [is_helpful(draft, text) for text, _ in pool] for draft, pool in zip(self.flawed, self.pools, strict=True)
        ]
        best = [float(hits[best_round(pool)]) for hits, pool in zip(valid, self.pools, strict=True)]
        return [sum(hits) / len(hits) for hits in valid], best

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

    def _about(self, draft: GradedDraft, role: PromptName, critique: str) -> str:
        said = critique_text(ground(critique, draft.answer))
        return ask(role, draft.task.question, answer=draft.answer, critique=said)

    def refined(self) -> Mapping[str, list[GradedDraft]]:
        """What becomes of the flawed drafts, by what they are refined by."""
        critiques = {
            "its own best critique": [pool[best_round(pool)][0] for pool in self.pools],
            "its own helpful ones": list(map(self._followed, self.flawed, self.pools)),
            "an untrue critique": [render([draft.task.false_comment(draft.answer, self.rng)]) for draft in self.flawed],
            "the oracle's, of one flaw": [self._told(draft, 1) for draft in self.flawed],
            "the oracle's, of six at most": [self._told(draft, FOLLOWED) for draft in self.flawed],
        }
        asked = {
            name: [self._about(draft, "refine", text) for draft, text in zip(self.flawed, texts, strict=True)]
            for name, texts in critiques.items()
        }
        questions = [draft.task.question for draft in self.flawed]
        answers = [draft.answer for draft in self.flawed]
        asked["nothing (direct)"] = [
            ask("refine_directly", question, answer=answer) for question, answer in zip(questions, answers, strict=True)
        ]
        asked["nothing (a new draft)"] = [ask("generate", question) for question in questions]
        return {name: self._mended(prompts) for name, prompts in asked.items()}

    def _told(self, draft: GradedDraft, at_most: int) -> str:
        told = self.rng.sample(draft.flaws, min(len(draft.flaws), at_most))
        return render(sorted(told, key=lambda comment: comment.start or 0))

    def _followed(self, draft: GradedDraft, pool: list[tuple[str, float]]) -> str:
        """What the loop follows of a pool, and the best of it where none is helpful enough."""
        critiques = [ground(text, draft.answer).model_copy(update={"reward": helpful}) for text, helpful in pool]
        taken = select_critiques(critiques, 0.0, FOLLOWED, lambda one: (one.reward or 0.0) > self.helpful_threshold)
        return merge_critiques([critiques[at] for at in taken or [best_round(pool)]]).text

    def _mended(self, prompts: Sequence[str]) -> list[GradedDraft]:
        replies = self.engine.complete(prompts, seed=5)
        return [GradedDraft.of(draft.task, reply.text) for draft, [reply] in zip(self.flawed, replies, strict=True)]


def _distinct(draft: Round) -> int:
    """Critiques that were scored: equal ones once."""
    return len({critique.text for critique in draft.critiques})


def least_of(values: Sequence[float]) -> int:
    """The place of the least, the first of equals."""
    return min(range(len(values)), key=values.__getitem__)


def best_round(pool: Sequence[tuple[str, float]]) -> int:
    """The place of the most helpful critique, the first of equals."""
    return max(range(len(pool)), key=lambda at: pool[at][1])
