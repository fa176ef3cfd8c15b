"""Train all sizes and seeds of one task in step, on the same batches.

So the examples, which processes draw on the CPU, are drawn once for all runs, and runs of different sizes can be
compared: they saw the same tokens in the same order. Seeds differ in the initial weights only.
"""

import shutil
import time
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from selfcritic.agent.models.tiny.engine import VOCABULARY_FILE
from selfcritic.agent.models.tiny.tokenizer import Tokenizer
from selfcritic.agent.training.tiny.checkpoints import load_checkpoint
from selfcritic.agent.training.tiny.curriculum import Curriculum, schedule_rate
from selfcritic.agent.training.tiny.decoder import ModelConfig, export
from selfcritic.agent.training.tiny.ensemble import Ensemble
from selfcritic.agent.training.tiny.grid_config import GridConfig
from selfcritic.agent.training.tiny.packing import Batch, mask_words
from selfcritic.agent.training.tiny.progress import Progress, run_name
from selfcritic.agent.training.tiny.stream import Situation, Stream, StreamConfig
from selfcritic.agent.training.tiny.vocabulary import train_tokenizer

CHECKPOINT = "checkpoint.pt"
_LAG = 4  # steps that a GPU may lag
_UNTIMED_STEPS = 3  # they include compilation
_KEPT_EXPORTS = 10


class _Step(NamedTuple):
    """What a step computed, which a GPU may not have finished yet."""

    losses: list[Tensor]
    """(seeds,), for each size."""
    marks: list[Any]
    """Times before and after each size."""
    tokens: int


class TaskRuns:
    """The runs of one task."""

    def __init__(self, config: GridConfig, task_name: str, folder: Path) -> None:
        self.config = config
        self.task_name = task_name
        self.folder = folder
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.progress = Progress.load(folder)
        self.curriculum = Curriculum(1.0)
        self.curriculum.finished = self.progress.finished_stages
        self.tokenizer = self._load_tokenizer()
        self.ensembles: dict[str, Ensemble] = {}
        self._pending: deque[_Step] = deque()
        self._num_read = 0
        self._export_folder = folder / "self_play"

    def _load_tokenizer(self) -> Tokenizer:
        path = self.folder / VOCABULARY_FILE
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            train_tokenizer(self.task_name).save(path)
        return Tokenizer.load(path)

    def build(self) -> None:
        """Create the decoders, or load them from the checkpoint."""
        for size in self.config.sizes:
            model_config = ModelConfig.from_name(size, len(self.tokenizer.names))
            self.ensembles[size] = Ensemble(
                model_config, self.config.seeds, self.device, self.config.compile
            )
        checkpoint = self.folder / CHECKPOINT
        if checkpoint.is_file():
            state = load_checkpoint(checkpoint, "cpu")
            for size, ensemble in self.ensembles.items():
                ensemble.restore(state["ensembles"][size])
            self.progress = Progress(**state["progress"])
            self.curriculum.finished = self.progress.finished_stages

    def open_stream(self) -> Stream:
        """Start the processes that draw batches; a resumed task draws new ones."""
        config = StreamConfig(
            task=self.task_name,
            sizes=self.config.sizes_of(self.task_name),
            seed=f"grid {self.task_name} {self.progress.tokens}",
            batch_tokens=self.config.batch_tokens,
            self_play_tasks=self.config.self_play_tasks,
            export_folder=self._export_folder,
            tokenizer=self.tokenizer,
        )
        return Stream(config, self.config.num_processes, self._situation(0))

    def _situation(self, export_version: int) -> Situation:
        stage = self.curriculum.stage(self.progress.share)
        max_size = None
        if stage == "injected flaws":
            sizes = self.config.sizes_of(self.task_name)
            max_size = self.curriculum.max_size(self.progress.share, sizes)
        return Situation(stage, max_size, export_version)

    def train(self, stream: Stream, seconds: float | None) -> None:
        """Train until the runs are finished or `seconds` are used up; save and export them.

        Closes the stream, whose processes read exports that are removed at the end.
        """
        is_word = self._word_mask()
        clock = _Clock(self.progress, seconds)
        exporter = _Timer(self.config.export_seconds)
        saver = _Timer(self.config.save_seconds)
        num_exports = 0
        while not self.progress.is_finished and clock.share_used < 1.0:
            stage = self.curriculum.stage(self.progress.share)
            plays = stage == "self-play" and self.config.self_play_tasks > 0
            if plays and (not num_exports or exporter.is_due()):
                num_exports += 1
                self._export_for_self_play(num_exports)
                exporter.restart()
            stream.update(self._situation(num_exports))
            self._step(stream, is_word)
            self._advance(clock)
            if saver.is_due():
                self.save()
                saver.restart()
        if self.config.fit and self.progress.steps and clock.share_used >= 1.0:
            self.progress.share = 1.0
        self.save()
        stream.close()
        shutil.rmtree(self._export_folder, ignore_errors=True)
        self.export()

    def _advance(self, clock: "_Clock") -> None:
        """Update the progress by tokens and, with `fit`, by time."""
        progress = self.progress
        progress.seconds = clock.total_seconds
        share = progress.tokens / self.config.tokens
        if self.config.fit:
            share = max(share, clock.initial_share + (1 - clock.initial_share) * clock.share_used)
        progress.share = min(max(share, progress.share), 1.0)

    def _word_mask(self) -> Tensor:
        [vocab_size] = {ensemble.config.vocab_size for ensemble in self.ensembles.values()}
        return mask_words(self.tokenizer, vocab_size).to(self.device)

    def _step(self, stream: Stream, is_word: Tensor) -> None:
        """Update all decoders on the next batch."""
        progress = self.progress
        before = time.monotonic()
        drawn = stream.next()
        progress.waiting_seconds += time.monotonic() - before
        batch = Batch.from_packed(drawn.batch, is_word)
        losses = []
        marks = [self._mark()]
        for size, ensemble in self.ensembles.items():
            losses.append(ensemble.step(batch, self._learning_rate(size)))
            marks.append(self._mark())
        num_tokens = batch.ids.numel()
        self._pending.append(_Step(losses, marks, num_tokens))
        progress.tokens += num_tokens
        progress.drawn_tokens += drawn.num_tokens
        progress.drawing_seconds += drawn.seconds
        progress.steps += 1
        self._read_steps(_LAG if self.device.type == "cuda" else 0)

    def _learning_rate(self, size: str) -> float:
        share = schedule_rate(self.progress.steps, self.progress.share)
        return self.config.learning_rate_of(size) * share

    def _mark(self) -> Any:
        """Return this point in the device's work."""
        if self.device.type != "cuda":
            return time.monotonic()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _read_steps(self, max_pending: int) -> None:
        """Read losses and times of steps, but not of the last ones, which a GPU may not have finished."""
        while len(self._pending) > max_pending:
            step = self._pending.popleft()
            losses = [size_losses.tolist() for size_losses in step.losses]
            stage = self.curriculum.stage(self.progress.share)
            self.progress.record_losses(losses, stage)
            worst = max(max(size_losses) for size_losses in losses)
            self.curriculum.record(worst, self.progress.share)
            self._num_read += 1
            if self._num_read > _UNTIMED_STEPS:
                self._record_times(step)

    def _record_times(self, step: _Step) -> None:
        self.progress.timed_tokens += step.tokens
        timed_seconds = self.progress.timed_seconds
        for index, size in enumerate(self.ensembles):
            before, after = step.marks[index : index + 2]
            if self.device.type == "cuda":
                after.synchronize()
                seconds = before.elapsed_time(after) / 1000
            else:
                seconds = after - before
            timed_seconds[size] = timed_seconds.get(size, 0.0) + seconds

    def _export_for_self_play(self, version: int) -> None:
        self._export_runs(self._export_folder / str(version), "int8")
        outdated = self._export_folder / str(version - _KEPT_EXPORTS)
        if outdated.is_dir():
            removed = self._export_folder / "removed"
            shutil.rmtree(removed, ignore_errors=True)  # of a killed training
            outdated.rename(removed)  # at once, for the processes that read it
            shutil.rmtree(removed, ignore_errors=True)

    def export(self) -> None:
        """Export each run as int8 and float32."""
        for quantization in ("int8", "float32"):
            self._export_runs(self.folder, quantization, quantization)

    def _export_runs(self, folder: Path, quantization: str, subfolder: str = "") -> None:
        for size, ensemble in self.ensembles.items():
            for index, seed in enumerate(self.config.seeds):
                target = folder / run_name(size, seed) / subfolder
                decoder = ensemble.extract(index)
                number_format = None if quantization == "float32" else quantization
                export(decoder, self.tokenizer, [self.task_name], target, number_format)

    def save(self) -> None:
        """Write the checkpoint atomically, then the progress."""
        self._read_steps(0)
        ensembles = {size: ensemble.checkpoint() for size, ensemble in self.ensembles.items()}
        new_checkpoint = self.folder / "checkpoint.new"
        torch.save({"ensembles": ensembles, "progress": asdict(self.progress)}, new_checkpoint)
        new_checkpoint.replace(self.folder / CHECKPOINT)
        self.progress.save(self.folder)


class _Clock:
    """The time of a training, and the share of its slot that is used up."""

    def __init__(self, progress: Progress, slot_seconds: float | None) -> None:
        self.initial_share = progress.share
        self._initial_seconds = progress.seconds
        self._slot_seconds = slot_seconds
        self._start = time.monotonic()

    @property
    def total_seconds(self) -> float:
        return self._initial_seconds + time.monotonic() - self._start

    @property
    def share_used(self) -> float:
        if self._slot_seconds is None:
            return 0.0
        return (time.monotonic() - self._start) / max(self._slot_seconds, 1e-9)


class _Timer:
    """Measure when an interval is over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        self._start = time.monotonic()

    def is_due(self) -> bool:
        return time.monotonic() - self._start > self._seconds
