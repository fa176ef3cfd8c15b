"""Run coroutines and close litellm's clients before the event loop ends."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from selfcritic.graphs import runtime

T = TypeVar("T")
_CLOSING_TURNS = 5
"""Turns of the loop in which connections close, those of cancelled requests included."""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine, then close litellm's clients on the same loop."""

    async def run_and_close() -> T:
        try:
            return await coroutine
        finally:
            await close_clients()

    return asyncio.run(run_and_close())


def close_clients_of_synchronous_runs() -> None:
    """Close the clients that sync runs opened, on their shared loop."""
    runtime._portal().call(close_clients)


async def close_clients() -> None:
    """Close litellm's cached sync and async clients, and clear the cache."""
    litellm = sys.modules.get("litellm")
    if litellm is None:
        return
    await litellm.close_litellm_async_clients()
    for client in litellm.in_memory_llm_clients_cache.cache_dict.values():
        if isinstance(client, sys.modules["openai"].OpenAI):
            client.close()
    litellm.in_memory_llm_clients_cache.flush_cache()
    for _ in range(_CLOSING_TURNS):
        await asyncio.sleep(0)
