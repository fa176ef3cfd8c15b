"""Run nodes sync and async, with the graph's options as defaults for each run's."""

import atexit
import functools
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from threading import Lock
from typing import Any, cast

from anyio.from_thread import BlockingPortal, start_blocking_portal
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, StateGraph
from langgraph.runtime import Runtime, get_runtime

from selfcritic.agent.concurrency import call_async
from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.sampling.preload import preload
from selfcritic.agent.state import State, parse_state
from selfcritic.agent.step import Step, called_sync

Node = Callable[[State, Runtime[Context]], Awaitable[State] | State]
"""A node, async or plain: takes the state and the options (`runtime.context`), returns the keys to change.

`Step(state, runtime)` offers the prompts and the models. Build updates with `Step.update`, which saves the usage;
`Step.update(stop=…)` ends the run with the best draft. The graph raises what a node raises.
"""

StopCondition = Callable[[State], Awaitable[bool] | bool]
"""Whether to stop the run, given the whole state: `rounds`, `p_critiqueable`, `usage` and so on.

An error in it stops the run as well: the best draft is returned, and `error` holds the message.
"""


def add_nodes(
    builder: StateGraph[State, Context, Any, Any],
    defaults: Context,
    replacements: Mapping[str, Node] | None = None,
    **nodes: Node,
) -> None:
    """Add nodes to a graph, each under its name or replaced. Raises InputError for an unknown name."""
    replacements = replacements or {}
    unknown = [repr(name) for name in replacements if name not in nodes]
    if unknown:
        raise InputError(
            f"`nodes` replaces unknown nodes: {', '.join(unknown)}. This graph has {', '.join(nodes)}."
        )
    for name, node in {**nodes, **replacements}.items():
        builder.add_node(name, sync_and_async(node, defaults))


def resolve_context(defaults: Context) -> Context:
    """Return the graph's options with the run's merged in. A parent graph's context is ignored."""
    context: object = get_runtime(Context).context
    return defaults.merge(context if isinstance(context, Context) else None)


def sync_and_async(node: Node, defaults: Context) -> RunnableLambda[State, State]:
    """Wrap a node for `invoke` and `ainvoke`.

    LangGraph refuses to run an async node from `invoke`, so the sync side runs it in the portal's event loop.
    """

    async def run_async(state: State) -> State:
        runtime = get_runtime(Context).override(context=resolve_context(defaults))
        await preload(runtime.context)
        return await call_async(node, parse_state(state), runtime)

    def run_sync(state: State) -> State:
        token = called_sync.set(True)
        future = _portal().start_task_soon(run_async, state)
        try:
            return future.result()
        finally:
            future.cancel()  # if the caller was interrupted
            called_sync.reset(token)

    return RunnableLambda(run_sync, run_async, name=getattr(node, "__name__", None))


_portal_lock = Lock()


def _portal() -> BlockingPortal:
    with _portal_lock:
        return _start_portal()


@functools.cache
def _start_portal() -> BlockingPortal:
    """Start the event loop of all sync runs; one for the process, since HTTP clients are bound to their loop."""
    stack = ExitStack()
    portal = stack.enter_context(start_blocking_portal(name="selfcritic"))
    atexit.register(stack.close)
    return portal


def unless_stopped(next_node: str, otherwise: str = END) -> Callable[[State], str]:
    """Return a router to `next_node`, or to `otherwise` once the state has a stop reason."""

    def route(state: State) -> str:
        return next_node if state.get("stop_reason") is None else otherwise

    return route


def with_stop_condition(stop_when: StopCondition, classify: Node) -> Node:
    """Wrap the classify node: check the condition after each verdict that lets the loop continue."""

    async def classify_and_check(state: State, runtime: Runtime[Context]) -> State:
        update = await call_async(classify, state, runtime)
        judged = cast(State, {**state, **update})
        if judged.get("stop_reason") is not None:
            return update
        error = None
        try:
            if not await call_async(stop_when, judged):
                return update
        except Exception as exception:  # noqa: BLE001 - it may raise anything, and the drafts are paid for
            error = f"stop_when raised {type(exception).__name__}: {exception}"
        stopped = Step(judged, runtime).update(stop="stop_when", error=error)
        return cast(State, {**update, **stopped})

    return classify_and_check
