"""What `import selfcritic.graphs` takes against `import langgraph.graph`, in fresh interpreters by turns.

    python -m examples.benchmarks.imports

Claim: at most 1.25 × the time and the memory.
"""

import json
import statistics
import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

MODULES = ("selfcritic.graphs", "langgraph.graph")
LIMIT = 1.25
PROGRAM = """
import time
started = time.perf_counter()
import {module}
seconds = time.perf_counter() - started
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print([seconds, int(status["VmHWM"].split()[0]) / 1024])
"""


def main(repeats: Annotated[int, typer.Option(help="Interpreters of each, of which the median counts.")] = 7) -> None:
    """Print time and memory of both imports."""
    measured: dict[str, list[tuple[float, float]]] = {module: [] for module in MODULES}
    for _ in range(1 + repeats):
        for module in MODULES:
            measured[module].append(_import(module))
    table = Table("median", *MODULES, "ratio", "claim")
    for index, (name, unit) in enumerate((("time", "s"), ("memory of the process", "MiB"))):
        # The first import of each fills the file system's cache.
        ours, theirs = (statistics.median(one[index] for one in measured[module][1:]) for module in MODULES)
        table.add_row(name, f"{ours:.3g} {unit}", f"{theirs:.3g} {unit}", f"{ours / theirs:.2f}", f"≤ {LIMIT}")
    Console(width=100).print(table)


def _import(module: str) -> tuple[float, float]:
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    seconds, mebibytes = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return seconds, mebibytes


if __name__ == "__main__":
    typer.run(main)
