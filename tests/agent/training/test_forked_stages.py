"""The stages run in two connected processes, and end in one line when memory runs out."""

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
    """Return the folder and the outcomes of all commands."""
    folder = tmp_path_factory.mktemp("forked")
    save_small_llama(folder / "base")
    write_records(folder / "records.jsonl", flawed_sums())
    command = [sys.executable, "-m", "tests.support.forked_training", str(folder)]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert process.returncode == 0, process.stderr[-3000:]
    return folder, json.loads(process.stdout.splitlines()[-1])


def read_steps(checkpoint: Path) -> list[int]:
    """Return the steps that a checkpoint logged a loss of."""
    state = json.loads((checkpoint / "trainer_state.json").read_text())
    return [entry["step"] for entry in state["log_history"] if "loss" in entry]


@pytest.mark.parametrize("stage", ["sft", "sft again", "reward"])
def test_the_main_process_prints(run, stage: str):
    _, outcomes = run
    main, other = outcomes[stage]
    assert (main["code"], other["code"]) == (0, 0), main["stderr"] + other["stderr"]
    title = "reward model: " if stage == "reward" else "supervised start: "
    assert main["stdout"].count(title) == 1
    assert other["stdout"] == ""
    assert "step" not in other["stderr"]
    assert ("  2 processes" in main["stderr"]) is (stage != "sft again")


def test_two_processes_resume_after_sigkill(run):
    folder, outcomes = run
    main, _ = outcomes["sft"]
    assert "step 3/4" in main["stderr"]
    assert "step 2/4" not in main["stderr"]
    assert read_steps(folder / "sft/checkpoints/checkpoint-4") == [1, 2, 3, 4]
    states = sorted(path.name for path in folder.glob("sft/checkpoints/checkpoint-4/rng_state*"))
    assert states == ["rng_state_0.pth", "rng_state_1.pth"]
    for stage in ("sft", "reward", "policy"):
        assert json.loads((folder / stage / "options.json").read_text())["processes"] == 2


def test_a_resumed_policy_is_the_uninterrupted_one(run):
    folder, outcomes = run
    assert outcomes["policy"][0]["result"] == outcomes["resumed"][0]["result"]
    curves = [(folder / name / "curves.csv").read_text() for name in ("policy", "resumed")]
    assert curves[0] == curves[1]
    assert [line.split(",")[:2] for line in curves[0].splitlines()[1:]] == [
        ["0", "dev"],
        ["1", "train"],
        ["2", "dev"],
        ["3", "train"],
        ["4", "dev"],
    ]
    weights = [
        (folder / name / "model/model.safetensors").read_bytes()
        for name in ("sft", "policy", "resumed")
    ]
    assert weights[0] != weights[1] == weights[2]


@pytest.mark.parametrize("name", ["policy", "resumed", "stopped"])
def test_both_processes_measure_the_same(run, name: str):
    _, outcomes = run
    main, other = outcomes[name]
    assert (main["code"], other["code"]) == (0, 0), main["stderr"] + other["stderr"]
    assert main["result"] == other["result"]
    assert main["result"]["dev_records"] == 4


def test_truth_of_all_processes_stops_both(run):
    _, outcomes = run
    for process in outcomes["stopped"]:
        assert process["result"]["stopped_early"] is True
        assert process["result"]["steps"] == 2


def test_the_lowest_score_is_that_of_all_processes(run):
    _, outcomes = run
    assert [process["result"] for process in outcomes["lowest"]] == [-2, -2]


def test_another_reward_model_is_refused(run):
    _, outcomes = run
    assert "the hash of --reward was" in outcomes["other reward"]


def test_memory_that_runs_out_is_one_line(run):
    _, outcomes = run
    limited = outcomes["memory"]["limited"]
    assert limited["code"] == 2
    [line] = limited["stderr"].splitlines()
    assert line.startswith("error: Memory ran out. Lower --batch-size")


def test_the_same_command_resumes_with_more_memory(run):
    folder, outcomes = run
    memory = outcomes["memory"]
    assert memory["is_intact"] is True
    assert memory["resumed"]["code"] == 0, memory["resumed"]["stderr"]
    assert "step 2/4" not in memory["resumed"]["stderr"]
    assert read_steps(folder / "memory/checkpoints/checkpoint-4") == [1, 2, 3, 4]
