"""`selfcritic eval run`: experiments, resuming after a kill, budgets and messages."""

import errno
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner, Result

from selfcritic.agent.data.files import read_answers, read_ratings, write_records
from selfcritic.agent.data.manifest import read_manifest
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.evals.names import EXPERIMENTS, ExperimentName
from selfcritic.graphs.cli.app import app
from tests.support.fake_provider import FakeProvider
from tests.support.provider_loop import reply

ROOT = Path(__file__).parents[4]
DATA = "data.jsonl"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SELFCRITIC_MODEL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    return tmp_path


def write_data(count: int, **fields: Any) -> None:
    records = []
    for number in range(count):
        values = {
            "id": f"r{number}",
            "task": f"t{number}",
            "question": f"Question {number}?",
            "answer": "Lyon 1",
            "bugs": [],
            **fields,
        }
        records.append(AnswerRecord.model_validate(values))
    write_records(Path(DATA), records)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["eval", "run", *arguments, "--out", "out"])


def refused(*arguments: str) -> str:
    """Return the message of a command that is refused before anything is written."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert not Path("out", "samples.jsonl").exists()
    return " ".join(result.stderr.split())


def test_documents_each_experiment():
    assert set(get_args(ExperimentName)) == set(EXPERIMENTS)
    help_text = " ".join(CliRunner().invoke(app, ["eval", "run", "--help"]).stdout.split())
    for name, description in EXPERIMENTS.items():
        assert f"{name}: {description[:20]}" in help_text


def test_refuses_data_that_cannot_be_used():
    Path(DATA).write_text("")
    assert "has no" in refused("critic", DATA, "--model=simulated")
    write_data(3, answer="")
    message = refused("critic", DATA, "--model=simulated")
    assert "3 of 3 items have none (r0, r1, r2)" in message
    assert "--columns answer=COLUMN" in message
    write_data(1, task_type="addition")
    other_version = Path(DATA).read_text().replace('"schema_version": 1', '"schema_version": 2')
    Path(DATA).write_text(Path(DATA).read_text() + other_version)
    assert "schema_version 2" in refused("critic", DATA, "--model=simulated")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("critic", "alphabetize"), "No model is set for the role 'critic'"),
        (("critic", "alphabetize", "--model=no-model"), "no-model"),
        (("gdc", "alphabetize", "--model=tiny", "--critic=simulated"), "leave out --critic"),
        (("critic", "alphabetize", "--critic=tiny", "--critic=tiny"), "twice"),
        (("refine", "alphabetize", "--critic=tiny", "--critic=simulated"), "one --critic; got 2"),
        (("critic", "alphabetize", "--model=tiny", "--arm=loop"), "--arm is an option of refine"),
        (("refine", "alphabetize", "--model=tiny", "--arm=x"), "Use loop, direct"),
        (("critic", "alphabetize", "--model=tiny", "--judge-form"), "requires --judge NAME"),
        (("critic", "alphabetize", "--model=tiny", "--columns=x"), "takes FIELD=COLUMN"),
        (("critic", "alphabetize", "--model=tiny", "--prompts=x"), "'x'"),
        (("review", "alphabetize", "--checker=x"), "--checker: there is no checker 'x'"),
        (("frontier", "alphabetize", "--model=tiny"), "all 100 answers are clean. Insert bugs"),
        (("frontier", "alphabetize", "--model=tiny", "--fsbs=4,2"), "such as 4,2,4; got '4,2'"),
        (("frontier", "alphabetize", "--model=tiny", "--fsbs=0,1,1"), "got '0,1,1'"),
        (("critic", "alphabetize", "--model=tiny", "--fsbs=4,2,4"), "Add --search fsbs"),
        (
            ("critic", "alphabetize", "--model=tiny", "--judge=simulated", "--judge-form"),
            "--judge 'simulated' cannot fill in the form",
        ),
        (("critic", "alphabetize", "--model=simulated?seed=x"), "seed"),
        (
            ("refine", "alphabetize", "--model=tiny?seed=1", "--critic=simulated?seed=2"),
            "'simulated?seed=2' and 'tiny?seed=1' have different seeds",
        ),
    ],
)
def test_refuses_options_that_do_not_fit(arguments: tuple[str, ...], message: str):
    assert message in refused(*arguments)


def test_refuses_a_folder_with_other_files():
    Path("out").mkdir()
    Path("out", "notes.txt").write_text("mine")
    message = refused("critic", "alphabetize", "--model=tiny")
    assert "--out out is not an empty folder and has no manifest.json" in message


def test_refuses_a_frontier_without_development_tasks():
    write_data(3, origin="inserted", split="test")
    assert "have only the split test" in refused("frontier", DATA, "--model=simulated")
    write_data(1, origin="inserted")
    assert "Pass flawed answers of at least 2 tasks" in refused(
        "frontier", DATA, "--model=simulated"
    )


def test_refuses_a_judge_that_does_not_know_the_tasks():
    write_data(2)
    message = refused("critic", DATA, "--model=tiny", "--judge=simulated")
    assert "2 of 2 items have none (r0, r1)" in message


@pytest.mark.parametrize("name", ["file", "file/x", "file/x/y"])
def test_names_the_option_if_the_folder_cannot_be_created(name: str):
    Path("file").write_text("")
    command = ["eval", "run", "critic", "alphabetize", "--count=1", "--model=tiny", "--out", name]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert f"--out {name} " in " ".join(result.stderr.split())


def test_names_the_extra_if_a_package_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    for module in list(sys.modules):
        if module.startswith(("selfcritic.agent.evals.", "selfcritic.graphs.cli.eval.session")):
            monkeypatch.delitem(sys.modules, module)
    assert "pip install 'selfcritic[eval]'" in refused("critic", "alphabetize", "--model=tiny")


def test_view_needs_logs():
    result = CliRunner().invoke(app, ["eval", "view", "."])
    assert result.exit_code == 2
    assert "has no logs" in result.stderr


def start(*arguments: str) -> "subprocess.Popen[str]":
    """Start a run in a new process; inspect leaks streams, which tests report as errors."""
    program = (
        "from selfcritic.graphs.cli.app import main\n"
        "from selfcritic.graphs.cli.eval import session\n"
        "session.report_run = lambda folder: None\n"  # its plots take seconds
        "main()"
    )
    command = [sys.executable, "-c", program, "eval", "run", *arguments, "--out", "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> str:
    """Return what a successful process wrote to stderr."""
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return " ".join(errors.split())


@pytest.mark.slow
def test_continues_with_a_larger_budget_but_not_with_other_options():
    arguments: tuple[str, ...] = (
        "critic",
        "alphabetize",
        "--count=3",
        "--num-critiques=1",
        "--concurrency=1",
    )
    arguments += ("--critic=tiny", "--critic=simulated?seed=1", "--judge=simulated?seed=1")
    errors = finish(start(*arguments, "--max-calls=9"))
    assert "WARNING: the judge is the critic (simulated?seed=1)" in errors
    assert "left: the budget is spent" in errors
    assert "· 9 calls ·" in errors
    errors = finish(start(*arguments, "--max-calls=100"))
    assert "6 of 6 items" in errors
    assert "of them before" in errors

    records = read_answers(Path("out", "records.jsonl"))
    assert [record.error for record in records] == [None] * 3
    for record in records:
        critics = [critique.critic for critique in record.critiques]
        assert critics == ["tiny", "simulated?seed=1"]
    raters = Counter(rating.rater for rating in read_ratings(Path("out", "ratings.jsonl")))
    assert raters == {"oracle": 6, "simulated?seed=1": 6}
    assert read_manifest(Path("out")).models["judge"] == "simulated?seed=1"
    assert len(list(Path("out", "logs").glob("*.eval"))) == 1

    other = invoke(*arguments, "--seed=1")
    assert other.exit_code == 2
    assert "data: changed; seed: 0 → 1" in " ".join(other.stderr.split())


@pytest.mark.slow
def test_killed_run_pays_for_no_finished_item_twice_and_keeps_its_budget():
    write_data(30)
    calls = 89  # one less than all items need
    with FakeProvider(reply, latency=0.02) as provider:
        arguments: tuple[str, ...] = (
            "critic",
            DATA,
            "--model=openai/fake",
            f"--api-base={provider.url}",
        )
        arguments += ("--num-critiques=1", "--concurrency=2", f"--max-calls={calls}")
        process = start(*arguments)
        while provider.calls() < 20 and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        lines = Path("out", "samples.jsonl").read_text().splitlines(keepends=True)
        finished = {json.loads(line)["records"][0]["id"] for line in lines if line.endswith("\n")}
        assert 0 < len(finished) < 30
        before = count_calls(provider)
        assert "left: the budget is spent" in finish(start(*arguments))
        after = count_calls(provider)
        assert provider.calls() <= calls
    assert {item: after[item] for item in finished} == {item: before[item] for item in finished}
    records = read_answers(Path("out", "records.jsonl"))
    complete = [record for record in records if record.error is None]
    assert 20 < len(complete) < 30
    assert finished <= {record.id for record in complete}
    assert all(len(record.critiques) == 1 for record in complete)


def count_calls(provider: FakeProvider) -> Counter[str]:
    """Count the requests about each item."""
    counts: Counter[str] = Counter()
    for received in provider.received:
        [number, *_] = re.findall(r"Question (\d+)\?", str(received.body["messages"]))
        counts[f"r{number}"] += 1
    return counts


@pytest.mark.slow
def test_inspect_runs_a_registered_task(folder: Path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module = project["entry-points"]["inspect_ai"]["selfcritic"]
    code = (
        f"from {module} import critic\n"
        "from inspect_ai import eval\n"
        "task = critic('alphabetize', 'tiny', count=2, num_critiques=1, epochs=2)\n"
        "[log] = eval(task, display='none', log_dir='logs')\n"
        "scores = {score.name: score.metrics['mean'].value for score in log.results.scores}\n"
        "print(log.eval.task, log.status, log.results.completed_samples, scores['correct'])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder
    )
    assert result.stdout.splitlines() == ["critic success 4 1.0"]


def test_a_full_disk_names_the_option_and_how_to_resume(monkeypatch: pytest.MonkeyPatch):
    from selfcritic.graphs.cli.eval import session

    def fill_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(session, "run_session", fill_disk)
    command = ["eval", "run", "critic", DATA, "--model", "tiny", "--out", "full"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "The disk of --out full is full." in result.stderr
    assert "rerun the command to resume" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kept_lines", [0, 2])
def test_items_that_only_the_logs_have_run_again(kept_lines: int):
    options = ("--count=4", "--num-answers=1", "--num-critiques=1")
    arguments = ("self-critique", "alphabetize", "--model=simulated", *options)
    finish(start(*arguments))
    assert stat.S_IMODE(Path("out").stat().st_mode) == 0o700
    journal = Path("out", "samples.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:kept_lines]) + lines[kept_lines][:50])
    notice = finish(start(*arguments))
    assert f"{4 - kept_lines} of 4 items were missing in samples.jsonl" in notice
    assert len(journal.read_text().splitlines()) == 4
    assert len(read_answers(Path("out", "records.jsonl"))) == 4
    assert Path("out", "logs.1").is_dir()
    assert "missing" not in finish(start(*arguments))


def test_prints_a_sample_that_cannot_be_saved(monkeypatch: pytest.MonkeyPatch):
    from selfcritic.agent.evals.journal import FinishedSample
    from selfcritic.agent.evals.runner import Report
    from selfcritic.graphs.cli.eval import session

    sample = FinishedSample(sample="r0 | m", critic="m", records=[], ratings=[])

    def fill_disk(*arguments: Any) -> None:
        arguments[-1].on_progress(Report(1, unsaved=[sample]))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(session, "run_experiment", fill_disk)
    write_data(1)
    result = invoke("critic", DATA, "--model=simulated")
    assert result.exit_code == 1
    [line] = result.stdout.splitlines()
    assert FinishedSample.model_validate_json(line) == sample
    assert "'out/samples.jsonl' cannot be written" in result.stderr
    assert "The disk of --out out is full." in result.stderr
