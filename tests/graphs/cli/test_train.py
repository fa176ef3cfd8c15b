"""`selfcritic train tiny`: it trains, goes on, and says what is missing."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfcritic.agent.training.tiny.examples import TRAINED
from selfcritic.graphs.cli.app import app
from selfcritic.graphs.cli.train import FamilyChoice


def test_every_family_that_can_be_trained_can_be_named():
    assert {choice.value for choice in FamilyChoice} == set(TRAINED)


def test_without_torch_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for module in [name for name in sys.modules if name.startswith("selfcritic.agent.training.")]:
        monkeypatch.delitem(sys.modules, module)
    told = CliRunner().invoke(app, ["train", "tiny", "addition", str(tmp_path)])
    assert told.exit_code == 2
    assert "torch is needed: pip install 'selfcritic[train,tiny]'" in told.stderr.replace("\n", " ")


def test_it_trains_goes_on_and_names_the_model(tmp_path: Path):
    pytest.importorskip("torch", reason="needs torch: python3 -m pip --python .venv/bin/python install torch")
    asked = ["train", "tiny", "addition", str(tmp_path), "--size", "test"]
    first = CliRunner().invoke(app, [*asked, "--tokens", "20000", "--minutes", "0"])
    assert (first.exit_code, (tmp_path / "checkpoint.pt").is_file()) == (0, True)
    second = CliRunner().invoke(app, [*asked, "--tokens", "20000"])
    assert second.stdout.replace("\n", "") == f"tiny:{tmp_path / 'float32'}"
    other = CliRunner().invoke(app, [*asked, "--tokens", "30000"])
    assert other.exit_code == 2
    assert "another plan" in other.stderr
