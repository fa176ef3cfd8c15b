"""Keep the best critiques of an iteration, to be continued: by their reward alone (paper 2, 7.1)."""

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.critic.format import without_closing
from selfcritic.agent.critic.selection import can_win
from selfcritic.agent.nodes.force import iterations
from selfcritic.agent.run import Run
from selfcritic.agent.state import State


async def keep(state: State, runtime: Runtime[Context]) -> State:
    """Take the k of the latest iteration with the highest reward, the first of equals, without their closing words."""
    run = Run(state, runtime)
    pool = run.draft.critiques
    latest = [one for one in pool if one.iteration == iterations(pool) - 1 and can_win(one)]
    kept = sorted(latest, key=lambda one: -(one.reward or 0.0))[: runtime.context.fsbs.k]
    return run.update(beams=[without_closing(critique.text) for critique in kept])
