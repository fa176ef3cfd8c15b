"""Run nodes sync or async, with the run's options merged in."""

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
"""A sync or async node: takes the state and the runtime (options in `runtime.context`), returns the keys to update.

`Step(state, runtime)` gives access to the prompts and models. Build updates with `Step.update`, which saves the usage;
`Step.update(stop=…)` ends the run with the best draft. Errors raised by a node propagate to the caller.
"""

StopCondition = Callable[[State], Awaitable[bool] | bool]
"""Takes the full state (`rounds`, `p_critiqueable`, `usage`, …), returns whether to stop the run.

If it raises, the run also stops: it returns the best draft, and `error` holds the message.
"""


def add_nodes(
    builder: StateGraph[State, Context, Any, Any],
    defaults: Context,
    replacements: Mapping[str, Node] | None = None,
    **nodes: Node,
) -> None:
    """Add nodes to a graph, using replacements where given.

    Raises:
        InputError: `replacements` has an unknown name.
    """
    replacements = replacements or {}
    unknown = [repr(name) for name in replacements if name not in nodes]
    if unknown:
        raise InputError(
            f"`nodes` replaces unknown nodes: {', '.join(unknown)}. This graph has {', '.join(nodes)}."
        )
    for name, node in {**nodes, **replacements}.items():
        builder.add_node(name, sync_and_async(node, defaults))


def resolve_context(defaults: Context) -> Context:
    """Merge the run's options into the graph's; ignore a parent graph's."""
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
    """Start the event loop that all sync runs share.

    There is one per process, since HTTP clients are bound to their loop.
    """
    stack = ExitStack()
    portal = stack.enter_context(start_blocking_portal(name="selfcritic"))
    atexit.register(stack.close)
    return portal


def unless_stopped(next_node: str, otherwise: str = END) -> Callable[[State], str]:
    """Route to `next_node`, or to `otherwise` after a stop reason."""

    def route(state: State) -> str:
        return next_node if state.get("stop_reason") is None else otherwise

    return route


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
