"""Call plain and async functions."""

import asyncio
import functools
import threading
from typing import Any

import pytest

from selfcritic.agent.concurrency import call_async


def plain(a: int, b: int = 1) -> tuple[int, str]:
    return a + b, threading.current_thread().name


async def asynchronous(a: int, b: int = 1) -> tuple[int, str]:
    return plain(a, b)


class Plain:
    def __call__(self, a: int, b: int = 1) -> tuple[int, str]:
        return plain(a, b)


class Asynchronous:
    async def __call__(self, a: int, b: int = 1) -> tuple[int, str]:
        return plain(a, b)

    def method(self, a: int, b: int = 1) -> Any:
        return self(a, b)


@pytest.mark.parametrize(
    ("function", "runs_in_loop_thread"),
    [
        (plain, False),
        (asynchronous, True),
        (Plain(), False),
        (Asynchronous(), True),
        (Asynchronous().__call__, True),
        (Asynchronous().method, True),
        (functools.partial(plain, b=1), False),
        (functools.partial(asynchronous, b=1), True),
        (lambda a: asynchronous(a), True),
    ],
)
def test_plain_functions_run_in_a_thread_and_async_ones_in_the_loop(
    function: Any, runs_in_loop_thread: bool
):
    total, thread = asyncio.run(call_async(function, 2))
    assert total == 3
    assert (thread == threading.current_thread().name) == runs_in_loop_thread


@pytest.mark.parametrize("function", [plain, asynchronous])
def test_exceptions_are_raised(function: Any):
    with pytest.raises(TypeError):
        asyncio.run(call_async(function, None))
