"""Run the rows of a batch on a Dask cluster.

The driver keeps the ledger and the files. A worker receives a graph's name, its options and a row. API keys are not
sent; they come from the worker's environment. If a worker dies, Dask reruns its rows on another one.
"""

import functools
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from pydantic import TypeAdapter

from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.schemas import Usage
from selfcritic.agent.state import Input, Output

_INPUT = TypeAdapter(Input)
_OUTPUT = TypeAdapter(Output)
_GRAPHS = ("self_critique", "best_of_n")


@asynccontextmanager
async def dask_runner(
    address: str, graph_name: str, options: Context, budget: BudgetTracker
) -> AsyncIterator[Callable[[Input], Awaitable[Output]]]:
    """Yield a function that runs one row on a Dask worker.

    The function adds the row's usage to `budget`.

    Raises:
        InputError: `distributed` is not installed, no scheduler answers, or workers cannot load the graph or a model.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("Dask needs an extra: pip install 'selfcritic[dask]'.") from error
    _check_serializable(graph_name, options)
    options_json = options.model_dump_json()
    try:
        client: Any = await cast(Any, Client)(address, asynchronous=True)
    except (OSError, ValueError) as error:
        raise InputError(f"No Dask scheduler answers at {address}: {error}") from error

    async def run_row(row_input: Input) -> Output:
        row_json = _INPUT.dump_python(row_input, mode="json")
        result = await client.submit(_run_on_worker, graph_name, options_json, row_json, pure=False)
        output = _OUTPUT.validate_python(result)
        budget.add(output.get("usage", Usage()))
        return output

    async with client:
        yield run_row


async def _run_on_worker(graph_name: str, options_json: str, row_json: dict[str, Any]) -> Any:
    graph = importlib.import_module(f"selfcritic.graphs.{graph_name}").graph
    row_input = _INPUT.validate_python(row_json)
    output = await graph.ainvoke(row_input, context=_parse_options(options_json))
    return _OUTPUT.dump_python(output, mode="json")


@functools.cache
def _parse_options(options_json: str) -> Context:
    return Context.model_validate_json(options_json)


def _check_serializable(graph_name: str, options: Context) -> None:
    if not all(isinstance(model, str) for model in options.configured_models):
        raise InputError(
            "With Dask, set each model by name (PROVIDER/MODEL), not as a chat model: workers load it."
        )
    if graph_name not in _GRAPHS:
        raise InputError(
            f"Dask workers cannot run the graph '{graph_name}': compile one of {', '.join(_GRAPHS)} with its name."
        )
