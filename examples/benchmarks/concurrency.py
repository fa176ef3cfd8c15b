"""Memory of many runs at once in one process, against a server in another.

    python -m examples.benchmarks.concurrency

Claim: 1,000 runs at once all finish, and take at most 150 kB of memory a run beyond the baseline: the process after
its imports and one run. What a bare LangGraph graph takes, which does nothing but send the same requests through
litellm, is measured beside, in a process of its own.
"""

import asyncio
import gc
import multiprocessing
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from examples.benchmarks.bare import bare_graph, stages
from examples.benchmarks.server import model_at, serving
from selfcritic.graphs import create_self_critique

OPTIONS: dict[str, Any] = {"num_critiques": 2, "max_rounds": 1}
LIMIT = 150


def main(
    runs: Annotated[int, typer.Option(help="Runs at once.")] = 1000,
    latency: Annotated[float, typer.Option(help="Seconds a request.")] = 0.2,
    server: Annotated[str | None, typer.Option(help="Address; a fresh server by default.")] = None,
) -> None:
    """Print what many runs at once take."""
    table = Table("of", "finished", "time", "baseline", "peak", "memory a run", "claim")
    with serving(latency, url=server) as url:
        for name, claim in (("the loop", f"≤ {LIMIT} kB"), ("a bare LangGraph graph", "")):
            # A peak is a process' own.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                finished, seconds, before, peak = process.submit(_measure, url, runs, name == "the loop").result()
            megabytes = [f"{kilobytes / 1000:.0f} MB" for kilobytes in (before, peak)]
            a_run = f"{(peak - before) / runs:.0f} kB"
            table.add_row(name, f"{finished} of {runs}", f"{seconds:.1f} s", *megabytes, a_run, claim)
    Console(width=100).print(table)


def _measure(url: str, runs: int, is_the_loop: bool) -> tuple[int, float, int, int]:
    return asyncio.run(_measured(url, runs, is_the_loop))


async def _measured(url: str, runs: int, is_the_loop: bool) -> tuple[int, float, int, int]:
    one = _loop(url) if is_the_loop else await _bare(url)
    await one(0)
    gc.collect()
    before, started = _forget_the_peak(), time.perf_counter()
    finished = sum(await asyncio.gather(*(one(index) for index in range(runs))))
    return finished, time.perf_counter() - started, before, _kilobytes("VmHWM")


def _loop(url: str) -> Callable[[int], Awaitable[bool]]:
    graph = create_self_critique(model=model_at(url), **OPTIONS).compile()

    async def one(index: int) -> bool:
        out = await graph.ainvoke({"question": f"What is the capital of country {index}?"})
        return len(out["rounds"]) == 2

    return one


async def _bare(url: str) -> Callable[[int], Awaitable[bool]]:
    to_send = await stages(url, **OPTIONS)
    graph = bare_graph(to_send)

    async def one(_: int) -> bool:
        out: dict[str, Any] = await graph.ainvoke({})
        return bool(out["stages"] == len(to_send))

    return one


def _forget_the_peak() -> int:
    """What the process takes now, from where its peak is measured anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return _kilobytes("VmRSS")


def _kilobytes(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    [kibibytes] = re.findall(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kibibytes) * 1024 // 1000


if __name__ == "__main__":
    typer.run(main)
