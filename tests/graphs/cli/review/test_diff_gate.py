"""`selfcritic review - --fail-on` on diffs: what may not be hidden or passed over."""

import difflib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from selfcritic.graphs.cli.app import app

MEAN = "def mean(xs):\n    return sum(xs) / len(xs)\n"


@pytest.fixture(autouse=True)
def working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SELFCRITIC_MODEL", raising=False)
    (tmp_path / ".git").mkdir()
    return tmp_path


def gate(*arguments: str, stdin: str | bytes = "", model: str = "none") -> Result:
    command = ["review", *arguments, "--fail-on", "high", "--model", model]
    return CliRunner().invoke(app, command, input=stdin, env={"COLUMNS": "80"})


def write_change(name: str, before: str, after: str) -> str:
    """Write the new version of a file and return the diff."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(after)
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(lines)


@pytest.mark.parametrize("checker", ["syntax", "lint", "typecheck"])
@pytest.mark.parametrize("line", ["    if xs:\n", "    try:\n", '    """Return the mean.\n'])
def test_a_change_that_breaks_an_unchanged_line_fails(checker: str, line: str):
    diff = write_change("calc.py", MEAN, MEAN.replace(":\n", ":\n" + line))
    done = gate("-", "--checker", checker, stdin=diff)
    assert done.exit_code == 1
    assert f"high {checker}: " in done.stdout


def test_an_older_syntax_error_fails_as_added_lines_are_not_checked():
    before = "def f(:\n    pass\n" + "\n" * 9
    diff = write_change("calc.py", before, before + "x = missing\n")
    done = gate("-", stdin=diff)
    assert done.exit_code == 1
    assert "calc.py  2 comments: 2 high" in done.stdout


def test_a_broken_cell_of_a_notebook_fails():
    cells = [{"cell_type": "code", "source": ["x = 1\n", "y = 2"]}]
    before = json.dumps({"cells": cells}, indent=1)
    cells[0]["source"].insert(1, "if x:\n")
    diff = write_change("x.ipynb", before, json.dumps({"cells": cells}, indent=1))
    assert gate("-", stdin=diff).exit_code == 1


def test_a_failed_test_fails_though_it_quotes_an_unchanged_line():
    before = "RATE = 2\n\n\ndef convert(x):\n    return x / RATE\n"
    Path("test_calc.py").write_text("assert convert(4) == 2\n")
    diff = write_change("calc.py", before, before.replace("RATE = 2", "RATE = 4"))
    done = gate("-", "--tests", "test_calc.py", stdin=diff)
    assert done.exit_code == 1
    assert "4  ┃ »def convert(x):«" in done.stdout
    assert "high unit_tests: The test `convert(4) == 2` fails" in done.stdout
    Path("test_calc.py").write_text("assert convert(4) == 1\n")
    assert gate("-", "--tests", "test_calc.py", stdin=diff).exit_code == 0
