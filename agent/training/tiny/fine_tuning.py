"""Fine-tune a tiny model to write critiques with several comments, in all of its roles.

Half of the examples come from a drafter's own flawed drafts, half from tampered solutions. Examples of a draft share
their prefix, so the tree layout of `packing` needs a fraction of the tokens of separate sequences.
"""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.training.stage_files import explain_file_errors
from selfcritic.agent.training.tiny.examples import Example, draw_task
from selfcritic.agent.training.tiny.multi_comment import natural_examples, tampered_examples
from selfcritic.agent.training.tiny.trainer import TrainConfig, Trainer
from selfcritic.agent.training.tiny.weights import load_decoder

LEARNING_RATE = 5e-4
_SAVE_INTERVAL = 30.0  # seconds


class FineTuner(Trainer):
    """A training run that starts from an exported model."""

    def __init__(self, config: TrainConfig, folder: Path, base: Path, drafter: Path) -> None:
        """Prepare a run.

        Args:
            config: Its task must be that of the base; `size` is not used.
            folder: Folder of the checkpoint and the exported model.
            base: Exported model to start from.
            drafter: Exported model that writes the drafts.

        Raises:
            InputError: The base has another vocabulary or size.
        """
        super().__init__(config, folder)
        loaded = load_decoder(base)
        is_same_size = loaded.decoder.config == self.decoder.config
        if loaded.tokenizer != self.tokenizer or not is_same_size:
            raise InputError(
                f"'{base}' is not a model of size={config.size!r} for task={config.task!r}: "
                "choose the size and the task that it was trained with."
            )
        self.decoder.load_state_dict(loaded.decoder.state_dict())
        self._drafter = Engine(drafter)

    def _example_groups(self) -> Iterator[list[Example]]:
        rng = random.Random(f"fine-tuning {self.config.seed} {self.tokens_seen}")
        num_tasks = self.config.self_play_tasks
        while True:
            critic = Engine(self.export())
            task_name = self.config.task
            yield from natural_examples(self._drafter, critic, task_name, rng, num_tasks)
            for _ in range(num_tasks // 2):
                yield from tampered_examples(draw_task(task_name, rng), rng)


@explain_file_errors("the folder")
def fine_tune(
    config: TrainConfig,
    folder: Path,
    base: Path,
    drafter: Path,
    log: Callable[[str], None] = print,
) -> Path:
    """Train until `config.tokens` are used up; return the folder of the float32 model.

    A rerun resumes from the last checkpoint. int8 weights are in the folder next to it.
    """
    torch.set_num_threads(1)
    trainer = FineTuner(config, folder, base, drafter)
    trainer.resume()
    start = last_save = time.monotonic()
    tokens_at_start = trainer.tokens_seen
    losses: list[float] = []
    while trainer.tokens_seen < config.tokens:
        losses.append(trainer.step())
        now = time.monotonic()
        if now - last_save > _SAVE_INTERVAL:
            last_save = now
            trainer.save()
            speed = (trainer.tokens_seen - tokens_at_start) / (now - start)
            loss = sum(losses) / len(losses)
            log(f"{trainer.tokens_seen} tokens, loss {loss:.3f}, {speed:.0f} tokens/s")
            losses = []
    trainer.save()
    trainer.export("int8")
    return trainer.export()
