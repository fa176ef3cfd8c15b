"""Measure time and memory of a batch against a bare asyncio loop.

    python -m examples.benchmarks.batch --rows 10000
    python -m examples.benchmarks.batch --rows 100000 --no-bare

Both run the same graph with the scripted model. Targets: at most 3 × the time of the bare loop; peak resident memory
does not grow with the number of rows.
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

from selfcritic.agent import Context
from selfcritic.agent.models.base import LocalChatModel, Reply
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique, run_batch


class ForgetfulModel(ScriptedModel):
    """Scripted model that does not accumulate requests."""

    def sample(self, messages: list[BaseMessage], n: int, seed: int | None) -> list[Reply]:
        """Return the replies and clear the recorded requests."""
        replies = super().sample(messages, n, seed)
        self.requests.clear()
        return replies


def main(
    rows: Annotated[int, typer.Option(help="Number of rows.")] = 10_000,
    concurrency: Annotated[int, typer.Option(help="Rows run at the same time.")] = 16,
    bare: Annotated[bool, typer.Option(help="Run the bare loop as well.")] = True,
) -> None:
    """Print the seconds of both and the peak resident memory."""
    model: LocalChatModel = ForgetfulModel(script=_reply)
    context = Context(model=model, max_rounds=0)
    graph = create_self_critique().compile(name="self_critique")
    seconds = _time(_run_batch(graph, context, rows, concurrency))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"batch: {rows:,} rows in {seconds:.1f} s, peak {peak:.0f} MiB")
    if bare:
        bare_seconds = _time(_run_bare_loop(graph, context, rows, concurrency))
        ratio = seconds / bare_seconds
        print(
            f"bare loop: {bare_seconds:.1f} s; the batch takes {ratio:.2f} × as long (target: ≤ 3)"
        )


def _reply(messages: list[BaseMessage]) -> str | float:
    is_verdict = "critic" in messages[-1].text.lower()
    return 0.1 if is_verdict else "It is."


def _time(work: Any) -> float:
    """Run a coroutine and return the elapsed seconds."""
    start = time.perf_counter()
    asyncio.run(work)
    return time.perf_counter() - start


def _rows(count: int) -> Iterator[dict[str, Any]]:
    return ({"id": i, "question": f"Question {i}?"} for i in range(count))


async def _run_batch(graph: Any, context: Context, count: int, concurrency: int) -> None:
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "out").open("w") as out:
        report = await run_batch(
            graph,
            _rows(count),
            context=context,
            ledger=Path(folder) / "ledger",
            concurrency=concurrency,
            on_result=lambda result: print(result, file=out),
        )
    if report.finished != count:
        raise SystemExit(f"only {report.finished} of {count} rows finished")


async def _run_bare_loop(graph: Any, context: Context, count: int, concurrency: int) -> None:
    rows = _rows(count)

    async def work() -> None:
        for row in rows:
            await graph.ainvoke({"question": row["question"]}, context=context)

    await asyncio.gather(*(work() for _ in range(concurrency)))


if __name__ == "__main__":
    typer.run(main)
