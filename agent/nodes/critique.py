"""Sample critiques of the draft; the critic must name a flaw."""

import asyncio
from collections.abc import Sequence

from langgraph.runtime import Runtime

from selfcritic.agent.checkers.registry import get_checkers
from selfcritic.agent.checkers.verify import verify_comments
from selfcritic.agent.context import Context
from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.critic.grounding import ground_async
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.sampling.sampler import Sample
from selfcritic.agent.schemas import Critique, Round
from selfcritic.agent.scoring.helpfulness import EarlyVerdicts
from selfcritic.agent.scoring.score import asks_judge, score_critiques
from selfcritic.agent.state import State
from selfcritic.agent.step import Step, search_stopped_update


async def critique(state: State, runtime: Runtime[Context]) -> State:
    """Sample critiques, unless `classify` already did."""
    return await _critique(Step(state, runtime))


async def _critique(step: Step) -> State:
    if step.round.critiques:
        return step.update()
    try:
        critiques = await sample_critiques(step, step.round)
    except SelfcriticError as error:
        return step.update(stop=error)
    return step.update(rounds=step.rounds_with(critiques=critiques))


async def critique_and_score(state: State, runtime: Runtime[Context]) -> State:
    """Sample critiques like `critique`, and score each one as soon as it has arrived.

    `select` keeps the scores; an error is reported like that of a search.
    """
    step = Step(state, runtime)
    if step.round.critiques or not step.is_order_free or not step.context.has_critic:
        return await _critique(step)
    scoring = _EarlyScoring(step)
    try:
        samples = await step.sampler("critic").sample(
            step.critique_prompt(step.round), step.context.num_critiques, scoring.start
        )
        critiques = await scoring.collect(samples)
        _emit_critiques(step, critiques)
        scoring.verdicts.critiques = critiques
        critiques, failure = await score_critiques(step, critiques, scoring.verdicts)
    except SelfcriticError as error:
        return step.update(stop=error)
    finally:
        await scoring.cancel()
    rounds = step.rounds_with(critiques=critiques)
    return step.update(rounds=rounds, **search_stopped_update(failure))


class _EarlyScoring:
    """Grounds each critique when it has arrived, and asks the judge about it."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._grounding: dict[Sample, asyncio.Task[Critique]] = {}
        self.verdicts = EarlyVerdicts(step)

    def start(self, sample: Sample) -> None:
        if sample not in self._grounding:
            self._grounding[sample] = asyncio.create_task(self._ground(sample))

    async def collect(self, samples: Sequence[Sample]) -> list[Critique]:
        """Return the grounded critiques of the samples."""
        return [await self._grounding[sample] for sample in samples]

    async def cancel(self) -> None:
        """Cancel what is not finished."""
        for task in self._grounding.values():
            task.cancel()
        await asyncio.gather(*self._grounding.values(), return_exceptions=True)
        await self.verdicts.cancel()

    async def _ground(self, sample: Sample) -> Critique:
        [critique] = await ground_critiques(self._step, [sample], self._step.round)
        if asks_judge(self._step, critique):
            self.verdicts.start(critique_text(critique))
        return critique


async def sample_critiques(step: Step, draft: Round) -> list[Critique]:
    """Sample critiques of a draft and ground them. Raises BudgetExhausted or ModelError."""
    if not step.context.has_critic:
        return []
    samples = await step.sampler("critic").sample(
        step.critique_prompt(draft), step.context.num_critiques
    )
    critiques = await ground_critiques(step, samples, draft)
    _emit_critiques(step, critiques)
    return critiques


def _emit_critiques(step: Step, critiques: Sequence[Critique]) -> None:
    for index, critique in enumerate(critiques):
        step.emit("critique", index=index, critique=critique.model_dump(mode="json"))


async def ground_critiques(step: Step, samples: Sequence[Sample], draft: Round) -> list[Critique]:
    """Parse critiques, locate their quotes, and verify them with the checkers."""
    checkers = get_checkers(step.context.checkers)
    critiques = []
    for sample in samples:
        critique = await ground_async(
            sample.text,
            draft.answer,
            examples=step.critique_examples(),
            is_truncated=sample.is_truncated,
        )
        critiques.append(await verify_comments(critique, draft.answer, draft.findings, checkers))
    return critiques
