"""Progress of the runs of a task, saved as JSON for the report."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from selfcritic.agent.training.stage_files import read_object
from selfcritic.agent.training.tiny.curriculum import Stage

PROGRESS_FILE = "progress.json"
_LOSS_STEPS = 50
_HISTORY_SHARE = 0.01


def run_name(size: str, seed: int) -> str:
    """Return the folder name of a run."""
    return f"{size}-seed{seed}"


@dataclass
class Progress:
    """Counters and losses of all runs of a task."""

    share: float = 0.0
    """Share of the training that is done; it decides stage and learning rate."""
    tokens: int = 0
    """Tokens that each run has seen, padding included."""
    steps: int = 0
    seconds: float = 0.0
    waiting_seconds: float = 0.0
    """Part of `seconds` in which no batch was ready."""
    drawn_tokens: int = 0
    """Tokens of the batches, without padding."""
    drawing_seconds: float = 0.0
    """Processor time of the processes that drew them."""
    timed_tokens: int = 0
    """Tokens of the steps in `timed_seconds`, which leave out compilation."""
    timed_seconds: dict[str, float] = field(default_factory=dict)
    """Seconds of computation, by size."""
    last_losses: list[list[list[float]]] = field(default_factory=list)
    """Of the last 50 steps: the loss per reply token of each size and seed."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """Mean losses of the last 50 steps after each percent of the training."""
    finished_stages: dict[Stage, float] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.share >= 1.0

    def record_losses(self, losses: list[list[float]], stage: Stage) -> None:
        """Add the losses of a step."""
        self.last_losses = [*self.last_losses[1 - _LOSS_STEPS :], losses]
        last_share = self.history[-1]["share"] if self.history else 0.0
        if self.share - last_share >= _HISTORY_SHARE:
            self.history.append(
                {
                    "share": round(self.share, 4),
                    "tokens": self.tokens,
                    "stage": stage,
                    "losses": self.mean_losses(),
                }
            )

    def mean_losses(self) -> list[list[float]]:
        """Return the mean loss of each size and seed over the last 50 steps."""
        if not self.last_losses:
            return []
        means = []
        for by_size in zip(*self.last_losses, strict=True):
            columns = zip(*by_size, strict=True)
            means.append([round(sum(column) / len(column), 5) for column in columns])
        return means

    def save(self, folder: Path) -> None:
        """Write the progress atomically."""
        new_file = folder / f"{PROGRESS_FILE}.new"
        new_file.write_text(json.dumps(asdict(self)), "utf-8")
        new_file.replace(folder / PROGRESS_FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the progress; a folder without it has none."""
        path = folder / PROGRESS_FILE
        if not path.is_file():
            return cls()
        return cls(**read_object(path, f"Delete the folder '{folder}' to train the task again."))
