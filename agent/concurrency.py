"""Call a user's function, plain or async: a node of their own, a stop rule."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


async def call_async(function: Callable[P, Awaitable[T] | T], *arguments: P.args, **named: P.kwargs) -> T:
    """What the function comes to. A plain one works in a thread, so that it may block."""
    if any(map(inspect.iscoroutinefunction, (function, getattr(function, "__call__", None)))):  # noqa: B004
        return await cast(Awaitable[T], function(*arguments, **named))
    result = await asyncio.to_thread(function, *arguments, **named)
    return await result if inspect.isawaitable(result) else result
