"""Prove that every measure recovers planted rates, with intervals that cover them.

    python -m examples.benchmarks.estimators.run --repeats 100 --tasks 60 --truth-tasks 3000

Each repeat samples other tasks from the simulated model, whose error rates are planted. The 95% interval of a measure
should contain the truth in 90 to 99 of 100 repeats. The truth is a closed form where one exists, else the value of one
large sample. The repeats are saved, so the same command continues after an interruption.
"""

from pathlib import Path
from typing import Annotated

import typer

from examples.benchmarks.estimators.development import format_comparison
from examples.benchmarks.estimators.graph_check import measure_graph
from examples.benchmarks.estimators.planted import closed_forms
from examples.benchmarks.estimators.repeats import measure_truth, run_answer_repeats, run_repeats
from examples.benchmarks.estimators.table import build_rows, write_page

_GRAPH_RUNS = 60
_MORE_REPEATS = 400
"""Repeats that only measure answers, which are fast."""


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Seeded repeats.")] = 100,
    tasks: Annotated[int, typer.Option(min=8, help="Tasks of each repeat.")] = 60,
    truth_tasks: Annotated[int, typer.Option(min=8, help="Tasks of the large sample.")] = 3_000,
    folder: Annotated[Path, typer.Option(help="Folder of finished repeats.")] = Path(
        "build/estimators"
    ),
    page: Annotated[Path | None, typer.Option(help="Markdown file for the table.")] = None,
) -> None:
    """Measure the repeats, and print the coverage of each interval."""
    truth = measure_truth(folder / "truth.jsonl", truth_tasks)
    finished = []
    for repeat in run_repeats(folder / "repeats.jsonl", repeats, tasks):
        finished.append(repeat)
        print(f"{len(finished)} of {repeats} repeats", flush=True)
    closed = closed_forms()
    rows = build_rows(truth, closed, finished)
    more_repeats = list(run_answer_repeats(_MORE_REPEATS, tasks))
    closed_truth = {name: [closed[name], 0.0, 0.0] for name in more_repeats[0]["values"]}
    more_rows = build_rows({"values": closed_truth}, closed, more_repeats)
    text = write_page(
        rows,
        more_rows,
        finished,
        num_tasks=tasks,
        truth_tasks=truth_tasks,
        graph=measure_graph(_GRAPH_RUNS),
        development=format_comparison(),
    )
    if page is None:
        print(text)
    else:
        page.write_text(text, "utf-8")


if __name__ == "__main__":
    typer.run(main)
