"""Count what the loop does and holds per request, independent of the machine's load.

    python -m examples.benchmarks.counts

litellm is replaced by a stub, so its work does not count. The runs are those of `overhead`: 3 rounds with 8 critiques.
"""

import asyncio
import cProfile
import gc
import itertools
import pstats
import tracemalloc
from typing import Any

import litellm
from langgraph.graph.state import CompiledStateGraph
from rich.console import Console
from rich.table import Table

from examples.benchmarks.overhead import OPTIONS
from examples.benchmarks.server import create_completion, model_at
from selfcritic.agent.models.litellm_library import import_provider
from selfcritic.graphs import create_self_critique

RUNS = 20
STAGES = {"draft": 1, "verdict": 1, "critiques": 1, "scores of critiques": 8}
"""Requests of one run that wait at the same time, by stage."""


class Stub:
    """Replies in place of litellm; `gate`, if set, holds the replies back."""

    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None
        self.num_requests = 0
        self.num_waiting = 0
        self._numbers = itertools.count()

    async def complete(self, **request: Any) -> Any:
        """Return a reply like that of the benchmark's server."""
        self.num_requests += 1
        if self.gate is not None:
            self.num_waiting += 1
            await self.gate.wait()
        completion = create_completion(request, self._numbers, native_n=True)
        return litellm.ModelResponse(**completion)

    def next_stage(self) -> None:
        """Release the replies that are held back, and hold back those of the next stage."""
        released = self.gate
        self.gate = asyncio.Event()
        self.num_waiting = 0
        if released is not None:
            released.set()


def main() -> None:
    """Print function calls per request, and the objects and memory of a waiting run."""
    asyncio.run(_measure())


async def _measure() -> None:
    import_provider("openai/benchmark")
    stub = Stub()
    litellm.acompletion = stub.complete
    model = model_at("http://127.0.0.1/v1")
    graph: Any = create_self_critique(model=model, **OPTIONS).compile()
    await _run(graph)  # imports what it needs
    calls = await _count_calls(graph, stub)
    table = Table(
        "requests that wait", "of a run", "objects of the run", "Python memory of the run"
    )
    for stage, objects, kilobytes in await _count_waiting(graph, stub):
        table.add_row(stage, str(STAGES[stage]), f"{objects:.0f}", f"{kilobytes:.0f} kB")
    console = Console(width=100)
    console.print(table)
    console.print(f"{calls:.0f} function calls per request")


async def _run(graph: CompiledStateGraph[Any, Any, Any, Any]) -> None:
    await graph.ainvoke({"question": "What is the capital of France?"})


async def _count_calls(graph: Any, stub: Stub) -> float:
    stub.num_requests = 0
    profile = cProfile.Profile()
    profile.enable()
    await _run(graph)
    profile.disable()
    statistics: Any = pstats.Stats(profile)
    return float(statistics.total_calls / stub.num_requests)


async def _count_waiting(graph: Any, stub: Stub) -> list[tuple[str, float, float]]:
    """Return the objects and kilobytes of a run at each stage, while its requests wait."""
    gc.collect()
    objects_before = len(gc.get_objects())
    tracemalloc.start()
    rows = []
    stub.next_stage()
    tasks = [asyncio.create_task(_run(graph)) for _ in range(RUNS)]
    for stage, count in STAGES.items():
        while stub.num_waiting < RUNS * count:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
        gc.collect()
        objects = (len(gc.get_objects()) - objects_before) / RUNS
        kilobytes = tracemalloc.get_traced_memory()[0] / RUNS / 1000
        rows.append((stage, objects, kilobytes))
        stub.next_stage()
    tracemalloc.stop()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return rows


if __name__ == "__main__":
    main()
