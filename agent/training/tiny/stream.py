"""Draw training batches in parallel processes, ahead of the device.

Each process draws tasks, writes their examples, merges them into trees and sends packed batches through a pipe. A
process waits when its pipe is full, and ends when the trainer does, even if that is killed. The processes import no
torch.
"""

import queue
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.tokenizer import PAD, Tokenizer
from selfcritic.agent.training.tiny.curriculum import MAX_EDIT_SIZE, STAGES, Stage
from selfcritic.agent.training.tiny.encoding import encode
from selfcritic.agent.training.tiny.examples import (
    Example,
    copy_examples,
    edit_examples,
    injected_flaw_examples,
)
from selfcritic.agent.training.tiny.held_out import draw_training_task
from selfcritic.agent.training.tiny.processes import create_context
from selfcritic.agent.training.tiny.self_play import self_play_examples
from selfcritic.agent.training.tiny.trees import (
    MAX_TREE_TOKENS,
    PackedBatch,
    PrefixTree,
    group_trees,
    pack,
)

_BATCHES_PER_SHUFFLE = 4
_QUEUED_BATCHES = 16  # read ahead, beyond one batch in each pipe
_POLL_SECONDS = 0.2
_LENGTH_MULTIPLE = 8  # for attention on GPUs


@dataclass(frozen=True)
class StreamConfig:
    """What to draw."""

    task: str
    sizes: Sequence[int]
    seed: str
    batch_tokens: int
    self_play_tasks: int
    export_folder: Path
    """Contains a folder for each version of the exported runs."""
    tokenizer: Tokenizer


class Situation(NamedTuple):
    """What the processes need to know about the training."""

    stage: Stage
    max_size: int | None
    export_version: int
    """0 before the first export."""


class Drawn(NamedTuple):
    """A batch, its tokens without padding, and the processor time that drew it."""

    batch: PackedBatch
    num_tokens: int
    seconds: float


class Stream:
    """Processes that draw batches, and the batches read ahead."""

    def __init__(self, config: StreamConfig, num_processes: int, situation: Situation) -> None:
        context = create_context()
        self._shared = context.Array("i", to_numbers(situation))
        self._queue: queue.Queue[Drawn | None] = queue.Queue(_QUEUED_BATCHES)
        self._is_closed = threading.Event()
        self._connections: list[Connection] = []
        self._processes = []
        for index in range(num_processes):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=_run, args=(config, index, self._shared, sender), daemon=True
            )
            process.start()
            sender.close()
            self._connections.append(receiver)
            self._processes.append(process)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def update(self, situation: Situation) -> None:
        """Inform the processes; batches that were drawn before are still used."""
        self._shared[:] = to_numbers(situation)

    def next(self) -> Drawn:
        """Wait for a batch.

        Raises:
            RuntimeError: a process failed; it printed its error.
        """
        drawn = self._queue.get()
        if drawn is None:
            raise RuntimeError("A process that draws training data failed; see its error above.")
        return drawn

    def close(self) -> None:
        """End the processes."""
        self._is_closed.set()
        for process in self._processes:
            process.terminate()
        self._reader.join()
        for process in self._processes:
            process.join()
        for connection in self._connections:
            connection.close()

    def _read(self) -> None:
        """Move batches from the pipes to the queue."""
        connections: Sequence[Any] = self._connections
        while not self._is_closed.is_set():
            for connection in wait(connections, _POLL_SECONDS):
                drawn = _receive(connection)
                self._put(drawn)
                if drawn is None:
                    return

    def _put(self, drawn: Drawn | None) -> None:
        while not self._is_closed.is_set():
            try:
                self._queue.put(drawn, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return


def _receive(connection: Any) -> Drawn | None:
    """Receive a batch; None if the process failed."""
    try:
        drawn: Drawn = connection.recv()
    except (EOFError, OSError):
        return None
    return drawn


def to_numbers(situation: Situation) -> list[int]:
    """Encode a situation for an array that processes share."""
    return [
        STAGES.index(situation.stage),
        situation.max_size or 0,
        situation.export_version,
    ]


def _run(config: StreamConfig, index: int, shared: Any, sender: Connection) -> None:
    """Send batches until the trainer ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    batches = draw_batches(config, index, shared)
    while True:
        start = time.process_time()
        batch = next(batches)
        num_tokens = int((batch.ends > 0).sum())
        seconds = time.process_time() - start
        try:
            sender.send(Drawn(batch, num_tokens, seconds))
        except BrokenPipeError:
            return


def draw_batches(config: StreamConfig, index: int, shared: Any) -> Iterator[PackedBatch]:
    """Yield the batches of one process; `shared` is read before each task."""
    rng = random.Random(f"{config.seed} {index}")
    pad = config.tokenizer.ids[PAD]
    example_groups = _draw_example_groups(config, rng, shared)
    while True:
        trees = []
        num_tokens = 0
        while num_tokens < _BATCHES_PER_SHUFFLE * config.batch_tokens:
            encoded = [encode(example, config.tokenizer) for example in next(example_groups)]
            tree = PrefixTree.from_examples(encoded)
            if len(tree.ids) <= MAX_TREE_TOKENS:
                trees.append(tree)
                num_tokens += len(tree.ids)
        groups = list(group_trees(trees, config.batch_tokens))
        rng.shuffle(groups)
        for group in groups:
            yield pack(group, pad, _LENGTH_MULTIPLE)


def _draw_example_groups(
    config: StreamConfig, rng: random.Random, shared: Any
) -> Iterator[list[Example]]:
    """Yield the examples of one task after another, as the stage requires."""
    while True:
        stage_index, max_size, export_version = shared[:]
        stage = STAGES[stage_index]
        if stage == "copy":
            yield copy_examples(config.task, rng)
        elif stage == "edit":
            task = draw_training_task(config.task, rng, config.sizes, MAX_EDIT_SIZE)
            yield edit_examples(task, rng)
        elif stage == "injected flaws" or not export_version:
            task = draw_training_task(config.task, rng, config.sizes, max_size or None)
            yield injected_flaw_examples(task, rng)
        else:
            yield from _draw_self_play(config, rng, export_version)


def _draw_self_play(
    config: StreamConfig, rng: random.Random, export_version: int
) -> Iterator[list[Example]]:
    """Let one of the runs draft and criticize; add as many drafts with injected flaws.

    The trainer may remove the export meanwhile: the rest of its drafts is then left out.
    """
    folder = config.export_folder / str(export_version)
    tasks = []
    for _ in range(config.self_play_tasks):
        tasks.append(draw_training_task(config.task, rng, config.sizes))
    try:
        engine = Engine(rng.choice(sorted(folder.iterdir())))
        yield from self_play_examples(engine, tasks, rng)
    except (OSError, RuntimeError):  # of the file system, ctranslate2 or the vocabulary
        if folder.is_dir():
            raise
    for _ in range(config.self_play_tasks):
        task = draw_training_task(config.task, rng, config.sizes)
        yield injected_flaw_examples(task, rng, with_verdict=False)
