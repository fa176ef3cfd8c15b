"""Wall time of one run against the latencies on its critical path, with a server of fixed latency.

    python -m examples.benchmarks.latency

Claim: 3 rounds with 8 critiques take at most 1.10 × the sum of the latencies on the critical path, with native n and
without, and `speculate` saves one latency a round.
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
LIMIT = 1.10


@dataclass(frozen=True)
class Way:
    """One way to run the loop, and how many requests must wait for one another."""

    name: str
    native_n: bool
    speculative: bool

    def path(self, rounds: int) -> int:
        """Draft and verdict, then critiques, scores, draft and verdict a round; to find out that n is ignored: one."""
        return 2 + rounds * (3 if self.speculative else 4) + (not self.native_n)


WAYS = [
    Way(f"{'native n' if native_n else 'n ignored'}{', speculate' if speculative else ''}", native_n, speculative)
    for native_n in (True, False)
    for speculative in (False, True)
]


def main(
    latency: Annotated[float, typer.Option(help="Seconds a request.")] = 0.2,
    rounds: Annotated[int, typer.Option(help="Refinements.")] = 3,
    repeats: Annotated[int, typer.Option(help="Runs of each way, of which the median counts.")] = 5,
    server: Annotated[str | None, typer.Option(help="One of that latency, native n; a fresh one by default.")] = None,
) -> None:
    """Print wall time against the critical path."""
    table = Table("way", "requests in a row", "their latencies", "wall time", "ratio", "claim")
    for way in WAYS:
        if server is None or way.native_n:
            table.add_row(*_row(way, latency, rounds, repeats, server))
    Console(width=100).print(table)


def _row(way: Way, latency: float, rounds: int, repeats: int, server: str | None) -> Iterator[str]:
    with serving(latency, way.native_n, server) as url:
        wall = statistics.median(asyncio.run(_walls(url, way, rounds, repeats)))
    path = way.path(rounds)
    ratio = wall / (path * latency)
    yield from (way.name, str(path), f"{path * latency:.2f} s", f"{wall:.3f} s", f"{ratio:.3f}", f"≤ {LIMIT:.2f}")


async def _walls(url: str, way: Way, rounds: int, repeats: int) -> list[float]:
    graph = create_self_critique(
        model=model_at(url), critiques=CRITIQUES, max_rounds=rounds, patience=rounds + 1, speculative=way.speculative
    ).compile()
    walls = []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        out = await graph.ainvoke({"question": "What is the capital of France?"})
        walls.append(time.perf_counter() - started)
        if len(out["rounds"]) != rounds + 1:
            raise typer.BadParameter(f"the server ended the run early: {out['stop_reason']}")
    return walls[1:]  # the first one imports litellm and opens the connections


if __name__ == "__main__":
    typer.run(main)
