"""Tests of the commands of `selfcritic train` that need no torch."""

import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from selfcritic.agent.data.files import write_records
from selfcritic.graphs.cli.app import app
from selfcritic.graphs.cli.train import options
from tests.support.small_llama import flawed_sums


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "records.jsonl"
    write_records(path, flawed_sums())
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["train", *map(str, arguments)])
    return result.exit_code, " ".join(result.stderr.split())


def test_lists_the_stages_in_their_order():
    result = CliRunner().invoke(app, ["train", "--help"])
    places = [
        result.stdout.index(f" {name} ") for name in ("all", "sft", "sample", "reward", "policy")
    ]
    assert places == sorted(places)


def test_a_base_that_does_not_exist_is_named(data: Path, tmp_path: Path):
    code, error = run("sft", "--base", tmp_path / "none", "--data", data, "--out", tmp_path / "o")
    assert code == 2
    assert "none does not exist" in error


def test_names_the_extra_if_transformers_is_missing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "transformers", None)
    (tmp_path / "config.json").write_text("{}")
    code, error = run("sft", "--base", tmp_path, "--data", data, "--out", tmp_path / "o")
    assert code == 2
    assert "need transformers: pip install 'selfcritic[train]'" in error


def test_a_task_on_both_sides_is_an_error(tmp_path: Path):
    first, second, *_ = flawed_sums()
    path = tmp_path / "records.jsonl"
    write_records(path, [first, second.model_copy(update={"task": first.task, "split": "test"})])
    code, error = run("all", "--base", tmp_path, "--data", path, "--out", tmp_path / "o")
    assert code == 2
    assert "have the same task" in error


def test_data_without_flaws_is_an_error(tmp_path: Path):
    path = tmp_path / "records.jsonl"
    write_records(path, [record for record in flawed_sums() if not record.bugs])
    code, error = run("all", "--base", tmp_path, "--data", path, "--out", tmp_path / "o")
    assert code == 2
    assert "no train records with known bugs" in error


def test_quotes_that_do_not_occur_are_an_error(tmp_path: Path):
    records = []
    for record in flawed_sums():
        update = {"quote": "NOT THERE", "start": None, "end": None}
        bugs = [bug.model_copy(update=update) for bug in record.bugs or []]
        records.append(record.model_copy(update={"bugs": bugs}))
    path = tmp_path / "records.jsonl"
    write_records(path, records)
    for command in ("sft", "all"):
        code, error = run(command, "--base", tmp_path, "--data", path, "--out", tmp_path / "o")
        assert code == 2
        assert "no bug has a `quote` that occurs in its `answer`" in error
    assert not (tmp_path / "o").exists()


def test_sampling_needs_known_bugs_or_a_judge(tmp_path: Path):
    path = tmp_path / "records.jsonl"
    write_records(path, [record.model_copy(update={"bugs": None}) for record in flawed_sums()])
    code, error = run("sample", "--base", tmp_path, "--data", path, "--out", tmp_path / "o")
    assert code == 2
    assert "no answer with known `bugs` to critique" in error
    assert "--judge NAME" in error


def test_a_reward_that_does_not_exist_is_named(data: Path, tmp_path: Path):
    command = ("policy", "--base", tmp_path, "--data", data, "--out", tmp_path / "o")
    code, error = run(*command, "--reward", tmp_path / "nosuch")
    assert code == 2
    assert "nosuch does not exist or has no config.json" in error


def test_reward_needs_comparisons(data: Path, tmp_path: Path):
    code, error = run("reward", "--base", tmp_path, "--data", data, "--out", tmp_path / "o")
    assert code == 2
    assert "no comparisons" in error


def test_settings_that_never_clip_are_an_error(data: Path, tmp_path: Path):
    command = ("policy", "--base", tmp_path, "--data", data, "--out", tmp_path / "o")
    code, error = run(*command, "--reward", tmp_path, "--iterations", 1)
    assert code == 2
    assert "--iterations 1 never clips" in error


@pytest.mark.parametrize("stage", ["all", "sample"])
def test_stages_that_do_not_train_run_in_one_process(
    stage: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WORLD_SIZE", "8")
    code, error = run(stage, "--base", tmp_path, "--data", data, "--out", tmp_path / "o")
    assert code == 2
    assert f"`train {stage}` runs in one process" in error
    assert "accelerate launch" in error


def test_another_process_names_itself_in_an_error(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(options, "_MAIN_PROCESS_SECONDS", 0)
    code, error = run("sft", "--base", tmp_path / "none", "--data", data, "--out", tmp_path / "o")
    assert code == 2
    assert error.startswith("error: rank 1 of 2 processes: --base")


def test_scorers_are_checked(tmp_path: Path):
    (tmp_path / "a.py").write_text("x = 1\n")
    result = CliRunner().invoke(
        app, ["review", str(tmp_path / "a.py"), "--model", "simulated", "--scorer", "magic"]
    )
    assert result.exit_code == 2
    assert "unknown scorer 'magic'" in " ".join(result.stderr.split())


@pytest.mark.parametrize("stage", ["all", "sft", "sample", "reward", "policy"])
@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_that_numpy_rejects_are_an_error(stage: str, seed: int, data: Path, tmp_path: Path):
    command = [stage, "--base", tmp_path, "--data", data, "--out", tmp_path / "o"]
    if stage == "policy":
        command += ["--reward", tmp_path]
    code, error = run(*command, "--seed", seed)
    assert code == 2
    assert "--seed" in error
    assert ("or equal to 0" if seed < 0 else "4294967295") in error


@pytest.mark.parametrize("name", ["rich", None])
def test_an_import_error_inside_another_one_is_one_line(
    name: str | None, capsys: pytest.CaptureFixture[str]
):
    def import_late() -> None:
        try:
            raise ImportError("no such package", name=name)
        except ImportError as error:
            raise RuntimeError("Failed to import trl.trainer") from error

    with pytest.raises(typer.Exit) as exit_error, options.report_errors():
        import_late()
    assert exit_error.value.exit_code == 2
    message = " ".join(capsys.readouterr().err.split())
    assert message.startswith("error: Training needs ")
    assert (name or "(no such package)") in message
    with pytest.raises(RuntimeError, match="shape"), options.report_errors():
        raise RuntimeError("shape mismatch")
