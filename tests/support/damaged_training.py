"""Train each stage, then damage its folder or its options and run it again; prints what the test checks as JSON.

Usage: python -m tests.support.damaged_training FOLDER
"""

import json
import resource
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.data import load_data
from selfcritic.agent.training.pipeline import run_policy, run_reward, run_sampling, run_sft
from selfcritic.agent.training.sampling import CritiqueOptions
from selfcritic.agent.training.settings import PolicySettings, TrainSettings
from tests.support.forks import run_group

SFT = TrainSettings(steps=4, learning_rate=1e-2, max_length=400, save_every=2)
REWARD = replace(SFT, steps=3, batch_size=4, learning_rate=1e-3)
POLICY = PolicySettings(
    steps=3,
    batch_size=4,
    samples=4,
    max_tokens=12,
    learning_rate=1e-3,
    max_length=400,
    save_every=2,
    keeps="last",
)
_SAMPLING = CritiqueOptions(samples=2, max_tokens=16, forced=1)
_FILE_LIMIT = 100_000
"""Bytes of a file: fewer than those of the optimizer's state."""


def run_stage(folder: Path, stage: str, lines: list[str]) -> dict[str, Any]:
    """Run a stage in its folder."""
    start = str(folder / "sft/model")
    out = folder / stage
    if stage == "sft":
        data = load_data(folder / "records.jsonl")
        return run_sft(str(folder / "base"), data, out, SFT, report=lines.append)
    data = load_data(folder / "samples")
    if stage == "reward":
        return run_reward(start, data, out, REWARD, lines.append)
    return run_policy(start, data, str(folder / "reward/model"), out, POLICY, lines.append)


def train_stages(folder: Path) -> None:
    """Run each stage once."""
    run_stage(folder, "sft", [])
    data = load_data(folder / "records.jsonl")
    run_sampling(str(folder / "sft/model"), data, folder / "samples", _SAMPLING)
    run_stage(folder, "reward", [])
    run_stage(folder, "policy", [])


def repeat_end(folder: Path, stage: str, damage: Callable[[Path], None]) -> dict[str, Any]:
    """Bring a finished stage into the state after its last checkpoint, and finish it again."""
    out = folder / stage
    weights = out / "model/model.safetensors"
    before = weights.read_bytes()
    results = json.loads((out / "done.json").read_text())
    (out / "done.json").unlink()
    shutil.rmtree(out / "model")
    damage(out)
    lines: list[str] = []
    repeated = run_stage(folder, stage, lines)
    return {
        "results": repeated == results,
        "weights": weights.read_bytes() == before,
        "lines": lines,
    }


def keep_all(_out: Path) -> None:
    """Damage nothing."""


def cut_file(path: Path) -> None:
    """Keep the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_optimizer(out: Path) -> None:
    """Cut off the optimizer's state of the last checkpoint."""
    [optimizer] = out.glob("checkpoints/checkpoint-[34]/optimizer.pt")
    cut_file(optimizer)


def find_error(call: Callable[[], object]) -> str:
    """Return the message of the error that a call raises."""
    try:
        call()
    except InputError as error:
        return str(error)
    return "no error"


def train(folder: Path, name: str, base: str = "base", **changes: Any) -> Callable[[], object]:
    """Return a function that trains a supervised start into another folder."""
    data = load_data(folder / "records.jsonl")
    settings = replace(SFT, **changes)
    return lambda: run_sft(str(folder / base), data, folder / name, settings)


def fill_disk(folder: Path) -> dict[str, Any]:
    """Train where a checkpoint does not fit, then with enough space."""

    def run() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_LIMIT, _FILE_LIMIT))
        return find_error(train(folder, "full"))

    [limited] = run_group(run, folder / "output", count=1)
    resumed = find_error(train(folder, "full"))
    return {"error": limited["result"], "resumed": resumed}


def main() -> None:
    """Run all cases."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    train_stages(folder)
    outcomes: dict[str, Any] = {}
    for stage in ("sft", "reward", "policy"):
        outcomes[stage] = repeat_end(folder, stage, keep_all)
    outcomes["damaged"] = repeat_end(folder, "sft", cut_optimizer)
    outcomes["diverged"] = find_error(train(folder, "diverged", learning_rate=1e9, save_every=1))
    shutil.copytree(folder / "base", folder / "cut")
    cut_file(folder / "cut/model.safetensors")
    outcomes["cut base"] = find_error(train(folder, "first", "cut"))
    outcomes["whole base"] = find_error(train(folder, "first"))
    outcomes["too short"] = find_error(train(folder, "second", max_length=20))
    outcomes["second"] = (folder / "second").exists()
    outcomes["full disk"] = fill_disk(folder)
    shutil.rmtree(folder / "sft/model")
    outcomes["no model"] = find_error(lambda: run_stage(folder, "sft", []))
    print(json.dumps(outcomes))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
