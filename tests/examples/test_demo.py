"""Run the demo as `make demo` does and compare its table with the results page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / "demo.py"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


def parse_rows(text: str, separator: str) -> list[list[str]]:
    rows = []
    for line in text.splitlines():
        if line.startswith(separator):
            cells = line.strip(separator).split(separator)
            rows.append([cell.strip() for cell in cells])
    return rows


@pytest.mark.slow
def test_results_page_shows_the_table_of_the_demo():
    page = (ROOT / "docs" / "results.md").read_text("utf-8")
    table = re.search(r"<!-- demo -->\n(.*?)<!-- /demo -->", page, re.DOTALL)
    assert table is not None
    process = run_demo("--seed", "1")
    assert process.returncode == 0, process.stderr
    _header, _alignment, *documented_rows = parse_rows(table[1], "|")
    assert parse_rows(process.stdout, "│") == documented_rows


@pytest.mark.parametrize(
    ("task", "printed"),
    [
        ("Please add 12,345 and 99", "12444"),
        pytest.param(
            "Put in alphabetical order: kiwi, fig, lime",
            "fig,",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "Ann takes tea or Bob takes milk. Bob takes tea. Serve Ann and Bob so that all rules hold.",
            "Ann",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "Write a Python function f(xs). Return the sum plus 2.",
            "def",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_runs_a_typed_task(task: str, printed: str):
    process = run_demo("--task", task, "--seed", "1")
    assert process.returncode == 0, process.stderr
    assert "● Draft 0" in process.stdout
    assert "● Stopped" in process.stdout
    assert printed in process.stdout


def test_rejects_an_unknown_task():
    process = run_demo("--task", "Why is the sky blue?")
    assert process.returncode == 1
    assert "knows only these kinds of task" in process.stdout
    assert "Traceback" not in process.stderr
