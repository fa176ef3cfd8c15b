"""A human review that is killed goes on where it was: no reply is paid for twice, and nothing that was said is lost."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from selfcritic.graphs.checkpoints import serializer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


class Case:
    """One review in a folder of its own, as often as it is killed."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        folder.mkdir()
        self.process, self.folder = process, folder

    def go(self, kill: tuple[int, float] | None = None) -> str:
        """Start the review or go on with it; kill it so many lines of its log and so many seconds later."""
        job = {name: str(self.folder / name) for name in ("where", "log", "out")}
        job |= {"thread": "t", "replies": "natively", "kill": kill and (*kill, signal.SIGKILL)}  # type: ignore[dict-item]
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    @property
    def log(self) -> list[list[str]]:
        return [line.split() for line in (self.folder / "log").read_text().splitlines()]

    def asked(self, since: int = 0) -> Counter[str]:
        return Counter(key for _, what, key in self.log[since:] if what == "ask")

    def saved(self) -> Counter[str]:
        """The requests whose replies stand in the file, read without LangGraph."""
        with closing(sqlite3.connect(self.folder / "where")) as sqlite:
            rows = sqlite.execute("SELECT type, value FROM writes WHERE channel = '__return__'").fetchall()
        loaded = [serializer().loads_typed(row) for row in rows]
        return Counter(one["replies"][0].additional_kwargs["key"] for one in loaded)

    @property
    def output(self) -> dict[str, Any]:
        output: dict[str, Any] = json.loads((self.folder / "out").read_text())
        del output["usage"]["seconds"]
        return output


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[subprocess.Popen[str]]":
    """Forks each run; what it warns of is kept, under msgpack as strict as LangGraph has it."""
    said = tmp_path_factory.mktemp("said") / "stderr"
    with said.open("w") as errors:
        started = subprocess.Popen(
            [sys.executable, "-W", "default", "-m", "tests.support.reviewing_run"], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=errors, text=True, env=os.environ | {"LANGGRAPH_STRICT_MSGPACK": "true"},
        )  # fmt: skip
        with started:
            yield started
            started.stdin.close()
    assert said.read_text() == ""


@pytest.fixture(scope="module")
def whole(process: "subprocess.Popen[str]", tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The review that is never killed."""
    case = Case(process, tmp_path_factory.mktemp("whole") / "case")
    assert case.go() == "ended"
    return case


def test_the_undisturbed_review_is_what_the_person_said(whole: Case):
    output = whole.output
    assert [label["action"] for label in output["labels"]] == ["edited", "added"]
    assert (output["stop_reason"], len(output["rounds"])) == ("reviewed", 2)
    assert output["answer"].startswith("round 1")
    assert output["usage"]["calls"] == whole.asked().total() == 1 + 8 + 1


@pytest.mark.parametrize("lines", range(1, 25, 2))
def test_killed_at_any_moment_it_goes_on(lines: int, whole: Case, process: "subprocess.Popen[str]", tmp_path: Path):
    case = Case(process, tmp_path / "case")
    assert lines <= len(whole.log)
    killed = case.go((lines, random.Random(lines).uniform(0, 0.01))) == "killed"
    saved, written = case.saved() if killed else whole.asked(), len(case.log)
    assert case.go() == "ended"
    assert case.output == whole.output
    assert case.asked(since=written) == whole.asked() - saved
