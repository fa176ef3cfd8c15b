"""Self-critique for agents made by `langchain.agents.create_agent`: the final answer is criticised and mended.

Needs the extra `langchain`. The agent's last message becomes round 0 of the loop; what was said before it, the results
of the agent's tools included, is material that the answer must rest on.
"""

from typing import Annotated, Any, NotRequired, cast

from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain.agents.middleware.types import OmitFromInput, ResponseT
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.runtime import Runtime
from langgraph.typing import ContextT

from selfcritic.agent.errors import InputError
from selfcritic.agent.messages import is_final_answer
from selfcritic.agent.nodes.generate import start_from_messages
from selfcritic.agent.schemas import Round, Usage
from selfcritic.agent.state import Input, Output
from selfcritic.graphs.self_critique import create_self_critique


class SelfCritiqueState(AgentState[ResponseT]):
    """What the middleware adds to an agent's state."""

    self_critique: NotRequired[Annotated[Output | None, OmitFromInput]]
    """What the loop came to: `stop_reason`, `rounds`, `usage` and the rest; None where there was no answer in words."""


class SelfCritiqueMiddleware(AgentMiddleware[SelfCritiqueState[ResponseT], ContextT, ResponseT]):
    """Criticises and mends an agent's final answer; messages to tools are left alone, and so is a structured response.

    Keywords are those of `create_self_critique`, `budget` (of the loop, an answer) among them. The message that was
    mended keeps its id, so that it takes the old one's place; the agent's output has the run under `self_critique`.
    Streamed tokens are the agent's own, from before the mend; the mended message comes with the updates and values.
    """

    state_schema = cast("type[SelfCritiqueState[ResponseT]]", SelfCritiqueState)

    def __init__(self, **options: Any) -> None:
        super().__init__()
        options["nodes"] = {"generate": start_from_messages} | (options.get("nodes") or {})
        self._loop = create_self_critique(**options).compile(name="self_critique")

    def after_agent(self, state: SelfCritiqueState[ResponseT], runtime: Runtime[ContextT]) -> dict[str, Any]:  # noqa: ARG002
        """Run the loop on the final answer."""
        if not _has_answer(state):
            return {"self_critique": None}
        try:
            return _update(state, cast(Output, self._loop.invoke(_chat(state))))
        except InputError as failure:
            return _update(state, _as_it_was(state, failure))

    async def aafter_agent(self, state: SelfCritiqueState[ResponseT], runtime: Runtime[ContextT]) -> dict[str, Any]:  # noqa: ARG002
        """Run the loop on the final answer."""
        if not _has_answer(state):
            return {"self_critique": None}
        try:
            return _update(state, cast(Output, await self._loop.ainvoke(_chat(state))))
        except InputError as failure:
            return _update(state, _as_it_was(state, failure))


def _has_answer(state: SelfCritiqueState[Any]) -> bool:
    """Whether a person was answered in words."""
    messages = state["messages"]
    was_asked = any(isinstance(message, HumanMessage) for message in messages)
    return was_asked and is_final_answer(messages[-1]) and state.get("structured_response") is None


def _chat(state: SelfCritiqueState[Any]) -> Input:
    return {"messages": state["messages"]}


def _as_it_was(state: SelfCritiqueState[Any], failure: InputError) -> Output:
    """The ending where the loop cannot work on what there is: the agent's answer is paid for, and stays."""
    answer = state["messages"][-1].text
    return Output(
        answer=answer,
        stop_reason="model_error",
        p_critiqueable=None,
        best_round=0,
        rounds=[Round(answer=answer)],
        usage=Usage(),
        capabilities={},
        error=str(failure),
    )


def _update(state: SelfCritiqueState[Any], output: Output) -> dict[str, Any]:
    """The loop's output without the chat, and the last message in its mended form where it was mended."""
    update: dict[str, Any] = {"self_critique": {key: value for key, value in output.items() if key != "messages"}}
    last = cast(AIMessage, state["messages"][-1])
    if output["best_round"] > 0:
        update["messages"] = [last.model_copy(update={"content": output["answer"]})]
    return update
