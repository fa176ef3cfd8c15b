"""Checkers that run on the file before a change."""

import json
from pathlib import Path

import pytest
from typer.testing import Result

from selfcritic.agent.checkers.findings import MAX_FINDINGS
from selfcritic.agent.checkers.registry import CHECKERS, register_checker
from selfcritic.agent.schemas import Comment
from tests.support.review_gate import create_diff, gate

NUM_FINDINGS = MAX_FINDINGS + 20


pytestmark = pytest.mark.usefixtures("working_dir")


def review_change(name: str, before: str, after: str, *options: str, model: str = "none") -> Result:
    Path(name).write_text(after)
    return gate("-", *options, stdin=create_diff(name, before, after), model=model)


def to_notebook(source: str) -> str:
    cells = [{"cell_type": "code", "source": source.splitlines(keepends=True)}]
    return json.dumps({"cells": cells}, indent=1)


@pytest.mark.parametrize("checker", ["lint", "typecheck", "notebook"])
def test_removing_one_of_many_findings_adds_none(checker: str):
    lines = [f"print(missing_{number})\n" for number in range(NUM_FINDINGS)]
    before, after = "".join(lines), "".join(lines[1:])
    if checker == "notebook":
        done = review_change("x.ipynb", to_notebook(before), to_notebook(after))
    else:
        done = review_change("calc.py", before, after, "--checker", checker)
    assert (done.exit_code, f"{MAX_FINDINGS} hidden" in done.stdout) == (0, True)


CHECKED: list[tuple[str, str]] = []


def wrong_name(_question: str, text: str) -> list[Comment]:
    CHECKED.append(("wrong_name", text))
    return [Comment(text="Wrong name.", quote="old", severity="high")] if "old" in text else []


def other_source(_question: str, text: str) -> list[Comment]:
    CHECKED.append(("other_source", text))
    comment = Comment(text="Wrong name.", quote="older", severity="high", source="style")
    return [comment] if "older" in text else []


@pytest.fixture(autouse=True)
def checkers(monkeypatch: pytest.MonkeyPatch) -> None:
    CHECKED.clear()
    for name in ("wrong_name", "other_source"):
        monkeypatch.setitem(CHECKERS, name, "")
        register_checker(name, f"{__name__}:{name}")


OPTIONS = ("--checker", "wrong_name", "--checker", "other_source")


@pytest.mark.parametrize(
    ("line", "rerun"),
    [
        ("x = 1\n", set()),
        ("old = 1\n", {"wrong_name"}),
        ("older = 1\n", {"wrong_name", "other_source"}),  # its findings name another source
    ],
)
def test_only_checkers_with_a_hidden_finding_run_again(line: str, rerun: set[str]):
    done = review_change("calc.py", line, line + "y = 1\n", *OPTIONS)
    assert done.exit_code == 0
    assert {name for name, text in CHECKED if text == line} == rerun


def test_no_checker_runs_again_for_a_hidden_comment_of_the_critic():
    script = Path("script.json")
    critique = "```\nx = 1\n```\n[high] Wrong."
    script.write_text(json.dumps({"critique": [critique], "helpfulness": [0.9]}))
    model = f"scripted:{script.resolve()}"
    done = review_change(
        "calc.py", "x = 1\n", "x = 1\ny = 1\n", *OPTIONS, "--num-critiques", "1", model=model
    )
    assert "1 hidden" in done.stdout
    assert {text for _, text in CHECKED} == {"x = 1\ny = 1\n"}
