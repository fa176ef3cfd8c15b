"""CPU a request of the loop, against the same requests in the same order and number at once without it.

    python -m examples.benchmarks.overhead

Claim: the loop takes at most 1 ms of CPU a request beyond what litellm itself takes. What a bare LangGraph graph takes
beyond it, which does nothing but send the requests, is measured beside.
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

from examples.benchmarks.bare import bare_graph, send, stages
from examples.benchmarks.server import model_at, serving
from selfcritic.graphs import create_self_critique

OPTIONS: dict[str, Any] = {"num_critiques": 8, "max_rounds": 3, "patience": 4}
LIMIT = 1.0


def main(
    runs: Annotated[int, typer.Option(help="Runs at once.")] = 20,
    repeats: Annotated[int, typer.Option(help="Repeats of each side, interleaved.")] = 7,
    latency: Annotated[float, typer.Option(help="Seconds a request.")] = 0.02,
    server: Annotated[str | None, typer.Option(help="Address; a fresh server by default.")] = None,
) -> None:
    """Print CPU a request, of the loop, of a bare graph and of litellm."""
    with serving(latency, url=server) as url:
        requests, sides = asyncio.run(_measured(url, runs, repeats))
    table = Table("side", "CPU a request", "beyond litellm", "lowest … highest", "claim")
    for name, times in sides.items():
        beyond = sorted(one - other for one, other in zip(times, sides["litellm alone"], strict=True))
        spread = f"{beyond[0]:.2f} … {beyond[-1]:.2f} ms"
        claim = f"≤ {LIMIT:.0f} ms" if name == "the loop" else ""
        table.add_row(name, f"{statistics.median(times):.2f} ms", f"{statistics.median(beyond):.2f} ms", spread, claim)
    console = Console(width=100)
    console.print(table)
    console.print(f"{requests} requests at each repeat; medians of {repeats}")


async def _measured(url: str, runs: int, repeats: int) -> tuple[int, dict[str, list[float]]]:
    graph = create_self_critique(model=model_at(url), **OPTIONS).compile()
    to_send = await stages(url, **OPTIONS)
    bare = bare_graph(to_send)
    count = sum(map(len, to_send))

    async def through_the_loop() -> None:
        await graph.ainvoke({"question": "What is the capital of France?"})

    async def through_a_bare_graph() -> None:
        await bare.ainvoke({})

    async def through_litellm() -> None:
        for stage in to_send:
            await send(stage)

    sides = {
        "the loop": through_the_loop,
        "a bare LangGraph graph": through_a_bare_graph,
        "litellm alone": through_litellm,
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(1 + repeats):
        for name, side in sides.items():
            times[name].append(await _cpu(side, runs) / (runs * count) * 1000)
    return runs * count, {name: measured[1:] for name, measured in times.items()}


async def _cpu(side: Callable[[], Awaitable[None]], runs: int) -> float:
    gc.collect()
    before = time.process_time()
    await asyncio.gather(*(side() for _ in range(runs)))
    return time.process_time() - before


if __name__ == "__main__":
    typer.run(main)
