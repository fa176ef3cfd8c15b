"""Measure the loop's CPU time per request against the bare requests.

    python -m examples.benchmarks.overhead [--freeze]

Target: the loop takes at most 1 ms more CPU time per request than litellm alone. A bare LangGraph graph is measured as
well, with litellm and with a LangChain chat model. All send the same requests in the same order and with the same
concurrency. Garbage collection counts; `--freeze` leaves litellm's objects out of it, as the commands do.
"""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from examples.benchmarks.bare import bare_graph, chat_model_sender, record_stages, send
from examples.benchmarks.server import model_at, serving
from selfcritic.agent.models.litellm_library import freeze_imports
from selfcritic.graphs import create_self_critique

OPTIONS: dict[str, Any] = {"num_critiques": 8, "max_rounds": 3, "patience": 4}
LIMIT = 1.0
LOOP = "the loop"
CHAT_MODEL_GRAPH = "a bare graph, chat model"
BARE_GRAPH = "a bare graph, litellm"
LITELLM = "litellm alone"

RunFn = Callable[[], Awaitable[None]]
CpuTimes = dict[str, list[float]]
"""Milliseconds of CPU per request for each side, one value per repeat."""


def main(
    runs: Annotated[int, typer.Option(help="Number of concurrent runs.")] = 20,
    repeats: Annotated[int, typer.Option(help="Repeats of each side, interleaved.")] = 7,
    latency: Annotated[float, typer.Option(help="Seconds per request.")] = 0.02,
    server: Annotated[str | None, typer.Option(help="Server address (default: start one).")] = None,
    freeze: Annotated[bool, typer.Option(help="Call freeze_imports, as the commands do.")] = False,
) -> None:
    """Print CPU per request of the loop, bare graphs and litellm."""
    if freeze:
        freeze_imports()
    with serving(latency, url=server) as url:
        requests, cpu_times = asyncio.run(_measure(url, runs, repeats))
    table = Table("side", "CPU per request", "above litellm", "lowest … highest", "target")
    for name, times in cpu_times.items():
        differences = [time - base for time, base in zip(times, cpu_times[LITELLM], strict=True)]
        table.add_row(
            name,
            f"{statistics.median(times):.2f} ms",
            f"{statistics.median(differences):.2f} ms",
            f"{min(differences):.2f} … {max(differences):.2f} ms",
            f"≤ {LIMIT:.0f} ms" if name == LOOP else "",
        )
    console = Console(width=100)
    console.print(table)
    console.print(f"{requests} requests per repeat; medians of {repeats} repeats")


async def _measure(url: str, runs: int, repeats: int) -> tuple[int, CpuTimes]:
    """Return the number of requests per repeat, and the CPU times."""
    graph = create_self_critique(model=model_at(url), **OPTIONS).compile()
    stages = await record_stages(url, **OPTIONS)
    bare = bare_graph(stages)
    bare_with_model = bare_graph(stages, chat_model_sender(url))
    requests = runs * sum(len(stage) for stage in stages)

    async def run_loop() -> None:
        await graph.ainvoke({"question": "What is the capital of France?"})

    async def run_bare_graph() -> None:
        await bare.ainvoke({})

    async def run_chat_model_graph() -> None:
        await bare_with_model.ainvoke({})

    async def run_litellm() -> None:
        for stage in stages:
            await send(stage)

    sides: dict[str, RunFn] = {
        LOOP: run_loop,
        CHAT_MODEL_GRAPH: run_chat_model_graph,
        BARE_GRAPH: run_bare_graph,
        LITELLM: run_litellm,
    }
    cpu_times: CpuTimes = {name: [] for name in sides}
    for _ in range(1 + repeats):
        for name, run in sides.items():
            seconds = await _cpu_seconds(run, runs)
            cpu_times[name].append(seconds / requests * 1000)
    # The first repeat imports litellm and opens the connections.
    return requests, {name: times[1:] for name, times in cpu_times.items()}


async def _cpu_seconds(run: RunFn, runs: int) -> float:
    """Return the CPU time of concurrent runs."""
    gc.collect()
    start = time.process_time()
    await asyncio.gather(*(run() for _ in range(runs)))
    return time.process_time() - start


if __name__ == "__main__":
    typer.run(main)
