"""The short examples, each run as a person runs it, offline, and each under 40 lines."""

import ast
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SHORT = sorted(path for path in EXAMPLES.glob("*.py") if path.name != "demo.py")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Runs an example as `python examples/NAME` does, and gives the lines that it prints."""

    def lines(name: str, *arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return lines


@pytest.mark.parametrize("path", SHORT, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_how_to_run_it(path: Path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) < 40
    assert re.search(rf"examples[/.]{path.stem}", ast.get_docstring(ast.parse(text)) or "")


@pytest.mark.parametrize("path", SHORT, ids=lambda path: path.stem)
def test_the_readme_has_a_sentence_on_each(path: Path):
    assert re.search(rf"^- `{path.name}`.*\.$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)


def test_hello_shows_drafts_critiques_and_the_ending(run):
    lines = run("hello.py")
    assert [line.split(",")[0] for line in lines if line.startswith("draft ")][:2] == ["draft 0", "draft 1"]
    assert any(line.startswith("  “") for line in lines)
    assert lines[-2] in lines[-4]
    assert re.fullmatch(r"\w+ after \d+ calls", lines[-1])


def test_models_per_role_names_who_spent_what(run):
    first, *roles = run("models_per_role.py")
    assert first.endswith("graded by itself: False")
    assert {line.split()[0] for line in roles} >= {"generator", "judge", "critic"}


def test_a_budget_is_never_exceeded(run):
    lines = run("budget.py")
    told = [re.findall(r"\d+", line)[:2] for line in lines]
    assert [int(most) for most, _ in told] == [2, 10, 40]
    assert all(int(sent) <= int(most) for most, sent in told)
    assert lines[0].endswith("(budget)")


def test_a_batch_pays_once(run, tmp_path: Path):
    lines = run("batch.py", str(tmp_path / "ledger.sqlite"))
    first, second = (re.findall(r"\d+", line) for line in lines if " done before; " in line)
    assert (first[:2], second[:2]) == (["3", "0"], ["0", "3"])
    assert first[2] == second[2]
    assert sum(line.startswith("empty: set aside.") for line in lines) == 2


def test_a_file_is_reviewed_line_by_line(run, tmp_path: Path):
    assert any(line.startswith("line 5: 'return out + 3'") for line in run("review_file.py"))
    path = tmp_path / "f.py"
    path.write_text("def f(xs):\n    out = 0\n    return out\n")
    lines = run("review_file.py", str(path), "Write a Python function f(xs). Return the sum plus 2.")
    found = [int(match[1]) for line in lines if (match := re.match(r"line (\d+): ", line))]
    assert found
    assert max(found) <= 3
    assert lines[-1].startswith("reviewed, ")
