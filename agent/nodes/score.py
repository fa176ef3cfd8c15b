"""Score the critiques that a search has drawn."""

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.run import Run
from selfcritic.agent.scoring.scored import scored
from selfcritic.agent.state import State


async def score(state: State, runtime: Runtime[Context]) -> State:
    """Give each critique its reward; where some cannot be had, the search ends with what it has."""
    run = Run(state, runtime)
    rounds = run.with_draft(run.draft.model_copy(update={"critiques": await scored(run, run.draft.critiques)}))
    return run.update(rounds=rounds, **run.cut_short())
