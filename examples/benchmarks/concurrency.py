"""Measure the memory of many concurrent runs in one process.

    python -m examples.benchmarks.concurrency [--freeze]

Target: 1,000 concurrent runs all finish, and use at most 1.1 × the memory of a bare LangGraph graph that sends the same
requests with litellm. Another bare graph calls a LangChain chat model. The memory is the peak above the baseline,
which is the process after its imports and one run. Each side, and the server, has its own process. `--freeze` leaves
litellm's objects out of garbage collection, as the commands do.
"""

import asyncio
import gc
import multiprocessing
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from examples.benchmarks.bare import bare_graph, chat_model_sender, record_stages, send
from examples.benchmarks.server import model_at, serving
from selfcritic.agent.models.litellm_library import freeze_imports
from selfcritic.graphs import create_self_critique

OPTIONS: dict[str, Any] = {"num_critiques": 2, "max_rounds": 1}
LIMIT = 1.1
LOOP = "the loop"
CHAT_MODEL_GRAPH = "a bare graph, chat model"
BARE_GRAPH = "a bare graph, litellm"
SIDES = (LOOP, CHAT_MODEL_GRAPH, BARE_GRAPH)

RunFn = Callable[[int], Awaitable[bool]]
"""Starts the run with this index; returns whether it finished."""


@dataclass(frozen=True)
class Measurement:
    """Resource use of one process: seconds and kilobytes."""

    finished: int
    seconds: float
    baseline: int
    peak: int


def main(
    runs: Annotated[int, typer.Option(help="Number of concurrent runs.")] = 1000,
    latency: Annotated[float, typer.Option(help="Seconds per request.")] = 0.2,
    server: Annotated[str | None, typer.Option(help="Server address (default: start one).")] = None,
    bare: Annotated[bool, typer.Option(help="Measure the bare graphs as well.")] = True,
    freeze: Annotated[bool, typer.Option(help="Call freeze_imports, as the commands do.")] = False,
) -> None:
    """Print time and memory of many concurrent runs."""
    table = Table("of", "finished", "time", "baseline", "peak", "memory per run")
    kilobytes: list[float] = []
    with serving(latency, url=server) as url:
        for name in SIDES if bare else [LOOP]:
            measurement = _measure_in_new_process(url, runs, name, freeze)
            kilobytes.append((measurement.peak - measurement.baseline) / runs)
            table.add_row(
                name,
                f"{measurement.finished} of {runs}",
                f"{measurement.seconds:.1f} s",
                f"{measurement.baseline / 1000:.0f} MB",
                f"{measurement.peak / 1000:.0f} MB",
                f"{kilobytes[-1]:.0f} kB",
            )
    console = Console(width=100)
    console.print(table)
    if bare:
        for name, of_bare in zip(SIDES[1:], kilobytes[1:], strict=True):
            target = f"; target: ≤ {LIMIT:.1f} ×" if name == BARE_GRAPH else ""
            console.print(f"{kilobytes[0] / of_bare:.2f} × the memory of {name}{target}")


def _measure_in_new_process(url: str, runs: int, name: str, freeze: bool) -> Measurement:
    """Measure in a new process: peak memory is per process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_measure, url, runs, name, freeze).result()


def _measure(url: str, runs: int, name: str, freeze: bool) -> Measurement:
    if freeze:
        freeze_imports()
    return asyncio.run(_measure_runs(url, runs, name))


async def _measure_runs(url: str, runs: int, name: str) -> Measurement:
    run = _loop(url) if name == LOOP else await _bare_graph(url, name)
    await run(0)
    gc.collect()
    baseline = _reset_peak()
    start = time.perf_counter()
    finished = sum(await asyncio.gather(*(run(index) for index in range(runs))))
    seconds = time.perf_counter() - start
    return Measurement(finished, seconds, baseline, _kilobytes("VmHWM"))


def _loop(url: str) -> RunFn:
    graph = create_self_critique(model=model_at(url), **OPTIONS).compile()

    async def run(index: int) -> bool:
        output = await graph.ainvoke({"question": f"What is the capital of country {index}?"})
        return len(output["rounds"]) == 2

    return run


async def _bare_graph(url: str, name: str) -> RunFn:
    stages = await record_stages(url, **OPTIONS)
    sender = chat_model_sender(url) if name == CHAT_MODEL_GRAPH else send
    graph = bare_graph(stages, sender)

    async def run(_: int) -> bool:
        output: dict[str, Any] = await graph.ainvoke({})
        return bool(output["stages"] == len(stages))

    return run


def _reset_peak() -> int:
    """Reset the process's peak memory; return its current memory in kilobytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _kilobytes("VmRSS")


def _kilobytes(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    [kibibytes] = re.findall(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kibibytes) * 1024 // 1000


if __name__ == "__main__":
    typer.run(main)
