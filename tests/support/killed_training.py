"""Run `train all`, kill it with SIGKILL in every stage, and finish it; prints the results as JSON.

One process imports torch and TRL; each attempt is a fork of it.

Usage: python -m tests.support.killed_training BASE DATA OUT
"""

import json
import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import datasets
import trl

from selfcritic.agent.models.hugging_face.engine import (
    SamplingOptions,
    get_engine,
    load_tokenizer,
)
from selfcritic.agent.models.hugging_face.folder import FolderInfo, write_info
from selfcritic.agent.training.base import open_base
from selfcritic.agent.training.data import load_data
from selfcritic.agent.training.pipeline import PipelineSettings, run_all, run_sft
from selfcritic.agent.training.policy import train_policy
from selfcritic.agent.training.restricted_grpo import choose_trainer
from selfcritic.agent.training.sampling import CritiqueOptions, critique_prompt
from selfcritic.agent.training.settings import PolicySettings, TrainSettings

KILL_POINTS = (
    "sft/checkpoints/checkpoint-*/trainer_state.json",
    "samples/samples.jsonl",
    "reward/checkpoints/checkpoint-*/trainer_state.json",
    "policy/checkpoints/checkpoint-*/trainer_state.json",
)
"""Files after whose appearance a run is killed: the stage has saved something, and is not finished."""
SETTINGS = PipelineSettings(
    sft=TrainSettings(steps=40, batch_size=8, learning_rate=1e-2, max_length=400, save_every=20),
    sampling=CritiqueOptions(samples=3, max_tokens=24, batch_size=4),
    reward=TrainSettings(steps=6, batch_size=4, learning_rate=1e-3, max_length=400, save_every=3),
    policy=PolicySettings(
        steps=4,
        batch_size=4,
        samples=4,
        max_tokens=16,
        learning_rate=1e-4,
        max_length=400,
        save_every=2,
        keeps="last",
    ),
)
_TIMEOUT = 120  # seconds


def kill_after(pattern: str, base: str, data: Path, out: Path) -> bool:
    """Run the chain in a fork, and kill it when a file appears; return whether it was killed."""
    process = os.fork()
    if process == 0:
        try:
            run_all(base, data, out, SETTINGS)
        finally:
            os._exit(0)
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        finished, status = os.waitpid(process, os.WNOHANG)
        if finished:
            return False
        if any(path.stat().st_size for path in out.glob(pattern)):
            break
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


def train_adapter(base: str, data: Path, out: Path) -> None:
    """Train a LoRA adapter for two steps."""
    settings = TrainSettings(steps=2, batch_size=4, learning_rate=1e-2, max_length=400, lora_rank=4)
    run_sft(base, load_data(data), out, settings)


def compare_logprobs(base: str, data: Path, out: Path) -> dict[str, float]:
    """Return how far log-probs of GRPO are from those of the sampler, with a rule about tokens."""
    import torch

    tokenizer = load_tokenizer(base)
    digits = [tokenizer.convert_tokens_to_ids(digit) for digit in "0123456789"]
    info = FolderInfo(prompts="plain", prompt_only_tokens=digits)
    shutil.copytree(base, out / "base")
    write_info(out / "base", info)
    restricted = open_base(str(out / "base"))
    records = [record for record in load_data(data).records if record.bugs][:2]
    settings = replace(SETTINGS.policy, steps=2, keeps="best")
    results = train_policy(
        restricted, records, records, lambda _, texts: [0.0] * len(texts), out, settings
    )
    trainer = choose_trainer(restricted)(
        model=restricted.load_causal_model(),
        reward_funcs=[lambda completions, **_: [0.0] * len(completions)],
        args=trl.GRPOConfig(output_dir=str(out), use_cpu=True, bf16=False, beta=0.0, report_to=[]),
        train_dataset=datasets.Dataset.from_list([{"prompt": "a"}]),
        processing_class=restricted.chat.tokenizer,
    )
    engine = get_engine(str(out / "base"))
    prompt = critique_prompt(engine, records[0])
    options = SamplingOptions(max_tokens=12, seed=3, with_logprobs=True)
    [[sample]] = engine.sample([prompt], 1, options)
    reply = sample.token_ids
    ids = torch.tensor([[*prompt, *reply]])
    logps, _, _ = trainer._get_per_token_logps_and_entropies(
        trainer.model.eval(), ids, torch.ones_like(ids), len(reply)
    )
    sampled = [entry.get("logprob") for entry in sample.logprobs]
    differences = [
        abs(a - b) for a, b in zip(sampled, logps[0].tolist(), strict=True) if a is not None
    ]
    absent = set(digits) - set(prompt)
    return {
        "best_step": results["best_step"],
        "difference": max(differences),
        "forbidden": len(absent & set(reply)),
        "absent": len(absent),
    }


def main() -> None:
    """Kill and finish the chain."""
    import torch

    torch.set_num_threads(1)
    base, data, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    killed = [kill_after(pattern, base, data, out) for pattern in KILL_POINTS]
    results = run_all(base, data, out, SETTINGS)
    train_adapter(base, data, out / "lora")
    results["restricted"] = compare_logprobs(base, data, out / "restricted")
    print(json.dumps({"killed": killed, **results}))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
