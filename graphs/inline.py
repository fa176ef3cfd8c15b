"""Run nodes and routes in their node's span and task."""

from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config, var_child_runnable_config
from typing_extensions import override  # in typing from Python 3.12 on

from selfcritic.agent.state import State


class InlineNode(Runnable[State, State]):
    """Runs a node's sync or async function."""

    def __init__(
        self,
        run_sync: Callable[[State], State],
        run_async: Callable[[State], Awaitable[State]],
        name: str | None,
    ) -> None:
        self.name = name
        self._run_sync = run_sync
        self._run_async = run_async

    @override
    def invoke(self, input: State, config: RunnableConfig | None = None, **_: Any) -> State:
        """Run the node in this thread."""
        return self._run_sync(input)

    @override
    async def ainvoke(self, input: State, config: RunnableConfig | None = None, **_: Any) -> State:
        """Run the node in this task."""
        return await self._run_async(input)


class InlineRoute(Runnable[Any, str]):
    """Runs a routing function, which must not block: `ainvoke` runs it on the event loop."""

    def __init__(self, route: Callable[[Any], str]) -> None:
        self.name = route.__name__
        self._route = route

    @override
    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> str:
        """Return the next node; the function can read the run's options."""
        token = var_child_runnable_config.set(ensure_config(config))
        try:
            return self._route(input)
        finally:
            var_child_runnable_config.reset(token)

    @override
    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> str:
        """Return the next node."""
        return self.invoke(input, config)
