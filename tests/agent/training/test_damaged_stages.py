"""Stages end in one line, or resume exactly, when their files are damaged, missing or too large for the disk."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from selfcritic.agent.data.files import write_records
from tests.support.small_llama import flawed_sums, save_small_llama

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(
    requires_trl: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """Return the folder and the outcomes of all cases."""
    folder = tmp_path_factory.mktemp("damaged")
    save_small_llama(folder / "base")
    write_records(folder / "records.jsonl", flawed_sums())
    command = [sys.executable, "-m", "tests.support.damaged_training", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert process.returncode == 0, process.stderr[-3000:]
    return folder, json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize("stage", ["sft", "reward", "policy"])
def test_a_stage_killed_after_its_last_step_takes_no_other_one(run, stage: str):
    _, outcomes = run
    assert outcomes[stage] == {"results": True, "weights": True, "lines": []}


def test_a_damaged_checkpoint_is_replaced_from_an_older_one(run):
    folder, outcomes = run
    damaged = outcomes["damaged"]
    assert damaged["results"]
    assert damaged["weights"]
    assert damaged["lines"][0] == "  checkpoint-4 is damaged: training resumes from checkpoint-2"
    assert (folder / "sft/checkpoints/checkpoint-4/trainer_state.json").is_file()


def test_a_training_that_diverges_saves_no_model(run):
    folder, outcomes = run
    assert (
        "Training diverged at step 2: the loss is nan. Lower --learning-rate"
        in (outcomes["diverged"])
    )
    assert not (folder / "diverged/model").exists()
    assert not (folder / "diverged/done.json").exists()


def test_a_damaged_base_is_named_and_another_one_accepted(run):
    folder, outcomes = run
    assert f"The model '{folder / 'cut'}' cannot be loaded" in outcomes["cut base"]
    assert outcomes["whole base"] == "no error"


def test_nothing_is_written_before_the_lengths_are_checked(run):
    _, outcomes = run
    assert "longer than --max-length 20" in outcomes["too short"]
    assert outcomes["second"] is False


def test_a_full_disk_is_one_line_and_more_space_resumes(run):
    _, outcomes = run
    full = outcomes["full disk"]
    assert full["error"].startswith("The disk of --out is full. Free space and rerun")
    assert full["resumed"] == "no error"


def test_a_finished_stage_without_its_model_is_an_error(run):
    folder, outcomes = run
    assert outcomes["no model"].startswith(f"{folder / 'sft'} has finished, but 'model' is missing")
