"""Sample critiques of the draft; the critic must name a flaw."""

from collections.abc import Sequence

from langgraph.runtime import Runtime

from selfcritic.agent.checkers.registry import get_checkers
from selfcritic.agent.checkers.verify import verify_comments
from selfcritic.agent.context import Context
from selfcritic.agent.critic.grounding import ground_async
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.sampling.sampler import Sample
from selfcritic.agent.schemas import Critique, Round
from selfcritic.agent.state import State
from selfcritic.agent.step import Step


async def critique(state: State, runtime: Runtime[Context]) -> State:
    """Sample critiques, unless `classify` already did."""
    step = Step(state, runtime)
    if step.round.critiques:
        return step.update()
    try:
        critiques = await sample_critiques(step, step.round)
    except SelfcriticError as error:
        return step.update(stop=error)
    return step.update(rounds=step.rounds_with(critiques=critiques))


async def sample_critiques(step: Step, draft: Round) -> list[Critique]:
    """Sample critiques of a draft and ground them. Raises BudgetExhausted or ModelError."""
    samples = await step.sampler("critic").sample(
        step.critique_prompt(draft), step.context.num_critiques
    )
    critiques = await ground_critiques(step, samples, draft)
    for index, critique in enumerate(critiques):
        step.emit("critique", index=index, critique=critique.model_dump(mode="json"))
    return critiques


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
