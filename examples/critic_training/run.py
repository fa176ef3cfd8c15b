"""Train a critic on one seed of the tiny model, and sample what the report measures.

    python -m examples.critic_training.run OUT --seed 0

The steps, in order: supervised start, answers, comparisons, reward models, policies, more supervised training at equal
compute, samples, searches. Finished steps are skipped: rerun the command to resume. All of them need 20 to 40 minutes
of one core.
`python -m examples.critic_training.report OUT` measures the samples.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from examples.critic_training.setup import COUNTS, SCALES, Run
from examples.critic_training.steps import STEPS

_TIMES_FILE = "times.json"


def main(
    out: Annotated[Path, typer.Argument(help="Folder for models and records.")],
    seed: Annotated[int, typer.Option(min=0, max=2, help="Seed of the tiny model: 0, 1 or 2.")] = 0,
    scale: Annotated[str, typer.Option(help=f"Size of the run: {' or '.join(SCALES)}.")] = "full",
    step: Annotated[list[str] | None, typer.Option(help="Only these steps.")] = None,
) -> None:
    """Run all steps of a seed."""
    if scale not in COUNTS:
        raise typer.BadParameter(f"--scale must be {' or '.join(SCALES)}, not {scale!r}.")
    unknown = set(step or ()) - set(STEPS)
    if unknown:
        raise typer.BadParameter(
            f"There is no step {sorted(unknown)[0]!r} (--step): choose from {', '.join(STEPS)}."
        )
    run = Run.open(out / f"seed-{seed}", seed, scale)
    for name in step or STEPS:
        run_step(run, name, STEPS[name])


def run_step(run: Run, name: str, make: Callable[[Run], None]) -> None:
    """Run a step, unless it has finished, and write down its CPU time."""
    if name in _read_times(run):
        return
    start = time.perf_counter()
    start_cpu = time.process_time()
    make(run)
    times = _read_times(run)  # another process may have run another step
    times[name] = round(time.process_time() - start_cpu, 1)
    (run.folder / _TIMES_FILE).write_text(json.dumps(times, indent=1), "utf-8")
    wall = time.perf_counter() - start
    typer.echo(f"{name}: {wall:.0f} s, {times[name]:.0f} s of CPU time", err=True)


def _read_times(run: Run) -> dict[str, float]:
    """Return the CPU seconds of finished steps."""
    path = run.folder / _TIMES_FILE
    if not path.exists():
        return {}
    times: dict[str, float] = json.loads(path.read_text("utf-8"))
    return times


if __name__ == "__main__":
    typer.run(main)
