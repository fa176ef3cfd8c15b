"""Middleware that criticizes and refines an agent's final answer.

For agents created by `langchain.agents.create_agent`. Needs the extra `langchain`. The agent's last message is round 0
of the loop. The messages before it, including tool results, are the context that the answer must follow from.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, Unpack, cast

from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain.agents.middleware.types import OmitFromInput, ResponseT
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.runtime import Runtime
from langgraph.typing import ContextT

from selfcritic.agent.errors import InputError
from selfcritic.agent.messages import is_final_answer
from selfcritic.agent.nodes.generate import start_from_messages
from selfcritic.agent.options import Options
from selfcritic.agent.schemas import Round, Usage
from selfcritic.agent.state import Input, Output
from selfcritic.graphs.runtime import Node, StopCondition
from selfcritic.graphs.self_critique import create_self_critique


class SelfCritiqueState(AgentState[ResponseT]):
    """Agent state with the loop's output."""

    self_critique: NotRequired[Annotated[Output | None, OmitFromInput]]
    """The loop's output: `stop_reason`, `rounds`, `usage` and more. None if the agent gave no text answer."""


class SelfCritiqueMiddleware(AgentMiddleware[SelfCritiqueState[ResponseT], ContextT, ResponseT]):
    """Criticizes and refines an agent's final answer.

    Takes the arguments of `create_self_critique`; `budget` applies to each answer. Tool calls and structured responses
    are not changed. A refined message keeps its id, so it replaces the original. The agent's output has the loop's
    output under `self_critique`. Streamed tokens are those of the original answer; the refined message appears in
    streamed updates and values.
    """

    state_schema = cast("type[SelfCritiqueState[ResponseT]]", SelfCritiqueState)

    def __init__(
        self,
        *,
        nodes: Mapping[str, Node] | None = None,
        stop_when: StopCondition | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__()
        all_nodes = {"generate": start_from_messages, **(nodes or {})}
        builder = create_self_critique(nodes=all_nodes, stop_when=stop_when, **options)
        self._loop = builder.compile(name="self_critique")

    def after_agent(
        self,
        state: SelfCritiqueState[ResponseT],
        runtime: Runtime[ContextT],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Run the loop on the final answer."""
        if not _has_answer(state):
            return {"self_critique": None}
        try:
            output = self._loop.invoke(_loop_input(state))
        except InputError as error:
            return _update(state, _unchanged_output(state, error))
        return _update(state, cast(Output, output))

    async def aafter_agent(
        self,
        state: SelfCritiqueState[ResponseT],
        runtime: Runtime[ContextT],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Run the loop on the final answer."""
        if not _has_answer(state):
            return {"self_critique": None}
        try:
            output = await self._loop.ainvoke(_loop_input(state))
        except InputError as error:
            return _update(state, _unchanged_output(state, error))
        return _update(state, cast(Output, output))


def _has_answer(state: SelfCritiqueState[Any]) -> bool:
    """Return whether the agent answered a human in text."""
    messages = state["messages"]
    has_question = any(isinstance(message, HumanMessage) for message in messages)
    has_structured_response = state.get("structured_response") is not None
    return has_question and is_final_answer(messages[-1]) and not has_structured_response


def _loop_input(state: SelfCritiqueState[Any]) -> Input:
    return {"messages": state["messages"]}


def _unchanged_output(state: SelfCritiqueState[Any], error: InputError) -> Output:
    """Keep the agent's answer after the loop rejected its input."""
    answer = state["messages"][-1].text
    return Output(
        answer=answer,
        stop_reason="model_error",
        p_critiqueable=None,
        best_round=0,
        rounds=[Round(answer=answer)],
        usage=Usage(),
        capabilities={},
        error=str(error),
    )


def _update(state: SelfCritiqueState[Any], output: Output) -> dict[str, Any]:
    """Return the loop's output, and the last message if it was refined."""
    loop_output = {key: value for key, value in output.items() if key != "messages"}
    update: dict[str, Any] = {"self_critique": loop_output}
    if output["best_round"] > 0:
        last_message = cast(AIMessage, state["messages"][-1])
        update["messages"] = [last_message.model_copy(update={"content": output["answer"]})]
    return update
