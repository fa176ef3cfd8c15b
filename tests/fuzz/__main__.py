"""Fuzz the parsers of untrusted text.

    python -m tests.fuzz [--seconds 60] [--seed 1] [TARGET …]

Prints the smallest failing input of each target and exits with 1. Without a seed, each run draws other inputs.
"""

import random
import time
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.targets import TARGETS, Target

EXAMPLES = 200
"""Examples of each target between two looks at the clock."""
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    print_blob=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def main(
    targets: Annotated[
        list[str] | None, typer.Argument(help=f"Any of {', '.join(TARGETS)} (default: all).")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Time limit.")] = 60.0,
    first_seed: Annotated[
        int | None, typer.Option("--seed", help="Random seed (default: random).")
    ] = None,
) -> None:
    """Fuzz the targets in turn until the time is up."""
    unknown = set(targets or ()) - set(TARGETS)
    if unknown:
        raise typer.BadParameter(
            f"unknown: {', '.join(unknown)}. Choose from {', '.join(TARGETS)}."
        )
    counts, failures = fuzz(targets or list(TARGETS), seconds, first_seed)
    for name, count in counts.items():
        typer.echo(f"{name}: {count:,} examples, {'failed' if name in failures else 'ok'}")
    for name, report in failures.items():
        typer.echo(f"\n{name}\n{report}")
    raise typer.Exit(1 if failures else 0)


def fuzz(
    names: Sequence[str], seconds: float, first_seed: int | None = None
) -> tuple[dict[str, int], dict[str, str]]:
    """Return the number of examples and the report of a failure for each target."""
    if first_seed is None:
        first_seed = random.SystemRandom().randrange(2**32)
    end = time.monotonic() + seconds
    counts = dict.fromkeys(names, 0)
    failures: dict[str, str] = {}
    turn = 0
    while len(failures) < len(counts) and (turn == 0 or time.monotonic() < end):
        for name in counts:
            if name in failures or (turn > 0 and time.monotonic() >= end):
                continue
            try:
                _run(TARGETS[name], first_seed + turn)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                failures[name] = f"seed {first_seed + turn}\n" + _describe(error)
            counts[name] += EXAMPLES
        turn += 1
    return counts, failures


def _run(target: Target, number: int) -> None:
    check = given(*target.inputs)(target.check)
    SETTINGS(seed(number)(check))()


def _describe(error: BaseException) -> str:
    """Return the end of the traceback and the input, which hypothesis adds as a note."""
    return "".join(traceback.format_exception(error))[-3_000:]


if __name__ == "__main__":
    typer.run(main)
