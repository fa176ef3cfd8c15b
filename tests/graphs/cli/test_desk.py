"""Test the messages of `selfcritic desk`; the page itself is tested in tests/graphs/desk/."""

import json
import socket
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from selfcritic.agent.data.files import write_records
from selfcritic.graphs.cli.app import app
from selfcritic.graphs.desk.database import Database
from tests.support.desk_records import create_record


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    write_records(path, [create_record("r1")])
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["desk", *map(str, arguments)], env={"COLUMNS": "80"})


def message(result: Result) -> str:
    return " ".join(result.stderr.split())


def test_help_texts_are_short():
    command = typer.main.get_command(app).commands["desk"]
    texts = {parameter.name: parameter.help for parameter in command.params}
    assert all(texts.values())
    assert [name for name, text in texts.items() if len(text) > 60] == []


def test_needs_a_file_or_a_run():
    result = run()
    assert result.exit_code == 2
    assert "Pass a FILE of answer records, or --run FILE" in message(result)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "has no records"),
        ("{}\n", "no schema_version"),
        ("no JSON\n", "line 1: not JSON"),
    ],
)
def test_refuses_files_that_are_no_records(tmp_path: Path, text: str, expected: str):
    path = tmp_path / "answers.jsonl"
    path.write_text(text)
    result = run(path)
    assert result.exit_code == 2
    assert expected in message(result)


def test_refuses_duplicate_ids(answers: Path):
    answers.write_text(answers.read_text() * 2)
    result = run(answers)
    assert result.exit_code == 2
    assert "have the same id 'r1'" in message(result)


def test_refuses_a_missing_file(tmp_path: Path):
    result = run(tmp_path / "absent.jsonl")
    assert result.exit_code == 2
    assert "does not exist" in message(result)


def test_refuses_to_export_unfinished_work(answers: Path, tmp_path: Path):
    result = run(answers, "--export", tmp_path / "out")
    assert result.exit_code == 2
    assert "--export: nothing is finished yet" in message(result)
    assert not (tmp_path / "out").exists()


def test_refuses_a_file_that_changed_since_the_desk_was_used(answers: Path, tmp_path: Path):
    run(answers, "--export", tmp_path / "out")
    write_records(answers, [create_record("r1"), create_record("r2")])
    result = run(answers)
    assert result.exit_code == 2
    assert "belongs to other data" in message(result)


def test_refuses_a_second_desk_on_one_file(answers: Path):
    database = Database.open(f"{answers}.desk", "hash")
    result = run(answers)
    database.close()
    assert result.exit_code == 1
    assert "another desk uses" in message(result)


def test_refuses_a_port_that_is_used(answers: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = run(answers, "--port", port)
    assert result.exit_code == 2
    assert f"--port: {port} is not free" in message(result)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no JSON", "is not JSON"),
        ('{"answer": 1}', "is not the result of a run"),
        (json.dumps({"answer": "x", "rounds": []}), "has no rounds"),
    ],
)
def test_refuses_files_that_are_no_run(tmp_path: Path, text: str, expected: str):
    path = tmp_path / "run.json"
    path.write_text(text)
    result = run("--run", path)
    assert result.exit_code == 2
    assert expected in message(result)


def test_names_the_extra_if_a_library_is_missing(answers: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    for module in list(sys.modules):
        if module.startswith("selfcritic.graphs.desk."):
            monkeypatch.delitem(sys.modules, module)
    result = run(answers)
    assert result.exit_code == 2
    assert "The desk needs sqlalchemy: pip install 'selfcritic[desk]'." in message(result)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--max-output-tokens", "many", "--max-output-tokens takes N or ROLE=N"),
        ("--model", "nothing", "'nothing'"),
    ],
)
def test_refuses_invalid_models(answers: Path, option: str, value: str, expected: str):
    model = [] if option == "--model" else ["--model", "simulated"]
    result = run(answers, *model, option, value)
    assert result.exit_code == 2
    assert expected in message(result)
