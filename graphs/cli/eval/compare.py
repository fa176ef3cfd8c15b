"""`selfcritic eval compare`: compare two runs on the same items."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.console import BAD_USAGE, fail
from selfcritic.graphs.cli.eval.extra import fail_missing_extra
from selfcritic.graphs.cli.eval.tables import print_table, wrap_name
from selfcritic.graphs.cli.terminal import create_console, print_words
from selfcritic.graphs.control_characters import escape_lines

if TYPE_CHECKING:
    from selfcritic.agent.evals.compare import MeasureComparison

_MEASURE_WIDTH = 28


def compare(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="Folder of the first run.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="Folder of the second run.")],
    measure: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Measures with this text in their name (repeatable)."),
    ] = None,
    rater: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Use this rater (default: the most trusted type)."),
    ] = None,
) -> None:
    """Compare two runs on the same data, paired by item.

    Intervals are paired bootstraps over tasks. P-values are corrected for all measures of the table (Holm).

    Tests: McNemar's exact test for one right or wrong item per task, otherwise sign flips of tasks.
    """
    try:
        from selfcritic.agent.data.manifest import read_manifest
        from selfcritic.agent.evals.compare import check_same_data, compare_runs
        from selfcritic.agent.evals.run_folder import read_run
        from selfcritic.agent.evals.summary import summarize
    except ImportError as error:
        fail_missing_extra(error)
    console = create_console(stderr=True)
    try:
        runs = [read_run(folder) for folder in (first, second)]
        ids = [{record.id for record in run.records} for run in runs]
        shared = ids[0] & ids[1]
        check_same_data(read_manifest(first), read_manifest(second), len(shared))
        for run in runs:
            for warning in run.warnings:
                print_words(console, Text(f"Warning: {escape_lines(warning)}", "bold yellow"))
        with console.status("measuring"):
            summaries = [
                summarize(run.records, run.ratings, run.comparisons, rater=rater) for run in runs
            ]
    except InputError as error:
        fail(error, BAD_USAGE)
    compared = compare_runs(summaries[0].measurements, summaries[1].measurements, measure or ())
    if not compared:
        fail(_describe_nothing(len(shared), measure), BAD_USAGE)
    output = create_console()
    print_words(output, Text(f"first: {first}, {len(ids[0])} records"))
    print_words(output, Text(f"second: {second}, {len(ids[1])} records"))
    print_words(output, Text(f"{len(shared)} records are in both runs."))
    print_comparison(compared, output)


def _describe_nothing(num_shared: int, measures: list[str] | None) -> str:
    if not num_shared:
        return "The runs have no record id in common, so nothing can be paired."
    if measures:
        named = " or ".join(map(repr, measures))
        return (
            f"Both runs have no measure with {named} in its name. Leave out --measure to see all."
        )
    return f"The runs share {num_shared} records, but no measure of the same critic."


def print_comparison(rows: "list[MeasureComparison]", console: Console) -> None:
    """Print one table for each section and group of answers."""
    groups: dict[tuple[str, str], list[MeasureComparison]] = {}
    different = [row for row in rows if not row.is_equal]
    for row in different:
        groups.setdefault((row.label.section, row.label.group), []).append(row)
    notes: dict[str, int] = {}
    for (section, group), members in groups.items():
        console.print()
        console.print(Text(f"{section}, {group} answers", "bold"))
        print_table(_build_table(members, notes), console, indent=2)
    console.print()
    for note, number in notes.items():
        print_words(console, Text(f"[{number}] {note}"))
    num_tests = sum(row.adjusted_p is not None for row in rows)
    if num_tests:
        print_words(console, Text(f"p is corrected for {num_tests} tests (Holm)."))
    num_equal = len(rows) - len(different)
    if num_equal:
        more = " more" if different else ""
        verb = "measure is" if num_equal == 1 else "measures are"
        print_words(console, Text(f"{num_equal}{more} {verb} equal for every item."))


def _build_table(rows: "list[MeasureComparison]", notes: dict[str, int]) -> Table:
    from selfcritic.agent.evals.report import clean, format_value

    table = Table(box=None, pad_edge=False)
    table.add_column("measure", overflow="fold", max_width=_MEASURE_WIDTH)
    for name in ("first", "second", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("95% interval", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("items", justify="right", no_wrap=True)
    for row in rows:
        measure = clean(row.label.name)
        names = (row.label.critic, row.other_critic)
        critics = list(dict.fromkeys(clean(name) for name in names if name))
        for line in _join_critics(critics):
            measure += f"\n  {line}"
        note = row.difference.note
        interval = _format_interval(row)
        if note:
            interval += f" [{notes.setdefault(note, len(notes) + 1)}]"
        table.add_row(
            measure,
            format_value(row.first, row.unit),
            format_value(row.second, row.unit),
            _format_change(row.difference.value),
            interval,
            _format_p(row.adjusted_p),
            str(row.num_items),
        )
    return table


def _join_critics(critics: list[str]) -> list[str]:
    """Return the critics of a comparison, in as many lines as they need."""
    width = _MEASURE_WIDTH - 2
    line = " → ".join(critics)
    if cell_len(line) <= width:
        return [line] if line else []
    lines = []
    for name in critics:
        lines += wrap_name(name, width - 2).split("\n")
        if name != critics[-1]:
            lines[-1] += " →"
    return lines


def _format_change(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.3f}"


def _format_interval(row: "MeasureComparison") -> str:
    if math.isnan(row.difference.low):
        return "–"
    return f"{row.difference.low:+.3f} to {row.difference.high:+.3f}"


def _format_p(p_value: float | None) -> str:
    if p_value is None:
        return "–"
    if p_value < 0.001:
        return "<.001"
    return f"{p_value:.3f}"
