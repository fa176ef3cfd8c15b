"""Draw forced critiques of the draft: never whether it has a flaw, only which."""

from collections.abc import Sequence

from langgraph.runtime import Runtime

from selfcritic.agent.checkers.registry import get_checkers
from selfcritic.agent.checkers.verify import verify_comments
from selfcritic.agent.context import Context
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.schemas import Critique, Round
from selfcritic.agent.state import State
from selfcritic.agent.step import Step


async def critique(state: State, runtime: Runtime[Context]) -> State:
    """Draw the critiques, unless they were drawn while the draft was being judged."""
    run = Step(state, runtime)
    if run.draft.critiques:
        return run.update()
    try:
        critiques = await sample_critiques(run, run.draft)
    except SelfcriticError as failure:
        return run.update(stop=failure)
    return run.update(rounds=run.with_draft(run.draft.model_copy(update={"critiques": critiques})))


async def sample_critiques(run: Step, draft: Round) -> list[Critique]:
    """Sample critiques and hold every quote against the draft."""
    texts = await run.sampler("critic").sample(run.ask_for_critiques(draft), run.context.num_critiques)
    critiques = await ground_critiques(run, texts, draft)
    for index, one in enumerate(critiques):
        run.tell("critique", len(run.rounds) - 1, index=index, critique=one.model_dump(mode="json"))
    return critiques


async def ground_critiques(run: Step, texts: Sequence[str], draft: Round) -> list[Critique]:
    """The critiques that the texts are: every quote located in the draft, and marked with what the checkers know."""
    checkers = get_checkers(run.context.checkers)
    return [await verify_comments(ground(text, draft.answer), draft.answer, draft.findings, checkers) for text in texts]
