"""Measure how fast one process draws training data: `python -m examples.benchmarks.drawing [SECONDS]`.

Prints tokens per second of processor time, by task, for drafts with injected flaws at the sizes of the example grid.
"""

import sys
import time
from pathlib import Path

from selfcritic.agent.training.tiny.grid_config import load_grid
from selfcritic.agent.training.tiny.stream import (
    Situation,
    StreamConfig,
    draw_batches,
    to_numbers,
)
from selfcritic.agent.training.tiny.vocabulary import train_tokenizer

GRID = Path(__file__).parents[1] / "training" / "grid.toml"
DEFAULT_SECONDS = 8.0


def measure(config: StreamConfig, seconds: float) -> str:
    """Draw for some seconds of processor time; describe the speed."""
    batches = draw_batches(config, 0, to_numbers(Situation("injected flaws", None, 0)))
    num_tokens = 0
    padded_tokens = 0
    start = time.process_time()
    while time.process_time() - start < seconds:
        batch = next(batches)
        num_tokens += int((batch.ends > 0).sum())
        padded_tokens += batch.ids.size
    speed = num_tokens / (time.process_time() - start)
    return f"{speed:,.0f} tokens/s, {1 - num_tokens / padded_tokens:.0%} padding"


def main() -> None:
    """Measure each task of the example grid."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_SECONDS
    grid = load_grid(GRID)
    for task_name in grid.tasks:
        config = StreamConfig(
            task=task_name,
            sizes=grid.sizes_of(task_name),
            seed="benchmark",
            batch_tokens=grid.batch_tokens,
            self_play_tasks=0,
            export_folder=Path(),
            tokenizer=train_tokenizer(task_name),
        )
        print(f"{task_name}: {measure(config, seconds)}")


if __name__ == "__main__":
    main()
