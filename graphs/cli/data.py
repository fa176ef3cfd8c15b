"""`selfcritic data`: turn records and ratings into comparisons, preference pairs and other tools' files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from selfcritic.agent.data import exports
from selfcritic.agent.data.comparisons import SIZE, compare_ratings, create_comparisons
from selfcritic.agent.data.files import COMPARISONS_FILE, write_records
from selfcritic.agent.data.preference_pairs import balance_lengths, create_pairs, report_lengths
from selfcritic.agent.data.records import Rating
from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.command import App
from selfcritic.graphs.cli.console import BAD_USAGE, fail
from selfcritic.graphs.cli.data_files import OutputOptions, SourceOptions, check_new
from selfcritic.graphs.cli.options import expand_groups
from selfcritic.graphs.cli.terminal import create_console, print_words

Format = Literal["unpaired", "prompt-only", "inspect", "argilla", "label-studio"]
PeopleFormat = Literal["argilla", "label-studio"]

data_app = App(help="Make comparisons, preference pairs and exports.", no_args_is_help=True)


@data_app.command()
@expand_groups
def compare(
    source: SourceOptions,
    blank: Annotated[
        str | None,
        typer.Option(help="Make empty comparisons for this person to fill in.", metavar="NAME"),
    ] = None,
    size: Annotated[
        int, typer.Option(min=2, max=26, help="Critiques side by side.", metavar="N")
    ] = SIZE,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write (default: comparisons.jsonl in DIR).", metavar="FILE"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Make comparisons of up to four critiques from ratings, or blank ones for a person."""
    with _report_errors():
        path = out or source.folder / COMPARISONS_FILE
        check_new(path, force)
        records = source.read_records()
        if blank is not None:
            comparisons = create_comparisons(records, blank, size=size, seed=source.seed)
            problem = "No answer has two critiques. Sample critics first, or use `tamper --critic`."
        else:
            ratings = source.read_ratings(records)
            comparisons = compare_ratings(records, ratings, size=size, seed=source.seed)
            problem = (
                "No rater rated two critiques of one answer. --blank NAME makes empty comparisons."
            )
        if not comparisons:
            raise InputError(problem)
        write_records(path, comparisons)
    _print_written(path, f"{len(comparisons)} comparisons")


@data_app.command()
@expand_groups
def pairs(
    source: SourceOptions,
    output: OutputOptions,
    min_margin: Annotated[
        int, typer.Option(min=1, max=6, help="Least difference of the overall scores.", metavar="N")
    ] = 1,
    balance: Annotated[
        bool, typer.Option("--balance", help="Drop pairs until lengths are balanced.")
    ] = False,
) -> None:
    """Write preference pairs for TRL's reward and DPO trainers, and report their lengths."""
    with _report_errors():
        output.check()
        records = source.read_records()
        comparisons = source.read_comparisons(records)
        found = create_pairs(records, comparisons, min_margin=min_margin)
        kept = balance_lengths(found, source.seed) if balance else found
        if found and not kept:
            raise InputError(
                "--balance leaves no pair: the chosen critique is always longer, or always shorter."
            )
        report = report_lengths(kept)
        exports.write_json(output.out, exports.to_preference(kept))
    num_tasks = len({pair.record.task for pair in kept})
    dropped = f" ({len(found) - len(kept)} dropped)" if balance else ""
    _print_written(
        output.out,
        f"{report.pairs} pairs of {num_tasks} tasks{dropped}. Mean length: {report.chosen:.0f} characters "
        f"chosen, {report.rejected:.0f} rejected. The chosen critique is longer in "
        f"{report.chosen_is_longer:.0%}.",
    )


@data_app.command()
@expand_groups
def export(
    source: SourceOptions,
    output: OutputOptions,
    format_name: Annotated[Format, typer.Argument(metavar="FORMAT", help="Format to write.")],
) -> None:
    """Write records, ratings or comparisons in the format of another tool.

    unpaired and prompt-only are TRL's formats; inspect is for its `precomputed_scores`.

    argilla and label-studio export comparisons; label-studio also writes its labeling interface (.xml).
    """
    with _report_errors():
        output.check()
        records = source.read_records()
        if format_name == "prompt-only":
            rows = exports.to_prompt_only(records)
        elif format_name == "unpaired":
            rows = exports.to_unpaired(records, source.read_ratings(records))
        elif format_name == "inspect":
            rows = exports.to_inspect_scores(_check_rater(source.read_ratings(records)))
        elif format_name == "argilla":
            rows = exports.to_argilla(records, source.read_comparisons(records))
        else:
            comparisons = source.read_comparisons(records)
            interface = output.out.with_suffix(".xml")
            check_new(interface, output.force)
            rows = exports.to_label_studio(records, comparisons)
            interface.write_text(exports.create_label_config(records, comparisons), "utf-8")
        if not rows:
            raise InputError("The ratings have no verdict and no overall score: nothing to export.")
        exports.write_json(output.out, rows)
    _print_written(output.out, f"{len(rows)} rows")


@data_app.command(name="import")
@expand_groups
def import_comparisons(
    source: SourceOptions,
    output: OutputOptions,
    format_name: Annotated[
        PeopleFormat, typer.Argument(metavar="FORMAT", help="Tool that people used.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File that the tool exported.")],
) -> None:
    """Read the comparisons that people filled in with Argilla or Label Studio."""
    with _report_errors():
        output.check()
        records = source.read_records()
        comparisons = source.read_comparisons(records)
        rows = exports.read_json(file)
        if format_name == "argilla":
            filled = exports.from_argilla(rows, records, comparisons)
        else:
            filled = exports.from_label_studio(rows, records, comparisons)
        if not filled:
            raise InputError(
                f"{file} has no answers. Export the project after people have answered."
            )
        write_records(output.out, filled)
    _print_written(output.out, f"{len(filled)} comparisons")


def _check_rater(ratings: list[Rating]) -> list[Rating]:
    raters = sorted({rating.rater for rating in ratings})
    if len(raters) > 1:
        raise InputError(f"--rater is required: the ratings are by {', '.join(raters)}.")
    return ratings


@contextmanager
def _report_errors() -> Iterator[None]:
    try:
        yield
    except (InputError, OSError) as error:
        fail(error, BAD_USAGE)


def _print_written(path: Path, summary: str) -> None:
    typer.echo(path)
    print_words(create_console(stderr=True), Text(summary))
