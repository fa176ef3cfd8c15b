"""Measure a run's wall time against the latencies on its critical path.

    python -m examples.benchmarks.latency

Target: 3 rounds with 8 critiques take at most 1.05 × the sum of these latencies with native n, and 1.10 × without. The
option `speculative` saves one latency per round. The server has a fixed latency. For the first setup, a bare LangGraph
graph that sends the same requests with litellm shows how much of the excess over the latencies is due to litellm and
the machine.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from examples.benchmarks.bare import bare_graph, record_stages
from examples.benchmarks.server import model_at, serving
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
    def has_bare_graph(self) -> bool:
        """Whether the requests of a stage are sent at the same time, as a bare graph sends them."""
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


def main(
    latency: Annotated[float, typer.Option(help="Seconds per request.")] = 0.2,
    rounds: Annotated[int, typer.Option(help="Number of refinements.")] = 3,
    repeats: Annotated[int, typer.Option(help="Runs of each setup; medians are printed.")] = 5,
    server: Annotated[
        str | None, typer.Option(help="Server with that latency and native n (default: start one).")
    ] = None,
) -> None:
    """Print wall time and critical path of each setup."""
    table = Table(
        "setup",
        "requests in a row",
        "their latencies",
        "wall time",
        "ratio",
        "target",
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
        wall_times, bare_times = asyncio.run(_measure(url, setup, rounds, repeats))
    wall_time = statistics.median(wall_times)
    path_length = setup.path_length(rounds)
    path_time = path_length * latency
    yield setup.name
    yield str(path_length)
    yield f"{path_time:.2f} s"
    yield f"{wall_time:.3f} s"
    yield f"{wall_time / path_time:.3f}"
    yield f"≤ {LIMIT[setup.native_n]:.2f}"
    yield f"{statistics.median(bare_times) / path_time:.3f}" if bare_times else ""


async def _measure(
    url: str, setup: Setup, rounds: int, repeats: int
) -> tuple[list[float], list[float]]:
    """Return the wall times of the loop, and those of a bare graph where it sends the same."""
    options: dict[str, Any] = {
        "num_critiques": CRITIQUES,
        "max_rounds": rounds,
        "patience": rounds + 1,
        "speculative": setup.speculative,
    }
    graph = create_self_critique(model=model_at(url), **options).compile()
    bare = None
    if setup.has_bare_graph:
        bare = bare_graph(await record_stages(url, **options))

    async def run_loop() -> None:
        output = await graph.ainvoke({"question": "What is the capital of France?"})
        if len(output["rounds"]) != rounds + 1:
            raise typer.BadParameter(f"the run stopped early: {output['stop_reason']}")

    wall_times: list[float] = []
    bare_times: list[float] = []
    for _ in range(1 + repeats):
        wall_times.append(await _time(run_loop()))
        if bare is not None:
            bare_times.append(await _time(bare.ainvoke({})))
    return wall_times[1:], bare_times[1:]  # the first runs open the connections


async def _time(run: Awaitable[Any]) -> float:
    start = time.perf_counter()
    await run
    return time.perf_counter() - start


if __name__ == "__main__":
    typer.run(main)
