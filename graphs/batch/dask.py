"""The rows of a batch run by the workers of a Dask cluster; the driver, its ledger and its files stay where they are.

A worker is sent a graph's name, options and a row, never a key: keys come from the worker's own environment. Where a
worker dies Dask hands its rows to another, and each comes back once.
"""

import functools
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast, get_args

from pydantic import TypeAdapter

from selfcritic.agent.context import Context, Role
from selfcritic.agent.errors import InputError
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.schemas import Usage
from selfcritic.agent.state import Input, Output

_INPUT, _OUTPUT = TypeAdapter(Input), TypeAdapter(Output)


@asynccontextmanager
async def dask_runner(
    address: str, name: str, options: Context, meter: BudgetTracker
) -> AsyncIterator[Callable[[Input], Awaitable[Output]]]:
    """What runs a row on a worker, and counts what it spent; raises InputError where there is no scheduler."""
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("For Dask install the extra: pip install 'selfcritic[dask]'.") from error
    _can_travel(name, options)
    told = options.model_dump_json()
    try:
        client: Any = await cast(Any, Client)(address, asynchronous=True)
    except (OSError, ValueError) as error:
        raise InputError(f"No Dask scheduler answers at {address}: {error}") from error

    async def run_row(given: Input) -> Output:
        row = _INPUT.dump_python(given, mode="json")
        output = _OUTPUT.validate_python(await client.submit(_work, name, told, row, pure=False))
        meter.add(output.get("usage", Usage()))
        return output

    async with client:
        yield run_row


async def _work(name: str, options: str, row: dict[str, Any]) -> Any:
    """One row, on a worker."""
    graph = importlib.import_module(f"selfcritic.graphs.{name}").graph
    output = await graph.ainvoke(_INPUT.validate_python(row), context=_read(options))
    return _OUTPUT.dump_python(output, mode="json")


@functools.cache
def _read(options: str) -> Context:
    return Context.model_validate_json(options)


def _can_travel(name: str, options: Context) -> None:
    named = [options.model_for(part) for part in get_args(Role)]
    named += [spec for specs in options.fallbacks.values() for spec in specs]
    if not all(isinstance(spec, str) for spec in named):
        raise InputError("Over Dask, models are named (PROVIDER/MODEL), not handed in: they are loaded on the workers.")
    if name not in ("self_critique", "best_of_n"):
        raise InputError(f"Over Dask, the graph is one of ours, compiled with its name; '{name}' is none.")
