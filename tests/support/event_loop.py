"""`asyncio.run` for tests that reach a provider: litellm keeps its clients, and their connections outlive the loop."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from selfcritic.graphs import runtime as sync_and_async

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end, and close litellm's clients while their loop still runs."""

    async def run_and_close() -> T:
        try:
            return await coroutine
        finally:
            await close_clients()

    return asyncio.run(run_and_close())


def close_clients_of_synchronous_runs() -> None:
    """Close what synchronous runs opened, on the loop that keeps it."""
    asyncio.run_coroutine_threadsafe(close_clients(), sync_and_async._lasting_loop()).result()


async def close_clients() -> None:
    """Close and forget the clients that litellm keeps, those of synchronous calls too."""
    if (litellm := sys.modules.get("litellm")) is None:
        return
    await litellm.close_litellm_async_clients()
    for client in litellm.in_memory_llm_clients_cache.cache_dict.values():
        if isinstance(client, sys.modules["openai"].OpenAI):
            client.close()
    litellm.in_memory_llm_clients_cache.flush_cache()
    await asyncio.sleep(0)  # in which the connections close
