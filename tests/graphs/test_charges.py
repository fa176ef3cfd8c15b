"""After a kill, the usage has every request that the server received: real processes, SIGKILL."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_provider import FakeProvider

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
OPTIONS = ["--num-drafts=2", "--num-critiques=6", "--max-rounds=2", "--accept-threshold=0"]
MIN_KILLS = 6
MAX_RUNS = 15


class Case:
    """One run against a server that counts its requests."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path, *options: str) -> None:
        folder.mkdir()
        self.process = process
        self.folder = folder
        self.options = [*OPTIONS, *options]
        self.log = folder / "log"
        self.log.touch()
        self.server = FakeProvider(self.reply, latency=0.01, n="ignore")

    def reply(self, messages: list[dict[str, Any]], index: int) -> str | float:
        with self.log.open("a") as file:
            file.write(f"{index}\n")
        text = messages[-1]["content"]
        if "Yes or No" in text:
            return 0.6 + (len(text) % 10) / 100
        return f"Reply {len(text)}"

    def run(self, kill: tuple[int, float] | None = None) -> str:
        job = {name: str(self.folder / name) for name in ("where", "log", "out")}
        job |= {"thread": "t", "url": self.server.url, "options": self.options}  # type: ignore[dict-item]
        job["kill"] = None if kill is None else [*kill, signal.SIGKILL]  # type: ignore[assignment]
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def count_charges(self) -> int:
        query = "SELECT count(*) FROM writes WHERE channel = 'selfcritic:charge'"
        with closing(sqlite3.connect(self.folder / "where")) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'writes'").fetchall():
                return 0
            return int(db.execute(query).fetchone()[0])

    @property
    def calls(self) -> int:
        output = json.loads((self.folder / "out").read_text())
        usage = output["usage"]
        assert usage["calls"] == sum(role["calls"] for role in usage["by_role"].values())
        return int(usage["calls"])


@pytest.fixture(scope="module")
def process() -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "tests.support.charged_run"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OPENAI_API_KEY": "none"},
    ) as server:
        yield server
        assert server.stdin is not None
        server.stdin.close()


def test_usage_equals_the_server_after_kills(process: "subprocess.Popen[str]", tmp_path: Path):
    rng = random.Random(11)
    kills = 0
    exact = 0
    for number in range(MAX_RUNS):
        if kills >= MIN_KILLS:
            break
        case = Case(process, tmp_path / str(number))
        with case.server:
            for _ in range(1 + number % 2):
                if case.run((rng.randrange(1, 14), rng.uniform(0, 0.02))) == "killed":
                    kills += 1
            unsent = case.count_charges() - case.server.calls()
            assert case.run() == "ended"
            charges = case.count_charges()
            assert case.calls == charges
            # A charge is saved before its request is sent, which a kill may prevent.
            assert case.server.calls() == charges - unsent
            assert unsent >= 0
            exact += unsent == 0
    assert kills >= MIN_KILLS
    assert exact > 0


def test_a_budget_of_calls_holds_across_kills(process: "subprocess.Popen[str]", tmp_path: Path):
    rng = random.Random(12)
    for number in range(4):
        limit = 10 + 3 * number
        case = Case(process, tmp_path / str(number), f"--max-calls={limit}")
        with case.server:
            for _ in range(2):
                case.run((rng.randrange(1, 8), rng.uniform(0, 0.02)))
            assert case.run() == "ended"
            assert case.server.calls() <= limit
            output = json.loads((case.folder / "out").read_text())
            assert output["answer"]
            assert case.calls <= limit
