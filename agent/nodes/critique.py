"""Draw forced critiques of the draft: never whether it has a flaw, only which."""

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.parsing import ground
from selfcritic.agent.run import Run
from selfcritic.agent.schemas import Critique
from selfcritic.agent.state import State


async def critique(state: State, runtime: Runtime[Context]) -> State:
    """Draw the critiques, unless they were drawn while the draft was being judged."""
    run = Run(state, runtime)
    if run.draft.critiques:
        return run.update()
    try:
        critiques = await draw_critiques(run)
    except SelfcriticError as failure:
        return run.update(stop=failure)
    return run.update(rounds=run.with_draft(run.draft.model_copy(update={"critiques": critiques})))


async def draw_critiques(run: Run) -> list[Critique]:
    """Sample critiques and hold every quote against the draft."""
    answer = run.draft.answer
    texts = await run.sampler("critic").sample(run.ask("critique", answer=answer), run.context.critiques)
    critiques = [ground(text, answer) for text in texts]
    for index, one in enumerate(critiques):
        run.tell("critique", len(run.rounds) - 1, index=index, critique=one.model_dump(mode="json"))
    return critiques
