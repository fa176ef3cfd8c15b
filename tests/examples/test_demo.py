"""The demo as `make demo` runs it: its table is the one in the README, and it works on what a person types."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / "demo.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def cells(text: str, bar: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip(bar).split(bar)] for line in text.splitlines() if line.startswith(bar)]


@pytest.mark.slow
def test_the_readme_quotes_what_the_demo_prints():
    quoted = re.search(r"<!-- demo -->\n(.*?)<!-- /demo -->", (ROOT / "README.md").read_text(), re.DOTALL)
    assert quoted is not None
    done = demo("--seed", "1")
    assert done.returncode == 0, done.stderr
    assert cells(done.stdout, "│") == cells(quoted[1], "|")[2:]


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        ("Please add 12,345 and 99", "12444"),
        ("Put in alphabetical order: kiwi, fig, lime", "fig, kiwi, lime"),
        ("Ann takes tea or Bob takes milk. Bob takes tea. Serve Ann and Bob so that all rules hold.", "Ann takes tea"),
        ("Write a Python function f(xs). Return the sum plus 2.", "def f(xs):"),
    ],
)
def test_a_typed_task_is_run(task: str, shown: str):
    done = demo("--task", task, "--seed", "1")
    assert done.returncode == 0, done.stderr
    assert "● Draft 0" in done.stdout
    assert "● Stopped" in done.stdout
    assert shown.split()[0] in done.stdout


def test_a_task_of_no_family_is_a_clear_error():
    done = demo("--task", "Why is the sky blue?")
    assert done.returncode == 1
    assert "knows only these kinds of task" in done.stdout
    assert "Traceback" not in done.stderr
