"""Make a plain async node serve `invoke` as well as `ainvoke`, with the graph's options beneath the run's own.

LangGraph refuses to run an async node from `invoke`. The synchronous side hands the coroutine to one lasting event
loop in a thread of its own: lasting, because HTTP clients are bound to the loop that made them; a thread, so that it
works inside a running loop such as Jupyter's.
"""

import asyncio
import atexit
import functools
from collections.abc import Awaitable, Callable
from threading import Lock, Thread

from langchain_core.runnables import RunnableLambda
from langgraph.runtime import Runtime, get_runtime

from selfcritic.agent.context import Context
from selfcritic.agent.edits import with_records
from selfcritic.agent.run import is_synchronous, prepare
from selfcritic.agent.state import State

Node = Callable[[State, Runtime[Context]], Awaitable[State]]


class BothWays(RunnableLambda[State, State]):
    """A node that also tells the options its graph was made with."""

    defaults: Context


def both_ways(node: Node, defaults: Context) -> BothWays:
    """The node as a runnable that works synchronously and asynchronously."""

    def runtime() -> Runtime[Context]:
        given = get_runtime(Context)
        return given.override(context=defaults.overridden_by(given.context))

    async def asynchronous(state: State) -> State:
        with_options = runtime()
        await prepare(with_options.context)
        return await node(with_records(state), with_options)

    def synchronous(state: State) -> State:
        token = is_synchronous.set(True)  # the loop's thread works in a copy of this context
        future = asyncio.run_coroutine_threadsafe(asynchronous(state), _lasting_loop())
        try:
            return future.result()
        finally:
            future.cancel()  # where the caller was interrupted
            is_synchronous.reset(token)

    made = BothWays(synchronous, asynchronous, name=getattr(node, "__name__", None))
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
