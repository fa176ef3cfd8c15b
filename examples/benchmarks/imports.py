"""Measure `import selfcritic.graphs` against `import langgraph.graph`.

    python -m examples.benchmarks.imports

Each import runs in a new interpreter; the modules alternate. Target: at most 1.25 × the time and the memory.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

OURS = "selfcritic.graphs"
THEIRS = "langgraph.graph"
LIMIT = 1.25
PROGRAM = """
import time
start = time.perf_counter()
import {module}
seconds = time.perf_counter() - start
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print([seconds, int(status["VmHWM"].split()[0]) / 1024])
"""


class Cost(NamedTuple):
    """Cost of one import: time, and peak memory of the process."""

    seconds: float
    mebibytes: float


def main(
    repeats: Annotated[int, typer.Option(help="Imports of each module; medians are printed.")] = 7,
) -> None:
    """Print time and memory of both imports."""
    costs: dict[str, list[Cost]] = {OURS: [], THEIRS: []}
    for _ in range(1 + repeats):
        for module, module_costs in costs.items():
            module_costs.append(_measure_import(module))
    # The first import of each module warms the file system cache.
    ours, theirs = costs[OURS][1:], costs[THEIRS][1:]
    table = Table("median", OURS, THEIRS, "ratio", "target")
    table.add_row(
        "time", *_compare([cost.seconds for cost in ours], [cost.seconds for cost in theirs], "s")
    )
    memory = _compare([cost.mebibytes for cost in ours], [cost.mebibytes for cost in theirs], "MiB")
    table.add_row("memory of the process", *memory)
    Console(width=100).print(table)


def _measure_import(module: str) -> Cost:
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    process = subprocess.run(command, capture_output=True, check=True, text=True)
    return Cost(*json.loads(process.stdout))


def _compare(ours: list[float], theirs: list[float], unit: str) -> Iterator[str]:
    """Yield the cells of a row: both medians, their ratio and the target."""
    our_median, their_median = statistics.median(ours), statistics.median(theirs)
    yield f"{our_median:.3g} {unit}"
    yield f"{their_median:.3g} {unit}"
    yield f"{our_median / their_median:.2f}"
    yield f"≤ {LIMIT}"


if __name__ == "__main__":
    typer.run(main)
