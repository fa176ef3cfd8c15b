"""Run the short examples and check that each is documented and short."""

import ast
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SHORT_EXAMPLES = sorted(EXAMPLES.glob("*.py"))
MAX_LINES = 50


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """Return a function that runs an example and returns its printed lines."""

    def run_example(name: str, *arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run_example


@pytest.mark.parametrize("path", SHORT_EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_shows_its_command(path: Path):
    source = path.read_text("utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    assert len(source.splitlines()) <= MAX_LINES
    assert re.search(rf"examples[/.]{path.stem}", docstring)


@pytest.mark.parametrize("path", SHORT_EXAMPLES, ids=lambda path: path.stem)
def test_example_is_on_the_examples_page(path: Path):
    page = (ROOT / "docs" / "examples.md").read_text("utf-8")
    assert re.search(rf"^- `{path.name}`: .*\.$", page, re.MULTILINE)


def test_hello_prints_drafts_critiques_and_stop_reason(run):
    *drafts, blank, answer, stop_reason = run("hello.py")
    numbers = [line.split(",")[0] for line in drafts if line.startswith("draft ")]
    assert numbers[:2] == ["draft 0", "draft 1"]
    assert any(line.startswith("  “") for line in drafts)
    assert blank == ""
    assert answer in drafts[-1]
    assert re.fullmatch(r"\w+ after \d+ calls", stop_reason)


def test_models_per_role_prints_the_usage_of_each_role(run):
    _, _, self_graded, *usage = run("models_per_role.py")
    assert self_graded == "self-graded: False"
    roles = {line.split()[0] for line in usage}
    assert roles >= {"generator", "judge", "critic"}


def test_budget_is_never_exceeded(run):
    lines = run("budget.py")
    limits = []
    for line in lines:
        max_calls, num_calls = re.findall(r"\d+", line)[:2]
        limits.append(int(max_calls))
        assert int(num_calls) <= int(max_calls)
    assert limits == [2, 10, 40]
    assert lines[0].endswith("(budget)")


def test_second_batch_sends_no_requests(run, tmp_path: Path):
    lines = run("batch.py", str(tmp_path / "ledger.sqlite"))
    first, second = [line for line in lines if " calls in total" in line]
    assert first.startswith("3 finished, 0 resumed, ")
    assert second.startswith("0 finished, 3 resumed, ")
    assert first.split(", ")[2] == second.split(", ")[2]
    assert sum(line.startswith("empty: invalid.") for line in lines) == 2


def test_review_file_comments_on_the_default_code(run):
    lines = run("review_file.py")
    assert any(line.startswith("line 5: 'return out + 3'") for line in lines)


def test_review_file_comments_on_lines_of_the_file(run, tmp_path: Path):
    path = tmp_path / "f.py"
    path.write_text("def f(xs):\n    out = 0\n    return out\n")
    *comments, summary = run(
        "review_file.py", str(path), "Write a Python function f(xs). Return the sum plus 2."
    )
    line_numbers = [
        int(number) for number in re.findall(r"^line (\d+): ", "\n".join(comments), re.MULTILINE)
    ]
    assert line_numbers
    assert max(line_numbers) <= 3
    assert summary.startswith("reviewed, ")
