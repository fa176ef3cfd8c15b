"""Measure a run's wall time against the latencies on its critical path.

    python -m examples.benchmarks.latency

Target: 3 rounds with 8 critiques take at most 1.05 × the sum of these latencies with native n, and 1.10 × without. The
option `speculative` saves one latency per round. The server has a fixed latency.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

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
    table = Table("setup", "requests in a row", "their latencies", "wall time", "ratio", "target")
    for setup in SETUPS:
        if server is None or setup.native_n:
            table.add_row(*_row(setup, latency, rounds, repeats, server))
    Console(width=100).print(table)


def _row(
    setup: Setup, latency: float, rounds: int, repeats: int, server: str | None
) -> Iterator[str]:
    with serving(latency, setup.native_n, server) as url:
        wall_time = statistics.median(asyncio.run(_wall_times(url, setup, rounds, repeats)))
    path_length = setup.path_length(rounds)
    path_time = path_length * latency
    yield setup.name
    yield str(path_length)
    yield f"{path_time:.2f} s"
    yield f"{wall_time:.3f} s"
    yield f"{wall_time / path_time:.3f}"
    yield f"≤ {LIMIT[setup.native_n]:.2f}"


async def _wall_times(url: str, setup: Setup, rounds: int, repeats: int) -> list[float]:
    graph = create_self_critique(
        model=model_at(url),
        num_critiques=CRITIQUES,
        max_rounds=rounds,
        patience=rounds + 1,
        speculative=setup.speculative,
    ).compile()
    wall_times = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        output = await graph.ainvoke({"question": "What is the capital of France?"})
        wall_times.append(time.perf_counter() - start)
        if len(output["rounds"]) != rounds + 1:
            raise typer.BadParameter(f"the run stopped early: {output['stop_reason']}")
    return wall_times[1:]  # the first run imports litellm and opens the connections


if __name__ == "__main__":
    typer.run(main)
