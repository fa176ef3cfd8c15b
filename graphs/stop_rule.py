"""A stop rule of the user's own, asked after each verdict that lets the loop go on."""

from collections.abc import Awaitable, Callable
from typing import cast

from langgraph.runtime import Runtime

from selfcritic.agent.concurrency import result_of
from selfcritic.agent.context import Context
from selfcritic.agent.state import State
from selfcritic.agent.step import Run
from selfcritic.graphs.both_ways import Node

StopRule = Callable[[State], Awaitable[bool] | bool]
"""Whether the run is to stop, from all that its nodes share: `rounds`, `p_critiqueable`, `usage` and the rest.

A rule that raises stops the run, too: the best draft comes back, and `error` says what the rule raised.
"""


def stopping_when(stop_when: StopRule, classify: Node) -> Node:
    """The node that judges a draft, followed by the rule."""

    async def judge(state: State, runtime: Runtime[Context]) -> State:
        update = await result_of(classify, state, runtime)
        judged = cast(State, {**state, **update})
        if judged.get("stop_reason") is not None:
            return update
        error = None
        try:
            if not await result_of(stop_when, judged):
                return update
        except Exception as failure:  # noqa: BLE001 - it may raise anything, and the drafts are paid for
            error = f"stop_when raised {type(failure).__name__}: {failure}"
        return cast(State, {**update, **Run(judged, runtime).update(stop="stop_when", error=error)})

    return judge
