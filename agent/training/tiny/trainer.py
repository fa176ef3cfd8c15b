"""Train the tiny model in stages, with checkpoints every 30 seconds.

Training runs on a GPU if torch has one, else on one core. ctranslate2 always samples drafts on the CPU. The stages are
described in `curriculum`.
"""

import itertools
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.tokenizer import PAD
from selfcritic.agent.training.stage_files import explain_file_errors, read_object, write_json
from selfcritic.agent.training.tiny.checkpoints import load_checkpoint
from selfcritic.agent.training.tiny.curriculum import (
    MAX_EDIT_SIZE,
    Curriculum,
    Stage,
    schedule_rate,
)
from selfcritic.agent.training.tiny.decoder import Decoder, ModelConfig, export
from selfcritic.agent.training.tiny.encoding import encode
from selfcritic.agent.training.tiny.examples import (
    SIZES,
    Example,
    copy_examples,
    draw_task,
    edit_examples,
    injected_flaw_examples,
)
from selfcritic.agent.training.tiny.packing import Batch, make_batches, mask_words
from selfcritic.agent.training.tiny.self_play import self_play_examples
from selfcritic.agent.training.tiny.trees import MAX_TREE_TOKENS, PrefixTree
from selfcritic.agent.training.tiny.vocabulary import train_tokenizer

_TREES_PER_SHUFFLE = 200
_SAVE_INTERVAL = 30.0  # seconds

_CHECKPOINT = "checkpoint.pt"
_CONFIG = "train_config.json"


@dataclass(frozen=True)
class TrainConfig:
    """Options of a training run; the same options and folder resume it."""

    task: str
    size: str = "medium"
    tokens: int = 18_000_000
    seed: int = 0
    learning_rate: float = 2e-3
    batch_tokens: int = 1024
    """Tokens per step, padding included."""
    self_play_tasks: int = 200
    """New tasks that the model drafts per round of self-play."""


@explain_file_errors("FOLDER")
def train(
    config: TrainConfig,
    folder: Path,
    minutes: float | None = None,
    log: Callable[[str], None] = print,
) -> Path:
    """Train until `config.tokens` or `minutes` are used up, and export the model.

    Returns the folder of the float32 model; int8 weights are in the folder next to it.

    Raises:
        InputError: the folder has a damaged checkpoint, one with other options or from an earlier version, or models
            that no training wrote.
    """
    torch.set_num_threads(1)
    trainer = Trainer(config, folder)
    trainer.resume()
    start = last_save = time.monotonic()
    tokens_at_start = trainer.tokens_seen
    losses: list[float] = []
    while trainer.tokens_seen < config.tokens:
        now = time.monotonic()
        if minutes is not None and now - start >= 60 * minutes:
            break
        losses.append(trainer.step())
        now = time.monotonic()
        if now - last_save > _SAVE_INTERVAL:
            last_save = now
            trainer.save()
            speed = (trainer.tokens_seen - tokens_at_start) / (now - start)
            loss = sum(losses) / len(losses)
            log(
                f"{trainer.tokens_seen} tokens, stage {trainer.stage}, loss {loss:.3f}, {speed:.0f} tokens/s"
            )
            losses = []
    trainer.save()
    trainer.export("int8")
    return trainer.export()


class Trainer:
    """A training run: decoder, optimizers and a stream of batches."""

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.tokens_seen = 0
        self.steps = 0
        self.curriculum = Curriculum(config.tokens)
        torch.manual_seed(config.seed)
        self.tokenizer = train_tokenizer(config.task)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model_config = ModelConfig.from_name(config.size, len(self.tokenizer.names))
        self.decoder = Decoder(model_config).to(self.device)
        self.is_word = mask_words(self.tokenizer, model_config.vocab_size)
        self.optimizers = _make_optimizers(self.decoder, config.learning_rate)
        self.batches = self._batches()

    @property
    def stage(self) -> Stage:
        """Return the current stage."""
        return self.curriculum.stage(self.tokens_seen)

    def step(self) -> float:
        """Update the weights on one batch; return the mean loss per reply token."""
        batch = next(self.batches).to(self.device)
        hidden = self.decoder(batch.ids, batch.positions, batch.attention_mask)
        target_hidden = hidden.flatten(0, 1)[batch.target_index]
        logits = self.decoder.logits(target_hidden).masked_fill(batch.suppressed, -math.inf)
        losses = functional.cross_entropy(logits, batch.targets, reduction="none")
        loss = (losses * batch.weights).sum() / batch.weights.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), 1.0)
        share = schedule_rate(self.steps, self.tokens_seen / self.config.tokens)
        learning_rate = self.config.learning_rate * share
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad()
        self.steps += 1
        loss_value = float(loss.detach())
        self.curriculum.record(loss_value, self.tokens_seen)
        return loss_value

    def save(self) -> None:
        """Write the checkpoint atomically."""
        state = {
            "decoder": self.decoder.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "tokens_seen": self.tokens_seen,
            "steps": self.steps,
            "finished_stages": self.curriculum.finished,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        new_checkpoint = self.folder / "checkpoint.new"
        torch.save(state, new_checkpoint)
        write_json(self.folder / _CONFIG, asdict(self.config))
        new_checkpoint.replace(self.folder / _CHECKPOINT)

    def resume(self) -> None:
        """Load the checkpoint, if there is one; else write the options.

        Raises:
            InputError: the checkpoint is damaged, has other options or is from an earlier version; or the folder has
                models, but no options of a training.
        """
        checkpoint = self.folder / _CHECKPOINT
        if not checkpoint.is_file():
            self._begin()
            return
        state = load_checkpoint(checkpoint, self.device)
        if "finished_stages" not in state:
            raise InputError(
                f"'{self.folder}' has a checkpoint of an earlier version: choose another folder."
            )
        saved_config = read_object(self.folder / _CONFIG, "Choose another folder.")
        if saved_config != asdict(self.config):
            raise InputError(
                f"'{self.folder}' has a checkpoint of other options ({saved_config}): "
                "use the same options or choose another folder."
            )
        self.decoder.load_state_dict(state["decoder"])
        for optimizer, optimizer_state in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(optimizer_state)
        self.tokens_seen = state["tokens_seen"]
        self.steps = state["steps"]
        self.curriculum.finished = state["finished_stages"]

    def _begin(self) -> None:
        """Write the options, which mark the models in the folder as those of a training."""
        for name in ("float32", "int8"):
            if (self.folder / name).exists() and not (self.folder / _CONFIG).exists():
                raise InputError(
                    f"'{self.folder}' has a folder '{name}' that no training wrote: choose another folder."
                )
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / _CONFIG, asdict(self.config))

    def export(self, quantization: str | None = None) -> Path:
        """Export the model; return the subfolder, named after the number format."""
        target = self.folder / (quantization or "float32")
        export(self.decoder, self.tokenizer, [self.config.task], target, quantization)
        return target

    def _batches(self) -> Iterator[Batch]:
        """Yield batches; counts their tokens when they are drawn."""
        example_groups = self._example_groups()
        pad = self.tokenizer.ids[PAD]
        while True:
            trees = []
            for examples in itertools.islice(example_groups, _TREES_PER_SHUFFLE):
                tree = PrefixTree.from_examples(
                    encode(example, self.tokenizer) for example in examples
                )
                if len(tree.ids) <= MAX_TREE_TOKENS:
                    trees.append(tree)
            batches = list(make_batches(trees, self.config.batch_tokens, pad, self.is_word))
            random.Random(self.tokens_seen).shuffle(batches)
            for batch in batches:
                self.tokens_seen += batch.ids.numel()
                yield batch

    def _example_groups(self) -> Iterator[list[Example]]:
        """Yield the examples of one task after another.

        The seed includes `tokens_seen`, so that a resumed run draws new tasks.
        """
        task_name = self.config.task
        rng = random.Random(f"training {self.config.seed} {self.tokens_seen}")
        while self.stage == "copy":
            yield copy_examples(task_name, rng)
        while self.stage == "edit":
            yield edit_examples(draw_task(task_name, rng, MAX_EDIT_SIZE), rng)
        while self.stage == "injected flaws":
            max_size = self.curriculum.max_size(self.tokens_seen, SIZES[task_name])
            yield injected_flaw_examples(draw_task(task_name, rng, max_size), rng)
        while True:
            engine = Engine(self.export())
            tasks = [draw_task(task_name, rng) for _ in range(self.config.self_play_tasks)]
            yield from self_play_examples(engine, tasks, rng)
            for _ in range(self.config.self_play_tasks):
                yield injected_flaw_examples(draw_task(task_name, rng), rng, with_verdict=False)


def _make_optimizers(decoder: Decoder, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Use Muon for the block matrices, AdamW for embedding and norms."""
    matrices = []
    other_parameters = [decoder.embedding.weight]
    for parameter in decoder.blocks.parameters():
        if parameter.dim() == 2:
            matrices.append(parameter)
        else:
            other_parameters.append(parameter)
    other_parameters.append(decoder.norm.weight)
    return [
        torch.optim.Muon(
            matrices, learning_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(other_parameters, learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
