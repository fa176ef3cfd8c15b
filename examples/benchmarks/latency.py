"""Measure a run's wall time against the latencies on its critical path.

    python -m examples.benchmarks.latency [--freeze]

Target: 3 rounds with 8 critiques take at most 1.05 × the sum of these latencies with native n, and 1.10 × without. The
option `speculative` saves one latency per round. The server has a fixed latency. For the first setup, two others send
the same requests: an HTTP client alone shows how long they take on this machine, and a bare LangGraph graph with
litellm shows how much of the rest is due to litellm. `--freeze` leaves litellm's objects out of garbage collection, as
the commands do.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import aiohttp
import typer
from rich.console import Console
from rich.table import Table

from examples.benchmarks.bare import bare_graph, http_sender, record_stages
from examples.benchmarks.server import model_at, serving
from selfcritic.agent.models.litellm_library import freeze_imports
from selfcritic.graphs import create_self_critique

CRITIQUES = 8
LIMIT = {True: 1.05, False: 1.10}
"""By `native_n`."""


@dataclass(frozen=True)
class Setup:
    """One way to run the loop."""

    native_n: bool
    speculative: bool

    @property
    def is_replayed(self) -> bool:
        """Whether others send the same: the requests of a stage are sent at the same time."""
        return self.native_n and not self.speculative

    @property
    def name(self) -> str:
        """Label of the setup in the table."""
        name = "native n" if self.native_n else "n ignored"
        return f"{name}, speculative" if self.speculative else name

    def path_length(self, rounds: int) -> int:
        """Return the number of requests on the critical path."""
        draft_and_verdict = 2
        per_round = 4  # critiques, scores, refinement, verdict
        if self.speculative:
            per_round -= 1
        length = draft_and_verdict + rounds * per_round
        if not self.native_n:
            length += 1  # one request to learn that n is ignored
        return length


SETUPS = (
    Setup(native_n=True, speculative=False),
    Setup(native_n=True, speculative=True),
    Setup(native_n=False, speculative=False),
    Setup(native_n=False, speculative=True),
)


@dataclass
class WallTimes:
    """Seconds of each repeat."""

    loop: list[float] = field(default_factory=list)
    http_client: list[float] = field(default_factory=list)
    bare_graph: list[float] = field(default_factory=list)


def main(
    latency: Annotated[float, typer.Option(help="Seconds per request.")] = 0.2,
    rounds: Annotated[int, typer.Option(help="Number of refinements.")] = 3,
    repeats: Annotated[int, typer.Option(help="Runs of each setup; medians are printed.")] = 5,
    server: Annotated[
        str | None, typer.Option(help="Server with that latency and native n (default: start one).")
    ] = None,
    freeze: Annotated[bool, typer.Option(help="Call freeze_imports, as the commands do.")] = False,
) -> None:
    """Print wall time and critical path of each setup."""
    if freeze:
        freeze_imports()
    table = Table(
        "setup",
        "requests in a row",
        "their latencies",
        "wall time",
        "ratio",
        "target",
        "HTTP client",
        "bare graph",
    )
    for setup in SETUPS:
        if server is None or setup.native_n:
            table.add_row(*_row(setup, latency, rounds, repeats, server))
    Console(width=100).print(table)


def _row(
    setup: Setup, latency: float, rounds: int, repeats: int, server: str | None
) -> Iterator[str]:
    with serving(latency, setup.native_n, server) as url:
        times = asyncio.run(_measure(url, setup, rounds, repeats))
    wall_time = statistics.median(times.loop)
    path_length = setup.path_length(rounds)
    path_time = path_length * latency
    yield setup.name
    yield str(path_length)
    yield f"{path_time:.2f} s"
    yield f"{wall_time:.3f} s"
    yield f"{wall_time / path_time:.3f}"
    yield f"≤ {LIMIT[setup.native_n]:.2f}"
    for others in (times.http_client, times.bare_graph):
        yield f"{statistics.median(others) / path_time:.3f}" if others else ""


async def _measure(url: str, setup: Setup, rounds: int, repeats: int) -> WallTimes:
    """Return the wall times of the loop, and of the others where they send the same."""
    options: dict[str, Any] = {
        "num_critiques": CRITIQUES,
        "max_rounds": rounds,
        "patience": rounds + 1,
        "speculative": setup.speculative,
    }
    graph = create_self_critique(model=model_at(url), **options).compile()
    stages = await record_stages(url, **options)
    bare = bare_graph(stages)

    async def run_loop() -> None:
        output = await graph.ainvoke({"question": "What is the capital of France?"})
        if len(output["rounds"]) != rounds + 1:
            raise typer.BadParameter(f"the run stopped early: {output['stop_reason']}")

    times = WallTimes()
    async with aiohttp.ClientSession() as session:
        send_with_http = http_sender(session, url)

        async def send_stages() -> None:
            for stage in stages:
                await send_with_http(stage)

        for repeat in range(1 + repeats):
            loop_time = await _time(run_loop())
            if repeat > 0:  # the first runs open the connections
                times.loop.append(loop_time)
            if setup.is_replayed:
                http_time = await _time(send_stages())
                bare_time = await _time(bare.ainvoke({}))
                if repeat > 0:
                    times.http_client.append(http_time)
                    times.bare_graph.append(bare_time)
    return times


async def _time(run: Awaitable[Any]) -> float:
    start = time.perf_counter()
    await run
    return time.perf_counter() - start


if __name__ == "__main__":
    typer.run(main)
