"""Draw forced critiques of the draft: never whether it has a flaw, only which."""

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.parsing import ground
from selfcritic.agent.run import Run
from selfcritic.agent.state import State


async def critique(state: State, runtime: Runtime[Context]) -> State:
    """Sample critiques and hold every quote against the draft."""
    run = Run(state, runtime.context)
    try:
        texts = await run.sampler("critic").sample(
            run.ask("critique", answer=run.draft.answer), runtime.context.critiques
        )
    except SelfcriticError as failure:
        return run.update(stop=failure)
    critiques = [ground(text, run.draft.answer) for text in texts]
    return run.update(rounds=run.with_draft(run.draft.model_copy(update={"critiques": critiques})))
