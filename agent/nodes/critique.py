"""Draw forced critiques of the draft: never whether it has a flaw, only which."""

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.parsing import ground
from selfcritic.agent.run import Run
from selfcritic.agent.schemas import Critique, Draft
from selfcritic.agent.state import State


async def critique(state: State, runtime: Runtime[Context]) -> State:
    """Draw the critiques, unless they were drawn while the draft was being judged."""
    run = Run(state, runtime)
    if run.draft.critiques:
        return run.update()
    try:
        critiques = await draw_critiques(run, run.draft)
    except SelfcriticError as failure:
        return run.update(stop=failure)
    return run.update(rounds=run.with_draft(run.draft.model_copy(update={"critiques": critiques})))


async def draw_critiques(run: Run, draft: Draft) -> list[Critique]:
    """Sample critiques and hold every quote against the draft."""
    texts = await run.sampler("critic").sample(run.ask_for_critiques(draft), run.context.critiques)
    critiques = [ground(text, draft.answer) for text in texts]
    for index, one in enumerate(critiques):
        run.tell("critique", len(run.rounds) - 1, index=index, critique=one.model_dump(mode="json"))
    return critiques
