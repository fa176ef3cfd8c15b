"""A run that is killed goes on where it was, and pays again for nothing that had been saved: real processes, SIGKILL."""

import json
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from selfcritic.graphs.checkpoints import serializer

HERE = Path(__file__).parent
MOMENTS = range(20)
AT_ONCE = 8
"""Requests in flight at most: the scorings of eight critiques."""


class Runner:
    """Two warm processes that fork a run each, at once."""

    def __init__(self, open_: ExitStack) -> None:
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        for _ in range(2):
            command = [sys.executable, str(HERE / "crashing_run.py")]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._idle.put(open_.enter_context(process))
            open_.callback(process.stdin.close)  # which ends it

    def __call__(self, job: dict[str, Any]) -> str:
        process = self._idle.get()
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()
        finally:
            self._idle.put(process)


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with ExitStack() as open_:
        yield Runner(open_)


@dataclass
class Case:
    """One run, as often as it is killed."""

    runner: Runner
    folder: Path
    how: str = "ainvoke"
    replies: str = "natively"
    durability: str | None = None
    where: str = ""
    thread: str = "t"
    killed: list[Counter[str]] = field(default_factory=list)
    """What had been saved at each kill."""

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.where = self.where or str(self.folder / "db.sqlite")

    @property
    def log(self) -> list[list[str]]:
        path = self.folder / "log"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def go(self, kill: tuple[int, float] | None = None) -> str:
        return self.runner(
            {"how": self.how, "where": self.where, "thread": self.thread, "log": str(self.folder / "log"),
             "out": str(self.folder / "out"), "replies": self.replies, "durability": self.durability, "kill": kill}
        )  # fmt: skip

    def kill(self, after: int, seconds: float) -> None:
        """Start the run, or go on with it, and kill it so long after so many lines of its log."""
        if self.go((after, seconds)) == "killed":
            self.killed.append(self.saved())

    def saved(self) -> Counter[str]:
        """The requests whose replies stand in the file."""
        with closing(sqlite3.connect(self.where)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'writes'").fetchall():
                return Counter()
            query = "SELECT type, value FROM writes WHERE channel = '__return__' AND thread_id = ?"
            rows = connection.execute(query, (self.thread,)).fetchall()
        loaded = [serializer().loads_typed(row) for row in rows]
        return Counter(one["replies"][0].additional_kwargs["key"] for one in loaded if one.get("replies"))

    @property
    def output(self) -> dict[str, Any]:
        """What the run came to, without what differs from run to run."""
        output: dict[str, Any] = json.loads((self.folder / "out").read_text())
        del output["usage"]["seconds"]
        for message in output["messages"]:
            del message["id"]
        return output

    def asked(self, by: str | None = None) -> Counter[str]:
        return Counter(key for pid, what, key in self.log if what == "ask" and by in (None, pid))


def moments(seed: int, lines: int) -> tuple[int, float]:
    """A seeded moment: lines of the log, and seconds after."""
    draw = random.Random(seed)
    return draw.randrange(1, lines), draw.uniform(0, 0.008)


def check(case: Case, undisturbed: Case) -> None:
    """The same run as the undisturbed one, without a second request for what had been saved."""
    assert case.go() == "ended"
    last = case.log[-1][0]
    saved = case.killed[-1]
    assert case.output == undisturbed.output
    assert case.asked(by=last) == undisturbed.asked() - saved
    in_vain = case.asked() - undisturbed.asked()
    assert in_vain.total() <= AT_ONCE * len(case.killed)


@pytest.fixture(scope="module")
def undisturbed(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Case]:
    done: dict[tuple[str, str], Case] = {}

    def run(how: str, replies: str = "natively") -> Case:
        if (how, replies) not in done:
            case = done[how, replies] = Case(runner, tmp_path_factory.mktemp("undisturbed"), how, replies)
            assert case.go() == "ended"
        return done[how, replies]

    return run


@pytest.mark.parametrize(
    ("how", "durability", "replies"),
    [
        ("ainvoke", "sync", "natively"),
        ("ainvoke", None, "natively"),
        ("cli", None, "natively"),
        ("ainvoke", "sync", "plainly"),
    ],
)
def test_killed_at_a_seeded_moment(
    how: str, durability: str | None, replies: str, runner: Runner, undisturbed: Callable[..., Case], tmp_path: Path
):
    whole = undisturbed(how, replies)

    def one(seed: int) -> str:
        case = Case(runner, tmp_path / str(seed), how, replies, durability)
        case.kill(*moments(seed, len(whole.log)))
        try:
            check(case, whole)
        except AssertionError as e:
            return f"{seed} {moments(seed, len(whole.log))} saved {case.killed[-1].total()} asked {case.asked().total()} {e}"
        return ""

    with ThreadPoolExecutor(2) as pool:
        failures = [f for f in pool.map(one, MOMENTS) if f]
    assert not failures, "\n".join(failures)
