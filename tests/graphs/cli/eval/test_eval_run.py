"""`selfcritic eval run`: experiments, resuming after a kill, budgets and messages."""

import json
import os
import re
import signal
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
    ],
)
def test_refuses_options_that_do_not_fit(arguments: tuple[str, ...], message: str):
    assert message in refused(*arguments)


def test_refuses_a_folder_with_other_files():
    Path("out").mkdir()
    Path("out", "notes.txt").write_text("mine")
    message = refused("critic", "alphabetize", "--model=tiny")
    assert "--out out is not an empty folder and has no manifest.json" in message


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


@pytest.mark.slow
def test_runs_resumes_and_refuses_other_options():
    arguments = ("critic", "alphabetize", "--count=2", "--num-critiques=2")
    models = ("--critic=tiny", "--critic=simulated?seed=1", "--judge=simulated?seed=1")
    result = invoke(*arguments, *models)
    assert result.exit_code == 0, result.output
    errors = " ".join(result.stderr.split())
    assert "WARNING: the judge is the critic (simulated?seed=1)" in errors
    assert "4 of 4 items" in errors
    records = read_answers(Path("out", "records.jsonl"))
    assert len(records) == 2
    for record in records:
        critics = Counter(critique.critic for critique in record.critiques)
        assert critics == {"tiny": 2, "simulated?seed=1": 2}
    raters = Counter(rating.rater for rating in read_ratings(Path("out", "ratings.jsonl")))
    assert raters == {"oracle": 8, "simulated?seed=1": 8}
    manifest = read_manifest(Path("out"))
    assert manifest.models["judge"] == "simulated?seed=1"
    assert manifest.command[:3] == ["selfcritic", *sys.argv[1:3]]
    assert list(Path("out", "logs").glob("*.eval"))
    assert Path("out", "table.md").is_file()

    again = invoke(*arguments, *models)
    assert again.exit_code == 0, again.output
    assert "4 of them before" in " ".join(again.stderr.split())
    other = invoke(*arguments, *models, "--seed=1")
    assert other.exit_code == 2
    message = " ".join(other.stderr.split())
    assert "data: changed" in message
    assert "seed: 0 → 1" in message
    fewer = invoke("critic", "alphabetize", "--count=2", "--num-critiques=3", *models)
    assert "num_critiques: 2 → 3" in " ".join(fewer.stderr.split())


@pytest.mark.slow
def test_retries_failed_items_and_continues_with_a_larger_budget():
    write_data(6)
    with FakeProvider(reply) as provider:
        options = ("critic", DATA, "--model=openai/fake", f"--api-base={provider.url}")
        options = (*options, "--num-critiques=1", "--concurrency=1")
        first = invoke(*options, "--max-calls=7")
        assert first.exit_code == 0, first.output
        assert "left: the budget is spent" in first.stderr
        assert provider.calls() == 7
        errors = [record.error for record in read_answers(Path("out", "records.jsonl"))]
        assert errors.count(None) == 2
        second = invoke(*options, "--max-calls=100")
        assert second.exit_code == 0, second.output
        records = read_answers(Path("out", "records.jsonl"))
        assert [record.error for record in records] == [None] * 6
        assert 18 <= provider.calls() <= 19  # the item at the limit started over


def start(url: str, *options: str) -> "subprocess.Popen[bytes]":
    program = "from selfcritic.graphs.cli.app import main; main()"
    command = [sys.executable, "-c", program, "eval", "run", "critic", DATA]
    models = ["--model=openai/fake", f"--api-base={url}", "--num-critiques=1", "--out=out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, *models, "--concurrency=2", "--quiet", *options], env=environment
    )


@pytest.mark.slow
def test_killed_run_pays_for_no_finished_item_twice(folder: Path):
    write_data(30)
    with FakeProvider(reply, latency=0.02) as provider:
        process = start(provider.url)
        while provider.calls() < 20 and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.wait()
        assert process.returncode == -signal.SIGKILL
        lines = (folder / "out" / "samples.jsonl").read_text().splitlines(keepends=True)
        finished = {json.loads(line)["records"][0]["id"] for line in lines if line.endswith("\n")}
        assert 0 < len(finished) < 30
        before = count_calls(provider)
        assert start(provider.url).wait() == 0
        after = count_calls(provider)
        assert {item: after[item] for item in finished} == {item: before[item] for item in finished}
    records = read_answers(folder / "out" / "records.jsonl")
    assert [record.id for record in records] == [f"r{number}" for number in range(30)]
    assert all(len(record.critiques) == 1 for record in records)


def count_calls(provider: FakeProvider) -> Counter[str]:
    """Count the requests about each item."""
    counts: Counter[str] = Counter()
    for received in provider.received:
        [number, *_] = re.findall(r"Question (\d+)\?", str(received.body["messages"]))
        counts[f"r{number}"] += 1
    return counts


@pytest.mark.slow
def test_inspect_runs_the_registered_tasks(folder: Path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module = project["entry-points"]["inspect_ai"]["selfcritic"]
    code = (
        f"from {module} import critic, self_critique\n"
        "from inspect_ai import eval\n"
        "tasks = [make('alphabetize', 'tiny', count=2, num_critiques=1) for make in (critic, self_critique)]\n"
        "for log in eval(tasks, display='none', log_dir='logs'):\n"
        "    scores = {score.name: score.metrics['mean'].value for score in log.results.scores}\n"
        "    print(log.eval.task, log.status, log.results.completed_samples, scores['correct'])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "critic success 2 1.0"
    assert lines[1].startswith("self-critique success 2 ")
