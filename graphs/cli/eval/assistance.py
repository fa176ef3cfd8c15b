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
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folders that `selfcritic desk --export` wrote."),
    ],
) -> None:
    """Compare people's reviews with and without the critic's comments.

    Pass further folders if a later desk rated or compared the reviews of the first one.
    """
    try:
        from selfcritic.agent.data.files import REVIEWS_FILE, read_records
        from selfcritic.agent.data.records import HumanReview
        from selfcritic.agent.evals.assistance import measure_reviews, merge_records
        from selfcritic.agent.evals.run_folder import read_run
        from selfcritic.agent.evals.sources import measure_source_preferences
    except ImportError as error:
        fail_missing_extra(error)
    try:
        runs = [read_run(folder) for folder in folders]
        records = merge_records([run.records for run in runs])
        ratings = [rating for run in runs for rating in run.ratings]
        comparisons = [comparison for run in runs for comparison in run.comparisons]
        paths = [folder / REVIEWS_FILE for folder in folders]
        reviews = []
        for path in [path for path in paths if path.exists()] or paths[:1]:
            reviews.extend(read_records(path, HumanReview))
        result = measure_reviews(records, reviews, ratings)
        preferences = measure_source_preferences(records, reviews, comparisons)
    except InputError as error:
        fail(error, BAD_USAGE)
    console = create_console()
    print_table(_build_table(result), console, indent=0)
    if any(estimate.count for estimate in preferences.values()):
        console.print()
        print_table(_build_preferences(preferences), console, indent=0)


def _build_preferences(preferences: "dict[tuple[str, str], Estimate]") -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("preferred (ties 1/2)", no_wrap=True)
    table.add_column("over", no_wrap=True)
    table.add_column("share", justify="right")
    table.add_column("pairs", justify="right")
    for (source, other), estimate in preferences.items():
        table.add_row(source, other, _format(estimate), str(estimate.count))
    return table


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
