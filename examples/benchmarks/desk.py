"""Measure the review desk's requests for files of different sizes.

    python -m examples.benchmarks.desk [--sizes 100,5000] [--done 0.9]

The desk is used without a browser or a server. A share of the reviews is already done; an annotator opens and changes
the next ones. The table shows medians of CPU time, in milliseconds.
"""

import hashlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.schemas import Comment, Critique
from selfcritic.graphs.desk.assignments import DeskOptions, list_units
from selfcritic.graphs.desk.database import Database
from selfcritic.graphs.desk.session import Desk

REPEATS = 40
ANSWER = "def double(x):\n    return x + x + x\n"


def main(
    sizes: Annotated[str, typer.Option(help="Numbers of records.")] = "100,5000",
    done: Annotated[float, typer.Option(min=0, max=1, help="Share of finished reviews.")] = 0.9,
) -> None:
    """Print a table of milliseconds per request."""
    table = Table("records", "first request", "open the next", "save a change", "submit")
    for size in map(int, sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            row = measure(size, done, Path(folder) / "desk.sqlite")
        table.add_row(str(size), *[f"{value:.1f}" for value in row])
    Console().print(table)


def create_record(number: int) -> AnswerRecord:
    """Return an answer with two critiques."""
    comment = Comment(quote="x + x + x", text="Three times.", start=26, end=35)
    samples = []
    for critic in ("small", "large"):
        critique = Critique(text="x", comments=[comment])
        samples.append({**critique.model_dump(), "id": critic, "critic": critic})
    return AnswerRecord.model_validate(
        {
            "id": f"r{number}",
            "task": f"r{number}",
            "question": "Double x.",
            "answer": ANSWER,
            "language": "python",
            "critiques": samples,
        }
    )


def measure(size: int, done: float, path: Path) -> tuple[float, float, float, float]:
    """Return milliseconds of the first request, and medians of the later ones."""
    records = [create_record(number) for number in range(size)]
    Database.open(str(path), "hash").close()
    finish_reviews(path, records, round(size * done))
    database = Database.open(str(path), "hash")
    try:
        desk = Desk(records, database, DeskOptions())
        first = clock(lambda: desk.open_next("eve", "review"))
        opened: list[float] = []
        saved: list[float] = []
        submitted: list[float] = []
        for number in range(min(REPEATS, round(size * (1 - done)))):
            views: list[Any] = []
            opened.append(clock(lambda: views.append(desk.open_next("eve", "review"))))  # noqa: B023
            identifier = views[0]["id"]
            remove = {"key": f"remove-{number:05}", "type": "remove", "id": 1}
            submit = {"key": f"submit-{number:05}", "type": "submit"}
            saved.append(clock(lambda: desk.apply(identifier, "eve", [remove])))  # noqa: B023
            submitted.append(clock(lambda: desk.apply(identifier, "eve", [submit])))  # noqa: B023
    finally:
        database.close()
    medians = [statistics.median(times) for times in (opened[1:], saved, submitted)]
    return first, medians[0], medians[1], medians[2]


def finish_reviews(path: Path, records: list[AnswerRecord], count: int) -> None:
    """Store submitted reviews of another annotator."""
    rows = []
    for unit in list_units(records[:count], "review", DeskOptions()):
        name = hashlib.sha256(unit.key.encode()).hexdigest()
        rows.append(("review", unit.record, name, "bob", "[]", 0, 0, "submitted", "", "", 60.0))
    columns = "screen, record, unit, annotator, critiques, prefilled, look_first, status, opened, "
    columns += "finished, active_seconds"
    marks = ", ".join("?" * len(rows[0]))
    connection = sqlite3.connect(path)
    connection.executemany(f"INSERT INTO assignment ({columns}) VALUES ({marks})", rows)  # noqa: S608
    connection.commit()
    connection.close()


def clock(action: Callable[[], object]) -> float:
    """Return the milliseconds of CPU time that an action takes."""
    start = time.process_time()
    action()
    return 1000 * (time.process_time() - start)


if __name__ == "__main__":
    typer.run(main)
