"""Take up an answer that is there already: the last message of a chat becomes the first draft."""

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.conversation import answered
from selfcritic.agent.nodes.generate import first_round, opened
from selfcritic.agent.state import State


async def take_up(state: State, runtime: Runtime[Context]) -> State:
    """Open a run as `generate` does, without asking any model; whether one model grades itself is not known then."""
    question, answer = answered(state.get("messages", []))
    update = first_round(await opened(state, runtime, question), [answer])
    del update["self_graded"]
    return update
