"""Run the rows of a batch on a Dask cluster.

The driver keeps the ledger and the files. A worker receives a graph's name, its options and a row. API keys are not
sent; they come from the worker's environment. If a worker dies, Dask reruns its rows on another one. The requests of
the first attempt do not count in the usage.
"""

import asyncio
import functools
import importlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import CancelledError as FutureCancelled
from contextlib import asynccontextmanager
from typing import Any, cast

from pydantic import TypeAdapter

from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.schemas import Usage
from selfcritic.agent.state import Input, Output

_INPUT = TypeAdapter(Input)
_OUTPUT = TypeAdapter(Output)
_GRAPHS = ("self_critique", "best_of_n")
_POLL_SECONDS = 1.0
_REPLY_SECONDS = 30.0
"""Seconds within which a scheduler must answer; a loaded one may be slow."""
_WARN_SECONDS = 5.0
"""Seconds without a worker before a warning."""
_log = logging.getLogger(__name__)


class WorkersLost(SelfcriticError):  # noqa: N818 - names the state
    """No Dask worker is connected, or the scheduler has ended."""


@asynccontextmanager
async def dask_runner(
    address: str, graph_name: str, options: Context, budget: BudgetTracker, max_wait: float
) -> AsyncIterator[Callable[[Input], Awaitable[Output]]]:
    """Yield a function that runs one row on a Dask worker.

    The function adds the row's usage to `budget`. It raises WorkersLost if no worker is connected for `max_wait`
    seconds, or the scheduler ends.

    Raises:
        InputError: `distributed` is not installed, no scheduler answers, or workers cannot load the graph or a model.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("Dask needs an extra: pip install 'selfcritic[dask]'.") from error
    _check_address(address)
    _check_serializable(graph_name, options)
    options_json = options.model_dump_json()
    try:
        client: Any = await cast(Any, Client)(address, asynchronous=True)
    except OSError as error:
        raise InputError(f"No Dask scheduler answers at {address}: {error}") from None

    lost = asyncio.create_task(_wait_for_loss(client, address, max_wait))

    async def run_row(row_input: Input) -> Output:
        row_json = _INPUT.dump_python(row_input, mode="json")
        future = client.submit(_run_on_worker, graph_name, options_json, row_json, pure=False)
        result = await _first_result(future.result(), lost)
        output = _OUTPUT.validate_python(result)
        budget.add(output.get("usage", Usage()))
        return output

    try:
        yield run_row
    finally:
        lost.cancel()
        await client.close()


async def _first_result(row: Awaitable[Any], lost: "asyncio.Task[str]") -> Any:
    """Return the result of a row; raise WorkersLost if `lost` ends first."""
    row_task = asyncio.ensure_future(row)
    try:
        await asyncio.wait([row_task, lost], return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not row_task.done():
            row_task.cancel()
    if not row_task.done():
        raise WorkersLost(lost.result())
    try:
        return row_task.result()
    except (FutureCancelled, asyncio.CancelledError):  # Dask cancels all futures
        raise WorkersLost("The Dask scheduler has ended. Start it, then rerun to resume.") from None


async def _wait_for_loss(client: Any, address: str, max_wait: float) -> str:
    """Return an error message when no worker is connected for too long."""
    last_seen = time.monotonic()
    has_warned = False
    while True:
        try:
            workers = await asyncio.wait_for(client.scheduler.ncores(), _REPLY_SECONDS)
        except OSError:  # also a timeout
            return f"The Dask scheduler at {address} has ended. Start it, then rerun to resume."
        seconds = time.monotonic() - last_seen
        if workers:
            last_seen = time.monotonic()
            has_warned = False
        elif seconds > min(_WARN_SECONDS, max_wait / 2) and not has_warned:
            has_warned = True
            _log.warning("Waiting for a Dask worker to connect to %s", address)
        elif seconds > max_wait:
            return (
                f"No worker is connected to the Dask scheduler at {address} for {max_wait:g} seconds. Start one with: "
                f"dask worker {address}, then rerun to resume."
            )
        await asyncio.sleep(min(_POLL_SECONDS, max_wait / 4))


async def _run_on_worker(graph_name: str, options_json: str, row_json: dict[str, Any]) -> Any:
    graph = importlib.import_module(f"selfcritic.graphs.{graph_name}").graph
    row_input = _INPUT.validate_python(row_json)
    output = await graph.ainvoke(row_input, context=_parse_options(options_json))
    return _OUTPUT.dump_python(output, mode="json")


@functools.cache
def _parse_options(options_json: str) -> Context:
    return Context.model_validate_json(options_json)


def _check_address(address: str) -> None:
    """Raise InputError if Dask cannot parse an address; its own error may quote a password."""
    from distributed.comm.addressing import get_address_host_port

    if address.startswith("inproc://"):  # has no host
        return
    try:
        get_address_host_port(address)
    except ValueError:
        raise InputError(
            "`dask` (--dask) must be the address of a scheduler without user and password, such as "
            "tcp://127.0.0.1:8786."
        ) from None


def _check_serializable(graph_name: str, options: Context) -> None:
    if not all(isinstance(model, str) for model in options.configured_models):
        raise InputError(
            "With Dask, set each model by name (PROVIDER/MODEL), not as a chat model: workers load it."
        )
    if options.cache is not None and not isinstance(options.cache, str):
        raise InputError("With Dask, set `cache` to a folder, not an object: workers open it.")
    if any(map(callable, [*options.checkers, options.scorer])):
        raise InputError(
            "With Dask, set checkers and the scorer by name, not as functions: workers load them."
        )
    if graph_name not in _GRAPHS:
        raise InputError(
            f"Dask workers cannot run the graph '{graph_name}': compile one of {', '.join(_GRAPHS)} with its name."
        )
