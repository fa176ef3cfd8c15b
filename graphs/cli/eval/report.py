"""`selfcritic eval report`: measure a critic from a folder of records."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.console import BAD_USAGE, FAILED, fail, print_notice
from selfcritic.graphs.cli.eval.extra import fail_missing_extra
from selfcritic.graphs.cli.terminal import create_console, print_words

if TYPE_CHECKING:
    from selfcritic.agent.evals.measurement import Measurement
    from selfcritic.agent.evals.summary import Summary

_MEASURE_WIDTH = 34
_CRITIC_WIDTH = 16


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with records.jsonl and ratings.jsonl.")
    ],
    rater: Annotated[
        str | None, typer.Option(help="Use this rater (default: the most trusted type).")
    ] = None,
    plots: Annotated[bool, typer.Option(help="Draw plots.")] = True,
) -> None:
    """Measure the records of a run; print a table, and write tables and plots.

    Writes table.md, table.csv and plots/*.svg and *.png into the folder.
    """
    try:
        from selfcritic.agent.evals.plots import draw_plots
        from selfcritic.agent.evals.report import to_csv, to_markdown
        from selfcritic.agent.evals.run_folder import read_run
        from selfcritic.agent.evals.summary import summarize
    except ImportError as error:
        fail_missing_extra(error)
    try:
        run = read_run(folder)
        summary = summarize(run.records, run.ratings, run.comparisons, rater=rater)
    except InputError as error:
        fail(error, BAD_USAGE)
    console = create_console(stderr=True)
    for warning in [*run.warnings, *summary.warnings]:
        print_notice(warning, console)
    print_summary(summary, create_console())
    try:
        (folder / "table.md").write_text(to_markdown(summary, run.manifest), "utf-8")
        (folder / "table.csv").write_text(to_csv(summary), "utf-8")
        written = ["table.md", "table.csv"]
        if plots:
            written += [f"plots/{path.name}" for path in draw_plots(summary, folder / "plots")]
    except OSError as error:
        fail(f"'{folder}' cannot be written: {error.strerror}.", FAILED)
    print_words(console, Text(f"Wrote {', '.join(written)} to {folder}."))


def print_summary(summary: "Summary", console: Console) -> None:
    """Print all measurements, one table for each section and group of answers."""
    from selfcritic.agent.evals.report import group_sections

    for note in summary.notes:
        print_words(console, Text(note))
    notes: dict[str, int] = {}
    for section, measurements in group_sections(summary.measurements).items():
        groups: dict[str, list[Measurement]] = {}
        for measurement in measurements:
            groups.setdefault(measurement.label.group, []).append(measurement)
        for group, rows in groups.items():
            console.print()
            console.print(Text(f"{section}, {group} answers", "bold"))
            console.print(Padding(_build_table(rows, notes), (0, 0, 0, 2)))
    if notes:
        console.print()
    for note, number in notes.items():
        print_words(console, Text(f"[{number}] {note}"))


def _build_table(rows: "list[Measurement]", notes: dict[str, int]) -> Table:
    """Return a table of one group; `notes` collects numbered notes."""
    from selfcritic.agent.evals.report import clean, format_count, format_interval, format_value

    table = Table(box=None, pad_edge=False)
    table.add_column("measure", overflow="fold", max_width=_MEASURE_WIDTH)
    has_critics = any(row.label.critic for row in rows)
    if has_critics:
        table.add_column("critic", overflow="fold", max_width=_CRITIC_WIDTH)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95% interval", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    for row in rows:
        interval = format_interval(row)
        note = row.estimate.note
        if note:
            number = notes.setdefault(note, len(notes) + 1)
            interval += f" [{number}]"
        cells = [clean(row.label.name)]
        if has_critics:
            cells.append(clean(row.label.critic))
        value = format_value(row.estimate.value, row.unit)
        table.add_row(*cells, value, interval, format_count(row))
    return table
