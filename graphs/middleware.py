"""Middleware that criticizes and refines an agent's final answer.

For agents created by `langchain.agents.create_agent`. Needs the extra `langchain`. The agent's last message is round 0
of the loop. The messages before it, including tool results, are the context that the answer must follow from.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, NotRequired, Unpack, cast

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain.agents.middleware.types import OmitFromInput, ResponseT
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables.config import RunnableConfig
from langgraph.runtime import RunControl, Runtime
from langgraph.types import StreamWriter
from langgraph.typing import ContextT

from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError, UnknownModelError
from selfcritic.agent.messages import is_final_answer
from selfcritic.agent.models import get_model
from selfcritic.agent.nodes.generate import start_from_messages
from selfcritic.agent.options import Options, to_context
from selfcritic.agent.schemas import Round, Usage
from selfcritic.agent.scoring.registry import check_scorers
from selfcritic.agent.state import Input, Output
from selfcritic.graphs.events import StoppedEvent
from selfcritic.graphs.runtime import Node, StopCondition, forward_events
from selfcritic.graphs.self_critique import create_self_critique

_log = logging.getLogger(__name__)
_STEP_LIMIT = RunnableConfig(recursion_limit=10_000)
"""The agent's own limit must not end the loop."""
_START_ERRORS = (InputError, UnknownModelError)
"""Errors before the loop's first request; the agent's answer must not be lost."""
_RunKey = tuple[RunControl | None, str]
_MAX_RUNS = 1_000
"""Runs whose model is remembered until their answer; failed runs are forgotten in order."""


class SelfCritiqueState(AgentState[ResponseT]):
    """Agent state with the loop's output."""

    self_critique: NotRequired[Annotated[Output | None, OmitFromInput]]
    """The loop's output: `stop_reason`, `rounds`, `usage` and more.

    None if there is no text answer to criticize: the last message is empty or a tool call, there is a structured
    response, or there is no human message.
    """


class SelfCritiqueMiddleware(AgentMiddleware[SelfCritiqueState[ResponseT], ContextT, ResponseT]):
    """Criticizes and refines an agent's final answer.

    Takes the arguments of `create_self_critique`. Without `model`, all roles use the model that gave the answer.
    `budget` applies to each answer. Tool calls and structured responses are not changed. A refined message keeps its
    id, so it replaces the original. The agent's output has the loop's output under `self_critique`. Streamed tokens
    are those of the original answer; the refined message appears in streamed updates and values. The agent's custom
    stream has the loop's events.

    Raises:
        InputError: An option is invalid.
        UnknownModelError: A model's name is unknown.
        ValidationError: An option has the wrong type.
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
        self._options = to_context(options)
        self._has_model = self._options.model is not None
        _check_options(self._options)
        self._agent_models: dict[_RunKey, BaseChatModel] = {}
        self._last_model: BaseChatModel | None = None

    def wrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], ModelResponse[ResponseT]],
    ) -> ModelResponse[ResponseT]:
        """Remember the model of the call."""
        self._remember_model(request)
        return handler(request)

    async def awrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], Awaitable[ModelResponse[ResponseT]]],
    ) -> ModelResponse[ResponseT]:
        """Remember the model of the call."""
        self._remember_model(request)
        return await handler(request)

    def _remember_model(self, request: ModelRequest[ContextT]) -> None:
        if not isinstance(request.model, BaseChatModel):
            return
        self._last_model = request.model
        self._agent_models[_run_key(request.runtime)] = request.model
        if len(self._agent_models) > _MAX_RUNS:
            oldest = next(iter(self._agent_models))
            self._agent_models.pop(oldest, None)

    def _take_model(self, runtime: Runtime[ContextT]) -> BaseChatModel | None:
        """Return the model that gave the answer, if known."""
        # A run that was resumed after its last model call has no entry.
        return self._agent_models.pop(_run_key(runtime), self._last_model)

    def _context(self, agent_model: BaseChatModel | None) -> Context | None:
        """Return the options that a run adds: the agent's model, unless `model` is set."""
        if self._has_model or agent_model is None:
            return None
        return Context(model=agent_model)

    def _add_self_graded(self, output: Output, agent_model: BaseChatModel | None) -> None:
        """Add whether the agent's model is also the critic, if it is known."""
        if agent_model is None:
            return
        options = self._options.merge(self._context(agent_model))
        output["self_graded"] = options.merge(Context(generator=agent_model)).is_self_graded

    def after_agent(
        self,
        state: SelfCritiqueState[ResponseT],
        runtime: Runtime[ContextT],
    ) -> dict[str, Any]:
        """Run the loop on the final answer."""
        agent_model = self._take_model(runtime)
        if not _has_answer(state):
            return {"self_critique": None}
        context = self._context(agent_model)
        try:
            with forward_events(runtime.stream_writer):
                result = self._loop.invoke(_loop_input(state), _STEP_LIMIT, context=context)
        except _START_ERRORS as error:
            return _update(state, _keep_answer(state, error, runtime.stream_writer))
        output = cast(Output, result)
        self._add_self_graded(output, agent_model)
        return _update(state, output)

    async def aafter_agent(
        self,
        state: SelfCritiqueState[ResponseT],
        runtime: Runtime[ContextT],
    ) -> dict[str, Any]:
        """Run the loop on the final answer."""
        agent_model = self._take_model(runtime)
        if not _has_answer(state):
            return {"self_critique": None}
        context = self._context(agent_model)
        try:
            with forward_events(runtime.stream_writer):
                result = await self._loop.ainvoke(_loop_input(state), _STEP_LIMIT, context=context)
        except _START_ERRORS as error:
            return _update(state, _keep_answer(state, error, runtime.stream_writer))
        output = cast(Output, result)
        self._add_self_graded(output, agent_model)
        return _update(state, output)


def _check_options(options: Context) -> None:
    """Raise InputError or UnknownModelError for files and names that cannot be loaded."""
    options.load_prompts()
    check_scorers(options)
    specs = [options.model, options.generator, options.critic, options.judge, options.refiner]
    for fallbacks in options.fallbacks.values():
        specs += fallbacks
    for spec in specs:
        is_unset_critic = spec == "none" and spec == options.critic
        if isinstance(spec, str) and not is_unset_critic:
            get_model(spec)


def _run_key(runtime: Runtime[Any]) -> _RunKey:
    """Return what identifies the agent's run in all its nodes."""
    execution = runtime.execution_info
    namespace = execution.checkpoint_ns if execution is not None else ""
    agent_namespace = namespace.rpartition("|")[0]
    return runtime.control, agent_namespace


def _has_answer(state: SelfCritiqueState[Any]) -> bool:
    """Return whether the agent answered a human in text."""
    messages = state["messages"]
    has_question = any(isinstance(message, HumanMessage) for message in messages)
    has_structured_response = state.get("structured_response") is not None
    return has_question and is_final_answer(messages[-1]) and not has_structured_response


def _loop_input(state: SelfCritiqueState[Any]) -> Input:
    return {"messages": state["messages"]}


def _keep_answer(state: SelfCritiqueState[Any], error: Exception, write: StreamWriter) -> Output:
    """Keep the agent's answer after the loop rejected its input; log and stream the reason."""
    _log.warning("The agent's answer was not criticized: %s", error)
    answer = state["messages"][-1].text
    usage = Usage()
    write(
        StoppedEvent(
            event="stopped",
            round=0,
            reason="invalid_input",
            error=str(error),
            usage=usage.model_dump(mode="json"),
            answer=answer,
            best_round=0,
        )
    )
    return Output(
        answer=answer,
        stop_reason="invalid_input",
        p_critiqueable=None,
        best_round=0,
        rounds=[Round(answer=answer)],
        usage=usage,
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
