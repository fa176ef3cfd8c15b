"""A killed human review resumes: no saved request is repeated, and no decision is lost."""

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
    """Runs one review, possibly killed and resumed, in a separate folder."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        folder.mkdir()
        self.process, self.folder = process, folder

    def go(self, kill: tuple[int, float] | None = None) -> str:
        """Start or resume the review; `kill` gives new log lines and seconds to wait before killing it."""
        job = {name: str(self.folder / name) for name in ("where", "log", "out")}
        kill_command = None if kill is None else (*kill, signal.SIGKILL)
        job |= {"thread": "t", "replies": "natively", "kill": kill_command}  # type: ignore[dict-item]
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    @property
    def log(self) -> list[list[str]]:
        return [line.split() for line in (self.folder / "log").read_text().splitlines()]

    def requested(self, since: int = 0) -> Counter[str]:
        """Count the requests in the log after the first `since` lines."""
        return Counter(key for _, event, key in self.log[since:] if event == "ask")

    def saved(self) -> Counter[str]:
        """Count the requests whose replies are saved, reading the file without LangGraph."""
        with closing(sqlite3.connect(self.folder / "where")) as sqlite:
            rows = sqlite.execute(
                "SELECT type, value FROM writes WHERE channel = '__return__'"
            ).fetchall()
        results = [serializer().loads_typed(row) for row in rows]
        return Counter(result["replies"][0].additional_kwargs["key"] for result in results)

    @property
    def calls(self) -> int:
        """Calls in the usage of the review's output."""
        return json.loads((self.folder / "out").read_text())["usage"]["calls"]

    @property
    def output(self) -> dict[str, Any]:
        """Output of the review, without fields that differ from run to run."""
        output: dict[str, Any] = json.loads((self.folder / "out").read_text())
        del output["usage"]["seconds"]
        del output["usage"]["calls"]
        for usage in output["usage"]["by_role"].values():
            del usage["calls"]
        return output


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[subprocess.Popen[str]]":
    """Yield the process that forks the runs, and check that it printed no warning."""
    stderr_file = tmp_path_factory.mktemp("process") / "stderr"
    with stderr_file.open("w") as stderr:
        server = subprocess.Popen(
            [sys.executable, "-W", "default", "-m", "tests.support.reviewing_run"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=os.environ | {"LANGGRAPH_STRICT_MSGPACK": "true"},
        )
        with server:
            yield server
            server.stdin.close()
    assert stderr_file.read_text() == ""


@pytest.fixture(scope="module")
def uninterrupted(
    process: "subprocess.Popen[str]", tmp_path_factory: pytest.TempPathFactory
) -> Case:
    """Run a review that is never killed."""
    case = Case(process, tmp_path_factory.mktemp("uninterrupted") / "case")
    assert case.go() == "ended"
    return case


def test_uninterrupted_review_applies_the_decisions(uninterrupted: Case):
    output = uninterrupted.output
    assert [label["action"] for label in output["labels"]] == ["edited", "added"]
    assert (output["stop_reason"], len(output["rounds"])) == ("reviewed", 2)
    assert output["answer"].startswith("round 1")
    assert uninterrupted.calls == uninterrupted.requested().total() == 1 + 8 + 1


@pytest.mark.parametrize("lines", range(1, 25, 2))
def test_killed_review_resumes_without_repeating_requests(
    lines: int, uninterrupted: Case, process: "subprocess.Popen[str]", tmp_path: Path
):
    case = Case(process, tmp_path / "case")
    assert lines <= len(uninterrupted.log)
    delay = random.Random(lines).uniform(0, 0.01)
    was_killed = case.go((lines, delay)) == "killed"
    saved = case.saved() if was_killed else uninterrupted.requested()
    lines_before_resuming = len(case.log)
    assert case.go() == "ended"
    assert case.output == uninterrupted.output
    sent = case.requested().total()
    assert sent <= case.calls <= sent + 8  # a charge is saved before its request is sent
    assert case.requested(since=lines_before_resuming) == uninterrupted.requested() - saved
