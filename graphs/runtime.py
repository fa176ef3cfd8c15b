"""Run nodes sync or async, with the run's options merged in."""

import atexit
import contextvars
import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, cast

from anyio.from_thread import BlockingPortal, start_blocking_portal
from langgraph.graph import END, StateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import StreamWriter
from pydantic import ValidationError

from selfcritic.agent.concurrency import call_async
from selfcritic.agent.context import Context
from selfcritic.agent.errors import (
    BudgetExhausted,
    InputError,
    ModelError,
    SelfcriticError,
    format_validation_error,
)
from selfcritic.agent.messages import check_is_text
from selfcritic.agent.nodes.preload import preload
from selfcritic.agent.sampling.charges import current_journal, is_resuming, open_journal
from selfcritic.agent.schemas import StopReason, Usage
from selfcritic.agent.state import State, has_steps, parse_state, with_changed_rounds
from selfcritic.agent.step import Step, answer_message, called_sync
from selfcritic.graphs.inline import InlineNode, InlineRoute
from selfcritic.graphs.serialization import register_records

Node = Callable[[State, Runtime[Context]], Awaitable[State] | State]
"""A sync or async node: takes the state and the runtime (options in `runtime.context`), returns the keys to update.

`Step(state, runtime)` gives access to the prompts and models. Build updates with `Step.update`, which saves the usage;
`Step.update(stop=…)` ends the run with the best draft. Errors raised by a node propagate to the caller.
"""

StopCondition = Callable[[State], Awaitable[bool] | bool]
"""Takes the full state (`rounds`, `p_critiqueable`, `usage`, …), returns whether to stop the run.

If it raises, the run also stops: it returns the best draft, and `error` holds the message.
"""


register_records()

_NAMESPACE_SEPARATOR = "|"
_ROUND_STEPS = 4
"""Steps of a round: critique, select, refine, classify."""
_event_writer: ContextVar[StreamWriter | None] = ContextVar("event_writer", default=None)


def add_nodes(
    builder: StateGraph[State, Context, Any, Any],
    defaults: Context,
    replacements: Mapping[str, Node] | None = None,
    **nodes: Node,
) -> None:
    """Add nodes to a graph, using replacements where given.

    The first of the nodes starts a run.

    Raises:
        InputError: `replacements` has an unknown name.
    """
    replacements = replacements or {}
    unknown = [repr(name) for name in replacements if name not in nodes]
    if unknown:
        raise InputError(
            f"`nodes` replaces unknown nodes: {', '.join(unknown)}. You can replace {', '.join(nodes)}; "
            "`fsbs` is a separate graph, see `create_fsbs`."
        )
    first = next(iter(nodes))
    for name, node in {**nodes, **replacements}.items():
        run_node = _start_served(node) if name == first else _skip_failed(node)
        builder.add_node(name, sync_and_async(run_node, defaults, name))


def resolve_context(defaults: Context) -> Context:
    """Merge the run's options into the graph's; ignore a parent graph's.

    LangGraph's `update_state` calls routing functions without a runtime, so without options of a run.
    """
    runtime: Runtime[Context] | None = get_runtime(Context)
    context: object = runtime.context if runtime is not None else None
    return defaults.merge(context if isinstance(context, Context) else None)


def sync_and_async(node: Node, defaults: Context, name: str | None = None) -> InlineNode:
    """Wrap a node for `invoke` and `ainvoke`.

    LangGraph refuses to run an async node from `invoke`, so the sync side runs it in the portal's event loop.
    """

    async def run_async(state: State) -> State:
        runtime = get_runtime(Context).override(context=resolve_context(defaults))
        writer = _event_writer.get()
        if writer is not None:
            runtime = runtime.override(stream_writer=writer)
        return await call_async(node, state, runtime)

    def run_sync(state: State) -> State:
        token = called_sync.set(True)
        future = _portal().start_task_soon(run_async, state)
        try:
            return future.result()
        finally:
            future.cancel()  # if the caller was interrupted
            called_sync.reset(token)

    return InlineNode(run_sync, run_async, name or getattr(node, "__name__", None))


async def _run(node: Node, state: State, runtime: Runtime[Context]) -> State:
    await preload(runtime.context)
    journal = open_journal(is_sync=called_sync.get())
    if journal is not None and is_resuming(state.get("remaining_steps")):
        await journal.load()
    token = current_journal.set(journal)
    parsed = _parse(state)
    try:
        update = await call_async(node, parsed, runtime)
    finally:
        current_journal.reset(token)
    return with_changed_rounds(parsed, update)


def _parse(state: State) -> State:
    """Return the state with all records as instances. Raises InputError."""
    try:
        return parse_state(state)
    except ValidationError as error:
        raise InputError(
            f"The saved state is not valid: {format_validation_error(error, limit=3)}. "
            "Correct it with `update_state`."
        ) from None


def _start_served(node: Node) -> Node:
    """Run the first node; on LangGraph's server, return its error as the result of the run."""

    async def start(state: State, runtime: Runtime[Context]) -> State:
        try:
            return await _run(node, state, runtime)
        except SelfcriticError as error:
            if not _is_served(runtime):
                raise
            return _failed_update(error)

    return start


def _skip_failed(node: Node) -> Node:
    """Run a node, unless the run failed on the server before its first draft."""

    async def run_unless_failed(state: State, runtime: Runtime[Context]) -> State:
        if state.get("stop_reason") is not None and not state.get("rounds"):
            return {}
        check_is_text(state.get("question", ""))
        return await _run(node, state, runtime)

    return run_unless_failed


def _is_served(runtime: Runtime[Context]) -> bool:
    """Whether LangGraph's server runs this graph, not a graph that contains it."""
    execution = runtime.execution_info
    is_subgraph = execution is not None and _NAMESPACE_SEPARATOR in execution.checkpoint_ns
    return runtime.server_info is not None and not is_subgraph


def _failed_update(error: SelfcriticError) -> State:
    """Return the result of a run without a draft."""
    reason: StopReason = "invalid_input"
    if isinstance(error, BudgetExhausted):
        reason = "budget"
    elif isinstance(error, ModelError):
        reason = "model_error"
    message = answer_message(str(error))
    return {
        "answer": "",
        "rounds": [],
        "usage": Usage(),
        "stop_reason": reason,
        "error": str(error),
        "messages": [message],
    }


@contextmanager
def forward_events(writer: StreamWriter) -> Iterator[None]:
    """Write the custom events of graphs run in this context to another graph's stream."""
    context = contextvars.copy_context()

    def write(event: Any) -> None:
        # LangGraph's writer reads from the context which graph an event belongs to.
        context.copy().run(writer, event)

    token = _event_writer.set(write)
    try:
        yield
    finally:
        _event_writer.reset(token)


_portal_lock = Lock()


def _portal() -> BlockingPortal:
    with _portal_lock:
        return _start_portal()


@functools.cache
def _start_portal() -> BlockingPortal:
    """Start the event loop that all sync runs share.

    There is one per process, since HTTP clients are bound to their loop.
    """
    stack = ExitStack()
    portal = stack.enter_context(start_blocking_portal(name="selfcritic"))
    atexit.register(stack.close)
    return portal


def unless_stopped(next_node: str, otherwise: str = END) -> InlineRoute:
    """Route to `next_node`, or to `otherwise` after a stop reason."""

    def route(state: State) -> str:
        return next_node if state.get("stop_reason") is None else otherwise

    return InlineRoute(route)


def with_step_limit(classify: Node) -> Node:
    """End the loop with its best draft if another round exceeds `recursion_limit`."""

    async def classify_within_limit(state: State, runtime: Runtime[Context]) -> State:
        update = await call_async(classify, state, runtime)
        if update.get("stop_reason") is not None or has_steps(state, _ROUND_STEPS):
            return update
        judged = cast(State, {**state, **update})
        stopped = Step(judged, runtime).update(stop="step_limit")
        return cast(State, {**update, **stopped})

    return classify_within_limit


def with_stop_condition(stop_when: StopCondition, classify: Node) -> Node:
    """Check the condition after each verdict that does not stop the loop."""

    async def classify_and_check(state: State, runtime: Runtime[Context]) -> State:
        update = await call_async(classify, state, runtime)
        judged = cast(State, {**state, **update})
        if judged.get("stop_reason") is not None:
            return update
        error = None
        try:
            if not await call_async(stop_when, judged):
                return update
        except Exception as exception:  # noqa: BLE001 - user code; the drafts must not be lost
            error = f"stop_when raised {type(exception).__name__}: {exception}"
        stopped = Step(judged, runtime).update(stop="stop_when", error=error)
        return cast(State, {**update, **stopped})

    return classify_and_check
