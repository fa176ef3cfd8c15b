"""Make a node serve `invoke` as well as `ainvoke`, with the graph's options beneath the run's own.

LangGraph refuses to run an async node from `invoke`. The synchronous side hands the coroutine to one lasting event
loop in a thread of its own: lasting, because HTTP clients are bound to the loop that made them; a thread, so that it
works inside a running loop such as Jupyter's.
"""

import asyncio
import atexit
import functools
from collections.abc import Awaitable, Callable, Mapping
from threading import Lock, Thread
from typing import Any, cast

from langchain_core.runnables import RunnableLambda
from langgraph.graph import StateGraph
from langgraph.runtime import Runtime, get_runtime

from selfcritic.agent.concurrency import call_async
from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.state import State, parse_state
from selfcritic.agent.step import Step, called_sync, preload

Node = Callable[[State, Runtime[Context]], Awaitable[State] | State]
"""A step of a loop, async or plain: from the state and the options (`runtime.context`) to the keys that it changes.

`Run(state, runtime)` has the prompts, and the models on the run's meter; an update made by its `update` counts what was
spent, and `update(stop=…)` ends the run with the best draft. What a node raises, the graph raises.
"""


def add_nodes(
    builder: StateGraph[State, Context, Any, Any],
    defaults: Context,
    own: Mapping[str, Node] | None = None,
    **nodes: Node,
) -> None:
    """Add the nodes under their names, each replaced by the user's own of that name where there is one."""
    own = own or {}
    if unknown := [name for name in own if name not in nodes]:
        raise InputError(f"There is no node {', '.join(map(repr, unknown))} to replace; there are {', '.join(nodes)}.")
    for name, node in {**nodes, **own}.items():
        builder.add_node(name, sync_and_async(node, defaults))


def resolve_context(defaults: Context) -> Context:
    """The graph's options with the run's own in their place; a context of another kind is a surrounding graph's."""
    given: object = get_runtime(Context).context
    return defaults.merge(given if isinstance(given, Context) else None)


class GraphNode(RunnableLambda[State, State]):
    """A node that also tells the options its graph was made with."""

    defaults: Context


def sync_and_async(node: Node, defaults: Context) -> GraphNode:
    """The node as a runnable that works synchronously and asynchronously."""

    async def asynchronous(state: State) -> State:
        with_options = get_runtime(Context).override(context=resolve_context(defaults))
        await preload(with_options.context)
        return await call_async(node, parse_state(state), with_options)

    def synchronous(state: State) -> State:
        token = called_sync.set(True)  # the loop's thread works in a copy of this context
        future = asyncio.run_coroutine_threadsafe(asynchronous(state), _lasting_loop())
        try:
            return future.result()
        finally:
            future.cancel()  # where the caller was interrupted
            called_sync.reset(token)

    made = GraphNode(synchronous, asynchronous, name=getattr(node, "__name__", None))
    made.defaults = defaults
    return made


def on_the_spot(choose: Callable[[State], str]) -> RunnableLambda[State, str]:
    """The choice made in the event loop: LangGraph hands a plain function to a thread, which costs more."""

    async def chosen(state: State) -> str:
        return choose(state)

    return RunnableLambda(choose, chosen)


_starting = Lock()  # threads that come first at the same time must not start a loop each


def _lasting_loop() -> asyncio.AbstractEventLoop:
    with _starting:
        return _started_loop()


@functools.cache
def _started_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="selfcritic", daemon=True)
    thread.start()

    @atexit.register
    def stop() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=1)
        if not loop.is_running():
            loop.close()

    return loop


StopCondition = Callable[[State], Awaitable[bool] | bool]
"""Whether the run is to stop, from all that its nodes share: `rounds`, `p_critiqueable`, `usage` and the rest.

A rule that raises stops the run, too: the best draft comes back, and `error` says what the rule raised.
"""


def with_stop_condition(stop_when: StopCondition, classify: Node) -> Node:
    """The node that judges a draft, followed by the rule."""

    async def judge(state: State, runtime: Runtime[Context]) -> State:
        update = await call_async(classify, state, runtime)
        judged = cast(State, {**state, **update})
        if judged.get("stop_reason") is not None:
            return update
        error = None
        try:
            if not await call_async(stop_when, judged):
                return update
        except Exception as failure:  # noqa: BLE001 - it may raise anything, and the drafts are paid for
            error = f"stop_when raised {type(failure).__name__}: {failure}"
        return cast(State, {**update, **Step(judged, runtime).update(stop="stop_when", error=error)})

    return judge
