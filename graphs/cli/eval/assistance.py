"""`selfcritic eval assistance`: measure whether a critic helps people to find flaws."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.console import BAD_USAGE, fail
from selfcritic.graphs.cli.eval.extra import fail_missing_extra
from selfcritic.graphs.cli.eval.tables import print_table
from selfcritic.graphs.cli.terminal import create_console

if TYPE_CHECKING:
    from selfcritic.agent.evals.measures.assistance import Assistance
    from selfcritic.agent.evals.measures.intervals import Estimate

_NAMES = {
    "comments": "comments per review",
    "hits": "known bugs found",
    "valid": "reviews judged valid",
    "minutes": "minutes per review",
}


def assistance(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder that `selfcritic desk --export` wrote.")
    ],
) -> None:
    """Compare people's reviews with and without the critic's comments."""
    try:
        from selfcritic.agent.data.files import REVIEWS_FILE, read_records
        from selfcritic.agent.data.records import HumanReview
        from selfcritic.agent.evals.assistance import measure_reviews
        from selfcritic.agent.evals.run_folder import read_run
    except ImportError as error:
        fail_missing_extra(error)
    try:
        run = read_run(folder)
        reviews = read_records(folder / REVIEWS_FILE, HumanReview)
        result = measure_reviews(run.records, reviews, run.ratings)
    except InputError as error:
        fail(error, BAD_USAGE)
    print_table(_build_table(result), create_console(), indent=0)


def _build_table(result: "Assistance") -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("measure", no_wrap=True)
    table.add_column(f"alone ({result.unassisted.num_reviews})", justify="right")
    table.add_column(f"with the critic ({result.assisted.num_reviews})", justify="right")
    table.add_column("difference", justify="right")
    for quantity, name in _NAMES.items():
        table.add_row(
            name,
            _format(getattr(result.unassisted, quantity)),
            _format(getattr(result.assisted, quantity)),
            _format(result.differences[quantity]),
        )
    return table


def _format(estimate: "Estimate") -> str:
    if estimate.value != estimate.value:
        return "–"
    if estimate.low != estimate.low:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"
