"""Compare the speed of the supervised start: TRL's SFTTrainer against the tree layout, on the same examples.

    python -m examples.critic_training.sft_speed

Both see the same examples, with the loss on replies only. Prints tokens and examples per second of CPU time.
"""

import random
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from examples.papers.models import MODELS
from selfcritic.agent.training.settings import TrainSettings, device_arguments
from selfcritic.agent.training.tiny.encoding import encode
from selfcritic.agent.training.tiny.examples import Example, draw_task
from selfcritic.agent.training.tiny.fine_tuning import LEARNING_RATE, FineTuner
from selfcritic.agent.training.tiny.llama import to_llama
from selfcritic.agent.training.tiny.multi_comment import tampered_examples
from selfcritic.agent.training.tiny.packing import make_batches
from selfcritic.agent.training.tiny.trainer import TrainConfig
from selfcritic.agent.training.tiny.trees import EncodedExample, PrefixTree

_BATCH = 16
_NO_LOSS = -100


def main(
    tasks: Annotated[int, typer.Option(min=1, help="Tasks, with two flawed drafts each.")] = 40,
) -> None:
    """Measure both trainers on the shipped model."""
    torch.set_num_threads(1)
    base = MODELS["medium-0"].folder
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = TrainConfig("alphabetize", "medium", 10**9, 0, LEARNING_RATE)
        tuner = FineTuner(config, folder / "trees", base, base)
        groups = _draw_groups(tasks)
        encoded = [[encode(example, tuner.tokenizer) for example in group] for group in groups]
        examples = [example for group in encoded for example in group]
        num_tokens = sum(len(example.ids) for example in examples)
        seconds = _time_trees(tuner, encoded)
        _report("trees", num_tokens, len(examples), seconds)
        seconds = _time_trl(to_llama(base, folder / "llama"), examples, folder)
        _report("SFTTrainer", num_tokens, len(examples), seconds)


def _draw_groups(tasks: int) -> list[list[Example]]:
    rng = random.Random(0)
    groups: list[list[Example]] = []
    for _ in range(tasks):
        groups += tampered_examples(draw_task("alphabetize", rng), rng)
    return groups


def _time_trees(tuner: FineTuner, groups: list[list[EncodedExample]]) -> float:
    trees = [PrefixTree.from_examples(group) for group in groups]
    batches = list(make_batches(trees, 1024, 0, tuner.is_word))
    tuner.batches = iter(batches)
    start = time.process_time()
    for _ in batches:
        tuner.step()
    return time.process_time() - start


def _time_trl(model: Path, examples: list[EncodedExample], folder: Path) -> float:
    rows = []
    for example in examples:
        ids = list(example.ids)
        labels = [_NO_LOSS] * example.reply_start + ids[example.reply_start :]
        rows.append({"input_ids": ids, "labels": labels})
    settings = TrainSettings(
        steps=len(rows) // _BATCH, batch_size=_BATCH, learning_rate=1e-4, save_every=10**6
    )
    trainer = SFTTrainer(
        model=str(model),
        args=SFTConfig(**device_arguments(settings, folder)),
        train_dataset=Dataset.from_list(rows),
    )
    start = time.process_time()
    trainer.train()
    return time.process_time() - start


def _report(name: str, tokens: int, examples: int, seconds: float) -> None:
    typer.echo(
        f"{name}: {examples / seconds:.0f} examples/s, {tokens / seconds:.0f} tokens/s "
        f"({examples} examples, {seconds:.1f} s of CPU time)"
    )


if __name__ == "__main__":
    typer.run(main)
