"""Tampering with many answers: one budget, one ledger, killed processes."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from selfcritic.agent.data.files import read_answers
from tests.support.tamper_process import NUM_TASKS

ROOT = Path(__file__).parents[3]


def start(folder: Path, *calls: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.tamper_process", str(folder), *calls]
    return subprocess.Popen(command, cwd=ROOT)


def finished_questions(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / "ledger")) as ledger:
        results = [json.loads(text) for (text,) in ledger.execute("SELECT result FROM done")]
    return {data["result"]["question"] for data in results}


def samples(folder: Path) -> list[str]:
    path = folder / "requests"
    return path.read_text().splitlines() if path.exists() else []


def count_samples(folder: Path, questions: set[str]) -> dict[str, int]:
    texts = samples(folder)
    return {question: sum(question in text for text in texts) for question in questions}


@pytest.mark.slow
def test_pays_for_nothing_twice_and_keeps_one_budget_after_a_kill(tmp_path: Path):
    process = start(tmp_path, "6")
    while len(samples(tmp_path)) < 8 and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    killed = finished_questions(tmp_path)
    samples_at_kill = count_samples(tmp_path, killed)
    assert killed

    assert start(tmp_path, "6").wait() == 0
    assert len(samples(tmp_path)) <= 6 * 3
    questions = finished_questions(tmp_path)
    paid = count_samples(tmp_path, questions)
    assert killed <= questions
    assert len(questions) < NUM_TASKS

    assert start(tmp_path).wait() == 0
    assert len(finished_questions(tmp_path)) == NUM_TASKS
    assert count_samples(tmp_path, killed) == samples_at_kill
    assert count_samples(tmp_path, questions) == paid
    records = read_answers(tmp_path / "out.jsonl")
    assert len(records) == NUM_TASKS
    assert all(record.metadata["flaws"][0]["misses"] == 3 for record in records)
