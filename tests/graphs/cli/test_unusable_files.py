"""Commands refuse files and folders that they could not use, before the first request."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from selfcritic.agent.data.files import write_records
from selfcritic.graphs.cli.app import app
from tests.support.desk_records import create_record
from tests.support.fake_provider import FakeProvider

MISSING_REWARD = "There is no reward model in 'missing'"
NO_FOLDER = "cannot be created: the folder 'missing' does not exist"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a_file").write_text("text")
    Path("a_folder").mkdir()
    Path("rows.jsonl").write_text(json.dumps({"question": "Why?"}) + "\n")
    Path("code.py").write_text("x = 1\n")
    return tmp_path


def run_offline(*arguments: str) -> Result:
    """Run a command with a provider that must not receive a request."""
    with FakeProvider() as provider:
        command = [*arguments, "--model", "openai/fake", "--api-base", provider.url]
        environment = {"OPENAI_API_KEY": "key", "COLUMNS": "500"}
        result = CliRunner().invoke(app, command, env=environment)
    assert provider.received == []
    return result


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run Why? --scorer reward:missing", MISSING_REWARD),
        ("run Why? --scorer reward-server:ftp://x", "not 'ftp://x'"),
        ("run Why? --critic tiny:missing", "'missing' has no tiny model"),
        ("run Why? --critic hf:missing", "'missing' has no config.json"),
        ("run Why? --cache a_file", "The cache"),
        ("run Why? --prompts missing", "There is no prompt set 'missing'"),
        ("run Why? --prompt-dir missing", "The prompt folder 'missing' does not exist"),
        ("run Why? --context missing", "'missing' does not exist"),
        ("run Why? --events missing/e.jsonl", f"--events 'missing/e.jsonl' {NO_FOLDER}"),
        ("run Why? --events a_folder", "--events 'a_folder' is a folder. Pass a file."),
        ("run Why? --checkpoint missing/c --thread t", "cannot be locked"),
        ("batch rows.jsonl out.jsonl --scorer reward:missing", MISSING_REWARD),
        ("batch rows.jsonl out.jsonl --cache a_file", "The cache"),
        ("batch rows.jsonl out.jsonl --prompt-dir missing", "The prompt folder 'missing'"),
        ("batch rows.jsonl out.jsonl --ledger missing/ledger", "--ledger"),
        ("batch rows.jsonl missing/out.jsonl --ledger ledger", f"OUT 'missing/out.jsonl' {NO_FOLDER}"),
        ("batch rows.jsonl a_folder --ledger ledger", "OUT 'a_folder' is a folder. Pass a file."),
        ("review code.py --scorer reward:missing", MISSING_REWARD),
        ("review code.py --scorer reward-server:ftp://x", "not 'ftp://x'"),
        ("review code.py --tests missing", "'missing' does not exist"),
    ],
)  # fmt: skip
def test_an_unusable_file_ends_the_command_before_a_request(arguments: str, message: str):
    result = run_offline(*arguments.split())
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--out out --cache a_file", "The cache"),
        ("--out out --prompt-dir missing", "The prompt folder 'missing' does not exist"),
        ("--out a_file", "--out a_file is not an empty folder"),
    ],
)
def test_an_experiment_refuses_unusable_files(options: str, message: str):
    pytest.importorskip("inspect_ai")
    command = ["eval", "run", "self-critique", "three_sat", "--count", "1"]
    result = run_offline(*command, *options.split())
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_the_desk_refuses_an_unusable_cache():
    pytest.importorskip("starlette")
    write_records(Path("answers.jsonl"), [create_record("r1")])
    result = run_offline("desk", "answers.jsonl", "--cache", "a_file")
    assert result.exit_code == 2
    assert "The cache" in result.stderr


def test_a_results_file_that_is_no_regular_file_is_written():
    """The file of errors would be in /dev, but is not needed."""
    Path("rows.jsonl").write_text(json.dumps({"question": "What is 128 + 256?"}) + "\n")
    command = ["batch", "rows.jsonl", "/dev/null", "--ledger", "ledger", "--model", "simulated"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output


def test_a_folder_at_the_place_of_the_errors_file_is_refused():
    Path("out.errors.jsonl").mkdir()
    result = run_offline("batch", "rows.jsonl", "out.jsonl")
    assert result.exit_code == 2
    assert "The errors file 'out.errors.jsonl' is a folder" in result.stderr


def test_a_results_file_without_write_permission_is_refused(monkeypatch: pytest.MonkeyPatch):
    Path("out.jsonl").write_text("kept")
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    result = run_offline("batch", "rows.jsonl", "out.jsonl")
    assert result.exit_code == 2
    assert "OUT 'out.jsonl' cannot be written: permission denied" in result.stderr
    assert Path("out.jsonl").read_text() == "kept"
