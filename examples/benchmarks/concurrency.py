"""Memory of many runs at once in one process, against a server in another.

    python -m examples.benchmarks.concurrency

Claim: 1,000 runs at once all finish, and take at most 150 kB of memory a run beyond the baseline: the process after
its imports and one run.
"""

import asyncio
import gc
import re
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from examples.benchmarks.server import model_at, serving
from selfcritic.graphs import create_self_critique

LIMIT = 150


def main(
    runs: Annotated[int, typer.Option(help="Runs at once.")] = 1000,
    latency: Annotated[float, typer.Option(help="Seconds a request.")] = 0.2,
    server: Annotated[str | None, typer.Option(help="Address; a fresh server by default.")] = None,
) -> None:
    """Print what many runs at once take."""
    with serving(latency, url=server) as url:
        finished, seconds, before, peak = asyncio.run(_measured(url, runs))
    table = Table("runs at once", "finished", "time", "baseline", "peak", "memory a run", "claim")
    a_run = (peak - before) / runs
    megabytes = [f"{kilobytes / 1000:.0f} MB" for kilobytes in (before, peak)]
    table.add_row(str(runs), str(finished), f"{seconds:.1f} s", *megabytes, f"{a_run:.0f} kB", f"≤ {LIMIT} kB")
    Console(width=100).print(table)


async def _measured(url: str, runs: int) -> tuple[int, float, int, int]:
    graph = create_self_critique(model=model_at(url), critiques=2, max_rounds=1).compile()

    async def one(index: int) -> bool:
        out = await graph.ainvoke({"question": f"What is the capital of country {index}?"})
        return len(out["rounds"]) == 2

    await one(0)
    gc.collect()
    before, started = _forget_the_peak(), time.perf_counter()
    finished = sum(await asyncio.gather(*(one(index) for index in range(runs))))
    return finished, time.perf_counter() - started, before, _kilobytes("VmHWM")


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
