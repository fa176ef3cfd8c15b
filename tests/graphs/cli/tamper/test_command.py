"""`selfcritic tamper`: files, options, exit codes, messages and resuming."""

import errno
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from selfcritic.agent.data.files import read_answers, write_records
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import CheckpointError
from selfcritic.graphs.batch.ledger import Ledger
from selfcritic.graphs.cli.app import app
from selfcritic.graphs.cli.tamper import output


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tamper(data: str, *options: str, code: int = 0) -> Result:
    command = ["tamper", data, "--out", "out.jsonl", *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == code, result.output
    return result


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def program(name: str, answer: str, **fields: Any) -> AnswerRecord:
    values = {
        "id": name,
        "task": name,
        "question": "Return the larger number.",
        "answer": answer,
        "language": "python",
        "metadata": {"tests": "assert larger(1, 2) == 2\nassert larger(3, 2) == 3\n"},
    }
    return AnswerRecord.model_validate({**values, **fields})


LARGER = "def larger(a, b):\n    if a < b:\n        return b\n    return a\n"


def test_help_groups_options_by_what_tamper_does():
    command = typer.main.get_command(app).commands["tamper"]
    panels = {parameter.name: parameter.rich_help_panel for parameter in command.params}
    assert panels["require_isolation"] == "Tests"
    assert "Loop" not in panels.values()


def test_tampers_with_generated_tasks():
    result = tamper("addition", "--count", "5")
    records = read_answers(Path("out.jsonl"))
    assert [record.origin for record in records].count("clean") == 4
    assert f"{len(records)} records in out.jsonl: {len(records) - 4} tampered" in result.stderr
    assert "candidate flaws: 100.0% fail a test (100.0% silent" in result.stderr
    splits: dict[str, set[str | None]] = {}
    for record in records:
        splits.setdefault(record.task, set()).add(record.split)
        for bug in record.bugs or []:
            assert record.answer[bug.start : bug.end] == bug.quote
    assert all(len(names) == 1 for names in splits.values())
    answers = [(record.task, record.answer) for record in records]
    assert len(set(answers)) == len(answers)
    assert not result.stdout


def test_the_seed_decides_the_records():
    options = ["--count", "2", "--per-answer", "2"]
    tamper("alphabetize", *options, "--seed", "4")
    first = Path("out.jsonl").read_bytes()
    tamper("alphabetize", *options, "--seed", "4", "--restart")
    assert Path("out.jsonl").read_bytes() == first
    tamper("alphabetize", *options, "--seed", "5", "--restart")
    assert Path("out.jsonl").read_bytes() != first


def test_tampers_with_a_file_and_reports_what_it_cannot_use():
    records = [
        program("good", LARGER),
        program("wrong", LARGER.replace("<", ">")),
        program("untested", LARGER, metadata={}),
        program("rust", "fn larger() {}", language="rust"),
        program("empty", ""),
    ]
    write_records(Path("in.jsonl"), records)
    options = ["--per-answer", "1", "--clean", "0", "--max-bugs", "1"]
    result = tamper("in.jsonl", *options)
    [record] = read_answers(Path("out.jsonl"))
    assert (record.id, record.origin) == ("good#1", "inserted")
    errors = {error["id"]: error["error"] for error in lines("out.errors.jsonl")}
    assert list(errors) == ["wrong#1", "untested#1", "rust#1", "empty#1"]
    assert "The answer is not correct" in errors["wrong#1"]
    assert "The answer has no tests" in errors["untested#1"]
    assert "There is no answer" in errors["empty#1"]
    assert "4 records failed; see out.errors.jsonl" in result.stderr


@pytest.mark.slow
def test_tampers_with_a_python_file():
    Path("larger.py").write_text(LARGER)
    Path("test_larger.py").write_text(
        "from larger import larger\n\ndef test_larger():\n    assert larger(1, 2) == 2\n"
    )
    tamper("larger.py", "--tests", "test_larger.py", "--per-answer", "1", "--clean", "0")
    [record] = read_answers(Path("out.jsonl"))
    assert record.task == "larger"
    assert record.metadata["flaws"][0]["test"] == "test_larger"


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("none.jsonl", [], "none.jsonl does not exist"),
        ("empty.jsonl", [], "empty.jsonl"),
        ("same.jsonl", [], "'a'"),
        ("addition", ["--split", "1,2"], "--split needs three shares"),
        ("addition", ["--split", "1,1,1"], "--split needs three shares"),
        ("addition", ["--clean", "2"], "--clean must be at least 0 and less than 1"),
        ("addition", ["--insert", "model"], "--insert model and --describe model need --model"),
        ("addition", ["--model", "simulated", "--insert", "operators"], "--model is not used"),
        ("addition", ["--model", "nonsense"], "nonsense"),
        ("addition", ["--tests", "t.py"], "--tests belongs to a Python file"),
        ("code.py", [], "code.py needs its tests: pass --tests FILE"),
        ("out.jsonl", [], "is two files of this command"),
        ("addition", ["--ledger", "out.jsonl"], "is two files of this command"),
    ],
)
def test_explains_bad_usage(data: str, options: list[str], message: str):
    Path("empty.jsonl").write_text("")
    write_records(Path("same.jsonl"), [program("a", LARGER), program("a", LARGER)])
    result = tamper(data, *options, code=2)
    assert message in " ".join(result.stderr.split())
    assert not Path("out.jsonl").exists()


def test_keeps_files_of_others():
    Path("out.jsonl").write_text("mine")
    result = tamper("addition", code=2)
    assert "exists and has no ledger" in " ".join(result.stderr.split())
    assert Path("out.jsonl").read_text() == "mine"
    tamper("addition", "--count", "1", "--restart")
    assert "mine" not in Path("out.jsonl").read_text()


def test_explains_a_missing_folder_and_a_folder_as_output():
    Path("folder").mkdir()
    runner = CliRunner()
    result = runner.invoke(app, ["tamper", "addition", "--out", "folder"])
    assert result.exit_code == 2
    assert "(--out) is a folder" in " ".join(result.stderr.split())
    result = runner.invoke(app, ["tamper", "addition", "--out", "no/out.jsonl"])
    assert result.exit_code == 2
    assert "does not exist. Create it" in " ".join(result.stderr.split())


def test_fails_if_there_is_no_record():
    write_records(Path("in.jsonl"), [program("untested", LARGER, metadata={})])
    result = tamper("in.jsonl", code=1)
    assert "No record was made. The answer has no tests." in " ".join(result.stderr.split())
    assert not Path("out.jsonl").exists()


def test_refuses_to_resume_with_other_options():
    tamper("addition", "--count", "2")
    result = tamper("addition", "--count", "2", "--per-answer", "2", code=2)
    assert "other options (plan.per_answer)" in " ".join(result.stderr.split())


def test_names_the_missing_extra(monkeypatch: pytest.MonkeyPatch):
    from selfcritic.agent.data.tampering.operators import load_operators

    write_records(Path("in.jsonl"), [program("a", LARGER)])
    monkeypatch.setitem(sys.modules, "cosmic_ray.plugins", None)
    load_operators.cache_clear()
    result = tamper("in.jsonl", code=2)
    load_operators.cache_clear()
    assert "pip install 'selfcritic[data]'" in " ".join(result.stderr.split())
    tamper("addition", "--count", "1")


def fail_after_three_records(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = Ledger.finish
    calls: list[str] = []

    def finish_three(ledger: Ledger, row: Any, result: dict[str, Any]) -> None:
        calls.append(row.id)
        if len(calls) > 3:
            raise CheckpointError("The ledger cannot be written: no space left. Free some space.")
        finish(ledger, row, result)

    monkeypatch.setattr(Ledger, "finish", finish_three)


def test_a_full_disk_loses_no_finished_record(monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as full_disk:
        fail_after_three_records(full_disk)
        result = tamper("addition", "--count", "5", "--concurrency", "1", code=1)
    assert "no space left" in result.stderr
    # The fourth record is only in OUT.
    assert len(lines("out.jsonl")) == 4
    tamper("addition", "--count", "5", "--concurrency", "1")
    assert len(lines("out.jsonl")) >= 18


def test_prints_records_that_neither_the_ledger_nor_out_has(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    fail_after_three_records(monkeypatch)
    monkeypatch.setattr(output, "write_records", fail)
    result = tamper("addition", "--count", "5", "--concurrency", "1", code=1)
    [line] = result.stdout.splitlines()
    assert AnswerRecord.model_validate_json(line).answer
    assert "Neither 'out.jsonl.ledger' nor 'out.jsonl' can be written" in result.stderr
    assert "error: The ledger cannot be written: no space left" in result.stderr
