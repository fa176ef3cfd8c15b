"""Measure how the database of a checkpointer grows with rounds and with chat turns.

    python -m examples.benchmarks.checkpoints

Target: five times the rounds or turns take at most six times the space.
"""

import asyncio
import itertools
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from rich.console import Console
from rich.table import Table

from examples.benchmarks.batch import ForgetfulModel
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.checkpoints import open_checkpointer
from selfcritic.prompts import parse_prompt

CRITIQUE = "```\ndraft\n```\nThe draft repeats itself; say what the reader should do first."
CHAT_OPTIONS: dict[str, Any] = {"num_critiques": 2, "max_rounds": 1}
THREAD = RunnableConfig(configurable={"thread_id": "t"}, recursion_limit=10_000)


def main(
    rounds: Annotated[int, typer.Option(help="Rounds of the long run.")] = 100,
    critiques: Annotated[int, typer.Option(help="Critiques of each of its rounds.")] = 64,
    turns: Annotated[int, typer.Option(help="Turns of the chat.")] = 300,
    step: Annotated[int, typer.Option(help="Rounds or turns between two rows.")] = 20,
) -> None:
    """Print the size of the database and the CPU time as a thread grows."""
    table = Table("thread", "length", "database", "CPU of each since the last row")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rounds.sqlite"
        asyncio.run(_measure_rounds(path, rounds, critiques, step, table))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chat.sqlite"
        asyncio.run(_measure_turns(path, turns, step, table))
    Console(width=100).print(table)


async def _measure_rounds(path: Path, rounds: int, critiques: int, step: int, table: Table) -> None:
    options: dict[str, Any] = {
        "num_critiques": critiques,
        "max_rounds": rounds,
        "patience": rounds + 1,
    }
    async with open_checkpointer(str(path)) as saver:
        graph = create_self_critique(model=_model(), **options).compile(checkpointer=saver)
        stream = graph.astream(
            {"question": "What now?"}, THREAD, stream_mode="updates", durability="sync"
        )
        finished = 0
        start = time.process_time()
        async for update in stream:
            finished += "refine" in update
            if "refine" in update and finished % step == 0:
                cpu = (time.process_time() - start) / step
                _add_row(table, f"{critiques} critiques", f"{finished} rounds", path, cpu)
                start = time.process_time()


async def _measure_turns(path: Path, turns: int, step: int, table: Table) -> None:
    async with open_checkpointer(str(path)) as saver:
        builder = create_self_critique(model=_model(), **CHAT_OPTIONS)
        graph = builder.compile(checkpointer=saver)
        start = time.process_time()
        for turn in range(1, turns + 1):
            question = HumanMessage(f"Question {turn}: " + "what should the reader do next? " * 4)
            await graph.ainvoke({"messages": [question]}, THREAD, durability="sync")
            if turn % step == 0:
                _add_row(table, "chat", f"{turn} turns", path, (time.process_time() - start) / step)
                start = time.process_time()


def _add_row(table: Table, thread: str, length: str, path: Path, cpu: float) -> None:
    files = path.parent.glob(f"{path.name}*")  # the write-ahead log as well
    size = sum(file.stat().st_size for file in files)
    table.add_row(thread, length, f"{size / 1e6:.1f} MB", f"{cpu * 1000:.0f} ms")


def _model() -> ForgetfulModel:
    """Return a model that rejects each draft, criticizes it, and writes another one."""
    numbers = itertools.count()

    def reply(messages: list[BaseMessage]) -> str | float:
        prompt = parse_prompt(messages)
        if prompt.name in ("classify", "helpfulness"):
            return 0.9
        if prompt.name == "critique":
            return f"{CRITIQUE} This is remark {next(numbers)}."
        return f"This is draft {next(numbers)}. " + "The reader should do this first. " * 4

    return ForgetfulModel(script=reply)


if __name__ == "__main__":
    typer.run(main)
