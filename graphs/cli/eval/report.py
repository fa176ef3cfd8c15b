"""`selfcritic eval report`: measure a critic from a folder of records."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.console import BAD_USAGE, FAILED, fail
from selfcritic.graphs.cli.eval.extra import fail_missing_extra
from selfcritic.graphs.cli.eval.tables import (
    build_curve_table,
    build_spread_table,
    build_table,
    print_table,
)
from selfcritic.graphs.cli.terminal import create_console, print_words
from selfcritic.graphs.control_characters import escape_lines

if TYPE_CHECKING:
    from selfcritic.agent.evals.epochs import Spread
    from selfcritic.agent.evals.measurement import Measurement
    from selfcritic.agent.evals.summary import Summary


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with records.jsonl and ratings.jsonl.")
    ],
    rater: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Use this rater (default: the most trusted type)."),
    ] = None,
    plots: Annotated[bool, typer.Option(help="Draw plots.")] = True,
) -> None:
    """Measure the records of a run; print and write tables, and draw plots.

    Writes table.md, table.csv and plots/*.svg and *.png into the folder.
    """
    try:
        from selfcritic.agent.evals.report import to_csv, to_markdown
        from selfcritic.agent.evals.run_folder import read_run
        from selfcritic.agent.evals.summary import summarize

        if plots:
            from selfcritic.agent.evals.plots import draw_plots
    except ImportError as error:
        fail_missing_extra(error)
    console = create_console(stderr=True)
    try:
        run = read_run(folder)
        with console.status("measuring"):
            summary = summarize(run.records, run.ratings, run.comparisons, rater=rater)
    except InputError as error:
        fail(error, BAD_USAGE)
    for warning in [*run.warnings, *summary.warnings]:
        print_words(console, Text(f"Warning: {escape_lines(warning)}", "bold yellow"))
    print_summary(summary, create_console())
    try:
        (folder / "table.md").write_text(to_markdown(summary, run.manifest), "utf-8")
        (folder / "table.csv").write_text(to_csv(summary), "utf-8")
        written = "table.md and table.csv"
        if plots:
            drawn = draw_plots(summary, folder / "plots")
            if drawn:
                number = len(drawn) // 2
                plural = "" if number == 1 else "s"
                written = f"table.md, table.csv and {number} plot{plural} (plots/*.svg and *.png)"
    except OSError as error:
        fail(f"'{folder}' cannot be written: {error.strerror}.", FAILED)
    print_words(console, Text(f"Wrote {written} to {folder}."))


def print_summary(summary: "Summary", console: Console) -> None:
    """Print all measurements, one table for each section and group of answers."""
    from selfcritic.agent.evals.report import describe_spreads, group_sections
    from selfcritic.agent.evals.sections.answers import BEST_ANSWERS
    from selfcritic.agent.evals.sections.critiques import BEST_CRITIQUES

    for note in summary.notes:
        print_words(console, Text(note))
    notes: dict[str, int] = {}
    for section, measurements in group_sections(summary.measurements).items():
        groups: dict[str, list[Measurement]] = {}
        for measurement in measurements:
            groups.setdefault(measurement.label.group, []).append(measurement)
        for group, rows in groups.items():
            is_curve = section in (BEST_CRITIQUES, BEST_ANSWERS)
            table = build_curve_table(rows) if is_curve else build_table(rows, notes)
            console.print()
            console.print(Text(f"{section}, {group} answers", "bold"))
            print_table(table, console, indent=2)
    spreads: dict[str, list[Spread]] = {}
    for spread in summary.spreads:
        spreads.setdefault(spread.label.group, []).append(spread)
    for group, members in spreads.items():
        console.print()
        console.print(Text(f"{describe_spreads(members)}, {group} answers", "bold"))
        print_table(build_spread_table(members), console, indent=2)
    if notes:
        console.print()
    for note, number in notes.items():
        print_words(console, Text(f"[{number}] {note}"))
