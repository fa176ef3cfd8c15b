"""A batch on the scripted model, against a bare asyncio loop over the same graph, and its memory by number of rows.

    python -m examples.benchmarks.batch --rows 10000
    python -m examples.benchmarks.batch --rows 100000 --no-bare

Claims: within 3 times the bare loop; the peak of resident memory does not grow with the rows.
"""

import asyncio
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from langchain_core.messages import BaseMessage

from selfcritic.agent.models.base import LocalChatModel, Reply
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique, run_batch


class Forgetful(ScriptedModel):
    """The scripted model without its record of requests, which grows."""

    def draw(self, messages: list[BaseMessage], n: int, seed: int | None) -> list[Reply]:
        """Draw, and forget what was asked."""
        replies = super().draw(messages, n, seed)
        self.requests.clear()
        return replies


def main(
    rows: Annotated[int, typer.Option(help="Rows.")] = 10_000,
    concurrency: Annotated[int, typer.Option(help="Rows at once.")] = 16,
    bare: Annotated[bool, typer.Option(help="Run the bare loop, too.")] = True,
) -> None:
    """Print seconds of both, and the peak of resident memory."""
    model: LocalChatModel = Forgetful(
        script=lambda messages: 0.1 if "critic" in messages[-1].text.lower() else "It is."
    )
    graph = create_self_critique(model=model, max_rounds=0).compile(name="self_critique")
    seconds = _timed(_batch(graph, rows, concurrency))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"batch: {rows:,} rows in {seconds:.1f} s, peak {peak:.0f} MiB")
    if bare:
        loop = _timed(_bare(graph, rows, concurrency))
        print(f"bare loop: {loop:.1f} s; the batch takes {seconds / loop:.2f} times that (claim: ≤ 3)")


def _timed(work: Any) -> float:
    began = time.perf_counter()
    asyncio.run(work)
    return time.perf_counter() - began


def _rows(count: int) -> Iterator[dict[str, Any]]:
    return ({"id": i, "question": f"Question {i}?"} for i in range(count))


async def _batch(graph: Any, count: int, concurrency: int) -> None:
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "out").open("w") as out:
        report = await run_batch(
            graph, _rows(count), ledger=Path(folder) / "ledger", concurrency=concurrency,
            on_result=lambda result: print(result, file=out),
        )  # fmt: skip
    if report.finished != count:
        raise SystemExit(f"only {report.finished} rows of {count} were finished")


async def _bare(graph: Any, count: int, concurrency: int) -> None:
    rows = _rows(count)

    async def work() -> None:
        for row in rows:
            await graph.ainvoke({"question": row["question"]})

    await asyncio.gather(*(work() for _ in range(concurrency)))


if __name__ == "__main__":
    typer.run(main)
