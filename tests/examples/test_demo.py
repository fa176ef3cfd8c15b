"""Test the demo: its parts, its grades, its choice of models, and the variables of `make demo`."""

import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from examples.benchmarks.tiny_arms import Outcome
from examples.demo import __main__ as demo
from examples.demo import models
from examples.demo.runs import find_refined_runs, question_of, show_run, stream_run
from examples.demo.tables import describe_changes, generate_tasks
from selfcritic.agent import Context, load
from selfcritic.agent.errors import UnknownTaskError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.tasks import Alphabetize

ROOT = Path(__file__).parents[2]
QUESTION = "Sort these words alphabetically: olive, apple, plum"
LONG_RUN_TASKS = [
    "Ann takes tea or Bob takes milk. Bob takes tea. Serve Ann and Bob so that all rules hold.",
    "Write a Python function f(xs). Return the sum plus 2.",
]
APP = typer.Typer()
APP.command()(demo.main)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Return a function that returns what the demo has printed."""
    console = Console(record=True, width=120, highlight=False, quiet=False)
    monkeypatch.setattr(demo, "console", console)
    return console.export_text


def parse_rows(text: str, separator: str) -> list[list[str]]:
    rows = []
    for line in text.splitlines():
        if line.startswith(separator):
            cells = line.strip(separator).split(separator)
            rows.append([cell.strip() for cell in cells])
    return rows


@pytest.mark.slow
def test_results_page_shows_the_table_of_the_simulated_solver(printed: Callable[[], str]):
    page = (ROOT / "docs" / "results.md").read_text("utf-8")
    table = re.search(r"<!-- demo -->\n(.*?)<!-- /demo -->", page, re.DOTALL)
    assert table is not None
    _header, _alignment, *documented_rows = parse_rows(table[1], "|")
    demo.show_simulated(1, 200)
    assert parse_rows(printed(), "│") == documented_rows


def test_shows_three_parts(printed: Callable[[], str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo, "is_smollm2_installed", lambda: False)
    monkeypatch.setattr(demo, "NUM_SHOWN", 1)
    result = CliRunner().invoke(APP, ["--count", "2", "--seed", "4"])
    assert result.exit_code == 0, result.output
    text = printed()
    headings = ["1. A real tiny model", "2. A simulated solver", "3. A free question"]
    assert sorted(headings, key=text.index) == headings
    assert "seed 4 (repeat with: make demo SEED=4)" in text
    assert "are shown because a draft was refined" in text
    assert "selfcritic models pull smollm2" in text
    names = [row[0] for row in parse_rows(text, "│")]
    assert names == [
        *("first draft", "loop", "direct", "direct, repeated", "best of n", "best of m"),
        *("addition", "three_sat", "functions"),
    ]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("Please add 12,345 and 99", "12444"),
        ("Put in alphabetical order: kiwi, fig, lime", "tiny does not know the word 'fig'"),
        (QUESTION, "a real 1 MB language model"),
        *[pytest.param(task, "simulated: a noisy solver") for task in LONG_RUN_TASKS],
    ],
)
def test_answers_a_task_with_a_suitable_model(task: str, expected: str, printed: Callable[[], str]):
    result = CliRunner().invoke(APP, ["--task", task, "--seed", "1"])
    text = printed()
    assert result.exit_code == 0, text
    assert "● Draft 0" in text
    assert "● Stopped" in text
    assert expected in text
    assert re.search(r"[✓✗] .*the loop does not see this", text)


def test_refuses_a_question_without_a_model_as_a_list(
    printed: Callable[[], str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(models, "is_smollm2_installed", lambda: False)
    result = CliRunner().invoke(APP, ["--task", "Why is the sky blue?"])
    assert result.exit_code == 1
    lines = printed().splitlines()
    assert sum(line.startswith("- ") for line in lines) == 3
    assert sum(line.startswith("    ") for line in lines) == 4
    assert any("MODEL=" in line for line in lines)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nonsense", "There is no model 'nonsense'"),
        ("simulated", "knows only these kinds of task"),
        ("tiny", "only handles these task types"),
        ("simulated?draft_error_rate=7", "draft_error_rate"),
    ],
)
def test_prints_the_error_of_an_unsuitable_model(
    model: str, message: str, printed: Callable[[], str]
):
    result = CliRunner().invoke(APP, ["--task", "Why is the sky blue?", "--model", model])
    assert result.exit_code == 1
    assert message in printed()


def test_free_question_goes_to_the_chosen_model(
    printed: Callable[[], str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(demo, "FREE_QUESTION", "What is 128 + 256?")
    demo.show_free_question("simulated", seed=1)
    assert "The model is simulated." in printed()


def test_chooses_the_local_model_for_other_questions(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(models, "is_smollm2_installed", lambda: True)
    choice = models.choose_model("Why is the sky blue?")
    assert choice is not None
    assert choice.spec == models.SMOLLM2
    assert "too small" in choice.note


def test_each_draft_is_graded(printed: Callable[[], str]):
    script = {
        "generate": ["olive, apple, plum"],
        "classify": [0.9, 0.1],
        "critique": ['```\nolive\n```\n"olive" is out of order.'],
        "helpfulness": [0.8],
        "refine": ["apple, olive, plum"],
    }
    context = Context(model=ScriptedModel(script=script), num_critiques=1)
    show_run(demo.console, QUESTION, stream_run(QUESTION, context))
    grades = re.findall(r"(✓ correct|✗ wrong, 1 flaw) ", printed())
    assert grades == ["✗ wrong, 1 flaw", "✓ correct"]


def test_answer_is_graded_if_it_is_an_earlier_draft(printed: Callable[[], str]):
    script = {
        "generate": ["apple, olive, plum"],
        "classify": [0.6, 0.9],
        "critique": ['```\nolive\n```\n"olive" is out of order.'],
        "helpfulness": [0.8],
        "refine": ["olive, apple, plum"],
    }
    context = Context(model=ScriptedModel(script=script), num_critiques=1, max_rounds=1)
    show_run(demo.console, QUESTION, stream_run(QUESTION, context))
    grades = re.findall(r"(✓ correct|✗ wrong, 1 flaw) ", printed())
    assert grades == ["✓ correct", "✗ wrong, 1 flaw", "✓ correct"]


def test_question_without_an_oracle_is_not_graded(printed: Callable[[], str]):
    context = Context(model=ScriptedModel(script={"generate": ["Red."], "classify": [0.1]}))
    show_run(demo.console, "Why [red]?", stream_run("Why [red]?", context))
    assert "Why [red]?" in printed()
    assert "✓" not in printed()


def test_shown_runs_have_a_refinement():
    rng = random.Random(1)
    tasks = [Alphabetize.generate(rng, 6) for _ in range(20)]
    context = Context(model=load("simulated", seed=1))
    runs, num_runs = find_refined_runs(tasks, context, 2)
    assert len(runs) == 2 <= num_runs < 20
    assert all(len(events[-1].update["rounds"]) > 1 for events in runs)
    assert question_of(runs[-1]) == tasks[num_runs - 1].question


def test_describes_fixed_and_worsened_drafts():
    def outcomes(*is_correct: bool) -> list[Outcome]:
        return [Outcome(value, 1) for value in is_correct]

    text = describe_changes(
        {
            "first draft": outcomes(True, False, False, True, True),
            "loop": outcomes(True, True, False, False, True),
        }
    )
    assert "fixed 1 of 2 incorrect" in text
    assert "made 1 of 3 correct ones worse" in text


def test_simulated_part_leaves_word_lists_to_the_tiny_model():
    names = {task.name for task in generate_tasks(1, 1)}
    assert names == {"addition", "three_sat", "functions"}


@pytest.mark.parametrize("last", ["", EOFError])
def test_empty_line_and_end_of_input_end_the_questions(
    last: object, printed: Callable[[], str], monkeypatch: pytest.MonkeyPatch
):
    lines = iter(["What is 128 + 256?", last])

    def read(_prompt: str) -> str:
        line = next(lines)
        if line is EOFError:
            raise EOFError
        return str(line)

    monkeypatch.setattr(demo.console, "input", read)
    demo.answer_typed_questions(None, 1)
    assert printed().count("● Stopped") == 1
    assert next(lines, None) is None


def test_refusal_of_the_simulated_model_is_a_list():
    with pytest.raises(UnknownTaskError) as error:
        load("simulated").invoke("Who are you?")
    lines = str(error.value).splitlines()
    assert len(lines) == 6
    assert all(line.startswith("- ") for line in lines[1:5])


@pytest.fixture
def make_demo(tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that runs `make demo` with a program that prints its variables."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    uv = tmp_path / ".tools" / "bin" / "uv"
    for path in (python, uv):
        path.parent.mkdir(parents=True)
        path.write_text('#!/bin/sh\nprintf "%s\\0" "$DEMO_TASK" "$DEMO_MODEL" "$DEMO_COUNT"\n')
        path.chmod(0o755)
    ready = tmp_path / ".venv" / "ready"
    ready.touch()
    newer = (tmp_path / "uv.lock").stat().st_mtime + 1000
    os.utime(ready, (newer, newer))

    def run(*arguments: str, **variables: str) -> list[str]:
        process = subprocess.run(
            ["make", "demo", *arguments],  # noqa: S607 - found on PATH
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        assert not list(tmp_path.glob("executed*"))
        return process.stdout.split("\0")[:-1]

    return run


@pytest.mark.parametrize(
    "task",
    [
        'What is $HOME + "2"?',
        "What is $$(echo 5) + 2?",
        "it's `touch executed1` $(touch executed2) $$(touch executed3)",
        "$(shell touch executed4) ${HOME} # \\ % ; & | > executed5",
        "Sort these words alphabetically:\npear\napple",
        "日本 ✓ [red]",
    ],
)
def test_make_passes_questions_unchanged(task: str, make_demo: Callable[..., list[str]]):
    assert make_demo(f"TASK={task}", f"MODEL={task}") == [task, task, ""]
    assert make_demo(TASK=task, COUNT="20") == [task, "", "20"]


def test_make_passes_nothing_by_default(make_demo: Callable[..., list[str]]):
    assert make_demo() == ["", "", ""]


def test_empty_variables_mean_the_defaults(
    monkeypatch: pytest.MonkeyPatch, printed: Callable[[], str]
):
    shown: list[tuple[str | None, int]] = []
    for name in ("show_tiny", "show_simulated", "show_free_question"):
        monkeypatch.setattr(demo, name, lambda *arguments: shown.append(arguments))
    variables = {"DEMO_TASK": "", "DEMO_MODEL": "", "DEMO_COUNT": "", "DEMO_SEED": "7"}
    result = CliRunner().invoke(APP, [], env=variables)
    assert result.exit_code == 0, result.output
    assert shown == [(7, 200), (7, 200), (None, 7)]
    assert "SEED=7" in printed()
