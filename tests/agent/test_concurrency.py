"""A user's function is called whether it is plain or async."""

import asyncio
import functools
import threading
from typing import Any

import pytest

from selfcritic.agent.concurrency import call_async


def plain(one: int, other: int = 1) -> tuple[int, str]:
    return one + other, threading.current_thread().name


async def asynchronous(one: int, other: int = 1) -> tuple[int, str]:
    return plain(one, other)


class Plain:
    def __call__(self, one: int, other: int = 1) -> tuple[int, str]:
        return plain(one, other)


class Asynchronous:
    async def __call__(self, one: int, other: int = 1) -> tuple[int, str]:
        return plain(one, other)

    def method(self, one: int, other: int = 1) -> Any:
        return self(one, other)


@pytest.mark.parametrize(
    ("function", "in_the_loops_thread"),
    [
        (plain, False),
        (asynchronous, True),
        (Plain(), False),
        (Asynchronous(), True),
        (Asynchronous().__call__, True),
        (Asynchronous().method, True),
        (functools.partial(plain, other=1), False),
        (functools.partial(asynchronous, other=1), True),
        (lambda one: asynchronous(one), True),
    ],
)
def test_a_plain_function_works_in_a_thread_and_an_async_one_in_the_loop(function: Any, in_the_loops_thread: bool):
    total, thread = asyncio.run(call_async(function, 2))
    assert total == 3
    assert (thread == threading.current_thread().name) == in_the_loops_thread


@pytest.mark.parametrize("function", [plain, asynchronous])
def test_what_it_raises_is_raised(function: Any):
    with pytest.raises(TypeError):
        asyncio.run(call_async(function, None))
