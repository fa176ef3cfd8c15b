"""Call plain and async functions in the same way."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


async def call_async(
    function: Callable[P, Awaitable[T] | T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Await an async function, or run a plain one in a thread.

    A plain function may block. If it returns an awaitable, it is awaited in the event loop.
    """
    if _is_async(function):
        return await cast(Awaitable[T], function(*args, **kwargs))
    result = await asyncio.to_thread(function, *args, **kwargs)
    if inspect.isawaitable(result):
        return await cast(Awaitable[T], result)
    return result


def _is_async(function: Callable[..., Any]) -> bool:
    if inspect.iscoroutinefunction(function):
        return True
    return inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
