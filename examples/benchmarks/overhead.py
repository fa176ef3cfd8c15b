"""CPU a request of the loop, against bare litellm calls of the same requests in the same order and number at once.

    python -m examples.benchmarks.overhead

Claim: the loop takes at most 1 ms of CPU a request beyond what litellm itself takes.
"""

import asyncio
import gc
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import litellm
import typer
from langchain_core.messages import BaseMessage
from pydantic import Field
from rich.console import Console
from rich.table import Table

from examples.benchmarks.server import model_at, serving
from selfcritic.agent.models.litellm import LiteLLMModel
from selfcritic.graphs import create_self_critique

Request = dict[str, Any]
OPTIONS: dict[str, Any] = {"critiques": 8, "max_rounds": 3, "patience": 4}
LIMIT = 1.0


class Recording(LiteLLMModel):
    """Keeps what it asks litellm for."""

    requests: list[Request] = Field(default_factory=list)

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> Request:
        request = super()._request(messages, stop, options)
        self.requests.append(request)
        return request


def main(
    runs: Annotated[int, typer.Option(help="Runs at once.")] = 20,
    repeats: Annotated[int, typer.Option(help="Repeats of each side, interleaved.")] = 7,
    latency: Annotated[float, typer.Option(help="Seconds a request.")] = 0.02,
    server: Annotated[str | None, typer.Option(help="Address; a fresh server by default.")] = None,
) -> None:
    """Print CPU a request, of the loop and of litellm."""
    with serving(latency, url=server) as url:
        requests, loop, bare = asyncio.run(_measured(url, runs, repeats))
    beyond = statistics.median(one - other for one, other in zip(loop, bare, strict=True))
    table = Table("requests at each repeat", "loop", "litellm alone", "beyond it", "lowest … highest", "claim")
    differences = sorted(one - other for one, other in zip(loop, bare, strict=True))
    spread = f"{differences[0]:.2f} … {differences[-1]:.2f} ms"
    figures = [f"{value:.2f} ms" for value in (statistics.median(loop), statistics.median(bare), beyond)]
    table.add_row(str(requests), *figures, spread, f"≤ {LIMIT:.0f} ms")
    Console(width=100).print(table)


async def _measured(url: str, runs: int, repeats: int) -> tuple[int, list[float], list[float]]:
    model = Recording(**vars(model_at(url)))
    graph = create_self_critique(model=model, **OPTIONS).compile()
    litellm.suppress_debug_info = True

    async def through_the_loop() -> None:
        await graph.ainvoke({"question": "What is the capital of France?"})

    await through_the_loop()
    recorded = list(model.requests)
    stages = [list(stage) for _, stage in itertools.groupby(recorded, key=_cue)]

    async def through_litellm() -> None:
        for stage in stages:
            await asyncio.gather(*(litellm.acompletion(**request) for request in stage))

    sides: tuple[list[float], list[float]] = [], []
    for _ in range(1 + repeats):
        for times, side in zip(sides, (through_the_loop, through_litellm), strict=True):
            times.append(await _cpu(side, runs) / (runs * len(recorded)) * 1000)
            model.requests.clear()
    return runs * len(recorded), sides[0][1:], sides[1][1:]


def _cue(request: Request) -> str:
    return str(request["messages"][-1]["content"]).rsplit("\n", 1)[-1]


async def _cpu(side: Callable[[], Awaitable[None]], runs: int) -> float:
    gc.collect()
    before = time.process_time()
    await asyncio.gather(*(side() for _ in range(runs)))
    return time.process_time() - before


if __name__ == "__main__":
    typer.run(main)
