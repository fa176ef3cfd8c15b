"""Tests of `selfcritic train tiny`."""

import sys
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from selfcritic.agent.training.tiny.examples import TRAINABLE_TASKS
from selfcritic.agent.training.tiny.sizes import DECODER_SIZES
from selfcritic.graphs.cli.app import app
from selfcritic.graphs.cli.train.tiny import SizeName, TaskName


def test_offers_every_trainable_task():
    assert set(get_args(TaskName)) == set(TRAINABLE_TASKS)


def test_offers_every_decoder_size():
    assert set(get_args(SizeName)) == set(DECODER_SIZES)


def test_names_the_extras_if_torch_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for module in list(sys.modules):
        if module.startswith("selfcritic.agent.training."):
            monkeypatch.delitem(sys.modules, module)
    result = CliRunner().invoke(app, ["train", "tiny", "addition", str(tmp_path)])
    assert result.exit_code == 2
    assert "needs torch: pip install 'selfcritic[train,tiny]'" in result.stderr.replace("\n", " ")


@pytest.mark.slow
def test_trains_resumes_and_prints_the_model_name(tmp_path: Path):
    pytest.importorskip("torch", reason="needs torch: make train-tools")
    command = ["train", "tiny", "addition", str(tmp_path), "--size", "test"]
    stopped = CliRunner().invoke(app, [*command, "--tokens", "20000", "--minutes", "0"])
    assert stopped.exit_code == 0
    assert (tmp_path / "checkpoint.pt").is_file()
    resumed = CliRunner().invoke(app, [*command, "--tokens", "20000"])
    assert resumed.stdout.replace("\n", "") == f"tiny:{tmp_path / 'float32'}"
    other_options = CliRunner().invoke(app, [*command, "--tokens", "30000"])
    assert other_options.exit_code == 2
    assert "other options" in other_options.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Pass TASK and FOLDER, or a grid with --grid GRID.toml"),
        (["addition"], "Pass TASK and FOLDER"),
        (["addition", "folder", "--out", "other"], "--out requires --grid"),
        (["addition", "--grid", "grid.toml"], "TASK cannot be used with --grid"),
        (["--grid", "grid.toml", "--tokens", "20000"], "--tokens cannot be used with --grid"),
        (["--grid", "missing.toml"], "--grid: 'missing.toml' cannot be read as TOML"),
    ],
)
def test_explains_wrong_use(arguments: list[str], message: str):
    result = CliRunner().invoke(app, ["train", "tiny", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_names_the_extras_of_a_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    grid = tmp_path / "grid.toml"
    grid.write_text('tasks = ["addition"]\nsizes = ["test"]\n')
    monkeypatch.setitem(sys.modules, "torch", None)
    for module in list(sys.modules):
        if module.startswith("selfcritic.agent.training."):
            monkeypatch.delitem(sys.modules, module)
    result = CliRunner().invoke(app, ["train", "tiny", "--grid", str(grid)])
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert "needs torch: pip install 'selfcritic[train,tiny,eval]'" in message
