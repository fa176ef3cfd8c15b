"""Run the arms of `examples.benchmarks.tiny` on held-out tasks."""

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.progress import Progress

from examples.benchmarks.tiny_arms import (
    MAX_APPLIED,
    MAX_REFINEMENTS,
    NUM_CRITIQUES,
    LoopResult,
    Outcome,
    grade_best,
    grade_first_drafts,
    grade_results,
    judge,
    loop_context,
    run_loop,
)
from selfcritic.agent.critic.format import critique_text, render
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.critic.selection import merge_critiques, select_critiques
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.schemas import Critique
from selfcritic.agent.tasks import Task
from selfcritic.agent.training.tiny.examples import (
    SIZES,
    TRAINABLE_TASKS,
    GradedDraft,
    draw_flawed_draft,
    is_helpful,
    render_prompt,
)
from selfcritic.prompts import PromptName

NUM_DRAFTS = 48  # per task, for the arms that only sample drafts


class ScoredCritique(NamedTuple):
    """A critique and the model's P(helpful)."""

    text: str
    p_helpful: float


class Trial:
    """The results of one model on one task type."""

    def __init__(
        self,
        engine: Engine,
        task_name: str,
        count: int,
        seed: str,
        accept_threshold: float,
        helpful_threshold: float,
    ) -> None:
        self.engine = engine
        self.task_name = task_name
        self.rng = random.Random(seed)
        self.accept_threshold = accept_threshold
        self.helpful_threshold = helpful_threshold
        self.sizes = [self.rng.choice(SIZES[task_name]) for _ in range(count)]
        self.tasks = [TRAINABLE_TASKS[task_name].generate(self.rng, size) for size in self.sizes]
        self.injected = [draw_flawed_draft(task, self.rng) for task in self.tasks]
        loop = self._run_loop(
            critiques_per_refinement=MAX_APPLIED, helpful_threshold=helpful_threshold
        )
        one_critique = self._run_loop(critiques_per_refinement=1, helpful_threshold=0.0)
        direct = self._run_loop(refinement="direct")
        self.first_drafts = []
        for task, result in zip(self.tasks, loop, strict=True):
            self.first_drafts.append(GradedDraft.grade(task, result.rounds[0].answer))
        self.p_flawed = [result.rounds[0].p_critiqueable or 0.0 for result in loop]
        self.flawed_drafts = [draft for draft in self.first_drafts if draft.flaws]
        self.outcomes = {
            "first draft": grade_first_drafts(self.tasks, loop),
            "loop": grade_results(self.tasks, loop),
            "by one critique": grade_results(self.tasks, one_critique),
            "direct": grade_results(self.tasks, direct),
        }
        self.tokens_per_second = 0.0
        self._run_sampling_arms()
        self.critique_pools = self._sample_critiques()

    def _run_loop(self, **options: Any) -> list[LoopResult]:
        """Run the loop on each task, with the same first drafts in all arms."""
        context = loop_context(self.engine.folder, self.accept_threshold, **options)
        with Progress(transient=True) as progress:
            bar = progress.add_task(str(options), total=len(self.tasks))
            return run_loop(context, self.tasks, lambda: progress.advance(bar))

    def _run_sampling_arms(self) -> None:
        """Run the arms that only sample drafts, after the loop's first draft."""
        prompts = [render_prompt("generate", task.question) for task in self.tasks]
        start = time.perf_counter()
        pools = self.engine.complete(prompts, NUM_DRAFTS, 1)
        num_tokens = 0
        for pool in pools:
            num_tokens += sum(len(self.engine.tokenizer.encode(reply.text)) for reply in pool)
        self.tokens_per_second = num_tokens / (time.perf_counter() - start)
        loop_outcomes = self.outcomes["loop"]
        mean_calls = float(np.mean([outcome.calls for outcome in loop_outcomes]))
        m = max(round(mean_calls / 2), 1)
        resampled: list[Outcome] = []
        best_of_n: list[Outcome] = []
        best_of_m: list[Outcome] = []
        for index, (task, pool) in enumerate(zip(self.tasks, pools, strict=True)):
            drafts = [self.first_drafts[index].answer, *(reply.text for reply in pool[1:])]
            p_flawed = self.judge([(task, draft) for draft in drafts])
            num_resampled = _count_until_accepted(p_flawed, self.accept_threshold)
            n = min(max(loop_outcomes[index].calls // 2, 1), NUM_DRAFTS)
            for arm, size in ((resampled, num_resampled), (best_of_n, n), (best_of_m, m)):
                arm.append(grade_best(task, drafts[:size], p_flawed[:size]))
        self.outcomes |= {"resampled": resampled, "best of n": best_of_n, "best of m": best_of_m}

    def judge(self, drafts: Sequence[tuple[Task, str]]) -> list[float]:
        """Return P(critiqueable) of each answer."""
        return judge(self.engine, drafts)

    def critique_validity(self) -> tuple[list[float], list[float]]:
        """Return the validity of critiques for each flawed draft.

        The first list has the share of valid critiques, the second has 1.0 where the top-ranked one is valid, else 0.0.
        """
        shares = []
        best = []
        for draft, pool in zip(self.flawed_drafts, self.critique_pools, strict=True):
            is_valid = [is_helpful(draft, critique.text) for critique in pool]
            shares.append(sum(is_valid) / len(is_valid))
            best.append(float(is_valid[_index_of_best(pool)]))
        return shares, best

    def _sample_critiques(self) -> list[list[ScoredCritique]]:
        """Sample and score critiques of each flawed draft."""
        drafts = self.flawed_drafts
        prompts = [
            render_prompt("critique", draft.task.question, answer=draft.answer) for draft in drafts
        ]
        pools = []
        for draft, replies in zip(
            drafts, self.engine.complete(prompts, NUM_CRITIQUES, 3), strict=True
        ):
            verdict_prompts = [
                _critique_prompt(draft, "helpfulness", reply.text) for reply in replies
            ]
            verdicts = self.engine.complete(verdict_prompts, seed=4)
            pool = []
            for reply, [verdict] in zip(replies, verdicts, strict=True):
                pool.append(ScoredCritique(reply.text, verdict.p_yes))
            pools.append(pool)
        return pools

    def refine_flawed_drafts(self) -> Mapping[str, list[GradedDraft]]:
        """Refine the flawed drafts once with each source of critiques."""
        drafts = self.flawed_drafts
        critiques = {
            "its own best critique": [
                pool[_index_of_best(pool)].text for pool in self.critique_pools
            ],
            "its own helpful ones": list(map(self._merge_helpful, drafts, self.critique_pools)),
            "an untrue critique": [
                render([draft.task.false_comment(draft.answer, self.rng)]) for draft in drafts
            ],
            "the oracle's, of one flaw": [self._gold_critique(draft, 1) for draft in drafts],
            "the oracle's, of six at most": [
                self._gold_critique(draft, MAX_APPLIED) for draft in drafts
            ],
        }
        prompts = {}
        for name, texts in critiques.items():
            pairs = zip(drafts, texts, strict=True)
            prompts[name] = [_critique_prompt(draft, "refine", text) for draft, text in pairs]
        prompts["nothing (direct)"] = [
            render_prompt("refine_directly", draft.task.question, answer=draft.answer)
            for draft in drafts
        ]
        prompts["nothing (a new draft)"] = [
            render_prompt("generate", draft.task.question) for draft in drafts
        ]
        return {name: self._refine(refine_prompts) for name, refine_prompts in prompts.items()}

    def _gold_critique(self, draft: GradedDraft, max_flaws: int) -> str:
        flaws = self.rng.sample(draft.flaws, min(len(draft.flaws), max_flaws))
        return render(sorted(flaws, key=lambda comment: comment.start or 0))

    def _merge_helpful(self, draft: GradedDraft, pool: Sequence[ScoredCritique]) -> str:
        """Merge the critiques that the loop would apply, or return the best."""
        critiques = []
        for text, p_helpful in pool:
            critiques.append(ground(text, draft.answer).model_copy(update={"reward": p_helpful}))
        selected = select_critiques(critiques, 0.0, MAX_APPLIED, self._is_helpful_enough)
        return merge_critiques(
            [critiques[index] for index in selected or [_index_of_best(pool)]]
        ).text

    def _is_helpful_enough(self, critique: Critique) -> bool:
        return (critique.reward or 0.0) > self.helpful_threshold

    def _refine(self, prompts: Sequence[str]) -> list[GradedDraft]:
        refined = []
        replies_by_draft = self.engine.complete(prompts, seed=5)
        for draft, [reply] in zip(self.flawed_drafts, replies_by_draft, strict=True):
            refined.append(GradedDraft.grade(draft.task, reply.text))
        return refined


def _critique_prompt(draft: GradedDraft, prompt_name: PromptName, critique: str) -> str:
    grounded_text = critique_text(ground(critique, draft.answer))
    return render_prompt(
        prompt_name, draft.task.question, answer=draft.answer, critique=grounded_text
    )


def _count_until_accepted(p_flawed: Sequence[float], accept_threshold: float) -> int:
    """Count drafts up to the first accepted one or the refinement limit."""
    for index in range(MAX_REFINEMENTS + 1):
        if p_flawed[index] < accept_threshold:
            return index + 1
    return MAX_REFINEMENTS + 1


def _index_of_best(pool: Sequence[ScoredCritique]) -> int:
    """Return the index of the most helpful critique; ties go to the first."""
    return max(range(len(pool)), key=lambda index: pool[index].p_helpful)
