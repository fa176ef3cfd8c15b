"""Run training commands in two processes, and without enough memory; prints what the test checks as JSON.

One process imports torch and TRL; each process of a training is a fork of it.

Usage: python -m tests.support.forked_training FOLDER
"""

import json
import os
import resource
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import accelerate
import torch
from safetensors.torch import load_file, save_file
from trl import GRPOTrainer, RewardTrainer, SFTTrainer

from selfcritic.agent.errors import InputError
from selfcritic.agent.training import policy
from selfcritic.agent.training.data import load_data
from selfcritic.agent.training.pipeline import run_policy, run_sampling
from selfcritic.agent.training.policy_rewards import PolicyRewards, find_lowest, read_text
from selfcritic.agent.training.sampling import CritiqueOptions
from selfcritic.agent.training.settings import PolicySettings
from selfcritic.graphs.cli.app import app
from tests.support.forks import run_group

TRAINERS = (SFTTrainer, RewardTrainer, GRPOTrainer)
"""TRL imports them at their first use, which is here, not in each fork."""
SFT = "sft --base {0}/base --data {0}/records.jsonl --learning-rate 1e-2 --max-length 400 --steps 4 --save-every 2 "
REWARD = (
    "reward --base {0}/sft/model --data {0}/samples --out {0}/reward --steps 2 --batch-size 4 "
    "--learning-rate 1e-3 --max-length 400"
)
POLICY = PolicySettings(
    steps=4,
    batch_size=4,
    samples=4,
    max_tokens=12,
    learning_rate=1e-3,
    max_length=400,
    save_every=2,
    patience=1,
    keeps="last",
)
_SAMPLING = CritiqueOptions(samples=2, max_tokens=16, forced=1)
_LIMIT = 100 * 2**20
"""Bytes beyond those of a process without a model: too few for a step with 64 rows."""


class LongerIsBetter(PolicyRewards):
    """Rewards that differ, because an untrained critic gets the same reward for each critique."""

    def proxy(self, completions: Sequence[Any], record: Sequence[str], **_: Any) -> list[float]:
        """Add the length to the reward."""
        scores = super().proxy(completions, record)
        lengths = [len(read_text(completion)) for completion in completions]
        return [score + length / 10 for score, length in zip(scores, lengths, strict=True)]


class FallingTruth(PolicyRewards):
    """Truth that falls in the mean of two processes, although it rises in the first one."""

    calls = 0

    def proxy(self, completions: Sequence[Any], record: Sequence[str], **_: Any) -> list[float]:
        """Rise with each call."""
        self.calls += 1
        return [float(self.calls)] * len(record)

    def truth(
        self, completions: Sequence[Any], record: Sequence[str], **_: Any
    ) -> list[float | None]:
        """Rise in the first process, and fall twice as fast in the other."""
        slope = 1 if os.environ["RANK"] == "0" else -2
        return [float(slope * self.calls)] * len(record)


def run_command(command: str, folder: Path, *, max_bytes: int | None = None) -> Callable[[], None]:
    """Return a function that runs `selfcritic train` on a folder's data."""

    def run() -> None:
        if max_bytes is not None:
            num_pages = int(Path("/proc/self/statm").read_text().split()[0])
            size = num_pages * resource.getpagesize() + max_bytes
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        app(["train", *command.format(folder).split()])

    return run


def train_policy(
    folder: Path, name: str, rewards: type[PolicyRewards] = LongerIsBetter, steps: int = 4
) -> Callable[[], dict[str, Any]]:
    """Return a function that trains the policy into a folder."""

    def run() -> dict[str, Any]:
        policy.PolicyRewards = rewards
        return run_policy(
            str(folder / "sft/model"),
            load_data(folder / "samples"),
            str(folder / "reward/model"),
            folder / name,
            replace(POLICY, steps=steps),
        )

    return run


def gather_scores() -> float:
    """Return the lowest score, which only the first process has."""
    state = accelerate.PartialState(cpu=True)
    return find_lowest([-2.0, 3.0] if state.is_main_process else [])


def train_in_two_processes(folder: Path) -> dict[str, Any]:
    """Run each stage; the first and the last are also killed and resumed."""
    results: dict[str, Any] = {}
    output = folder / "output"
    state = "checkpoints/checkpoint-2/trainer_state.json"
    sft = run_command(f"{SFT} --out {{0}}/sft", folder)
    run_group(sft, output, kill_at=folder / "sft" / state)
    results["sft"] = run_group(sft, output)
    results["sft again"] = run_group(sft, output)
    data = load_data(folder / "records.jsonl")
    run_sampling(str(folder / "sft/model"), data, folder / "samples", _SAMPLING)
    results["reward"] = run_group(run_command(REWARD, folder), output)
    results["policy"] = run_group(train_policy(folder, "policy"), output)
    resumed = train_policy(folder, "resumed")
    run_group(resumed, output, kill_at=folder / "resumed" / state)
    results["resumed"] = run_group(resumed, output)
    stopped = train_policy(folder, "stopped", FallingTruth, steps=20)
    results["stopped"] = run_group(stopped, output)
    results["lowest"] = run_group(gather_scores, output)
    return results


def refuse_another_reward(folder: Path) -> str:
    """Return the error of a policy that is resumed with another reward model of the same base."""
    shutil.copytree(folder / "reward/model", folder / "other")
    path = folder / "other/model.safetensors"
    weights = load_file(path)
    weights["score.weight"] += 1e-3
    save_file(weights, path, metadata={"format": "pt"})
    os.environ["WORLD_SIZE"] = "2"
    data = load_data(folder / "samples")
    try:
        run_policy(
            str(folder / "sft/model"), data, str(folder / "other"), folder / "policy", POLICY
        )
    except InputError as error:
        return str(error)
    finally:
        del os.environ["WORLD_SIZE"]
    return "no error"


def run_out_of_memory(folder: Path) -> dict[str, Any]:
    """Kill a stage after its first checkpoint, resume it without enough memory, then with it."""
    checkpoint = folder / "memory/checkpoints/checkpoint-2"
    command = f"{SFT} --out {{0}}/memory --batch-size 64"
    output = folder / "output"
    run_group(
        run_command(command, folder), output, count=1, kill_at=checkpoint / "trainer_state.json"
    )
    before = read_files(checkpoint)
    [limited] = run_group(run_command(command, folder, max_bytes=_LIMIT), output, count=1)
    is_intact = read_files(checkpoint) == before
    [resumed] = run_group(run_command(command, folder), output, count=1)
    return {"limited": limited, "is_intact": is_intact, "resumed": resumed}


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of each file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def main() -> None:
    """Run everything in a folder that has a base and records."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    results = train_in_two_processes(folder)
    results["other reward"] = refuse_another_reward(folder)
    results["memory"] = run_out_of_memory(folder)
    print(json.dumps(results))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
