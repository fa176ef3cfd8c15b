"""`selfcritic eval judge-check`: check a judge's ratings against the truth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.console import BAD_USAGE, FAILED, fail
from selfcritic.graphs.cli.eval.extra import fail_missing_extra
from selfcritic.graphs.cli.eval.tables import print_table
from selfcritic.graphs.cli.terminal import create_console, print_words
from selfcritic.graphs.control_characters import escape_lines

if TYPE_CHECKING:
    from selfcritic.agent.evals.judge_check import JudgeCheck, QuestionCheck
    from selfcritic.agent.evals.measures.intervals import Estimate

DEFAULT_BAR = 0.4


def judge_check(
    ratings: Annotated[
        Path, typer.Argument(metavar="RATINGS", help="File with the judge's ratings and labels.")
    ],
    judge: Annotated[
        str | None, typer.Option(metavar="NAME", help="Judge to check (default: all).")
    ] = None,
    min_agreement: Annotated[
        float,
        typer.Option(
            min=-1.0, max=1.0, metavar="KAPPA", help="Bar for the low end of kappa's interval."
        ),
    ] = DEFAULT_BAR,
) -> None:
    """Check a judge's ratings against labels of people, tests or an oracle.

    Records and comparisons in the same folder are read, too.

    Exits with 1 if Cohen's kappa is not above --min-agreement with 95% confidence.
    """
    try:
        from selfcritic.agent.data.files import RATINGS_FILE
        from selfcritic.agent.evals.judge_check import check_judges
        from selfcritic.agent.evals.run_folder import read_beside
    except ImportError as error:
        fail_missing_extra(error)
    if ratings.is_dir():
        ratings /= RATINGS_FILE
    try:
        run = read_beside(ratings)
        checks = check_judges(run.ratings, run.records, run.comparisons, judge=judge)
    except InputError as error:
        fail(error, BAD_USAGE)
    errors = create_console(stderr=True)
    output = create_console()
    for warning in run.warnings:
        _warn(warning, errors)
    rejected: list[str] = []
    for index, check in enumerate(checks):
        for warning in check.warnings:
            _warn(warning, errors)
        if index:
            output.print()
        _print_check(check, output)
        rejected += _failures(check, min_agreement)
    if rejected:
        fail(
            f"Do not gate with these ratings: {'; '.join(rejected)}. Improve the judge's prompt, use a stronger judge, "
            "or label more critiques. --min-agreement sets the bar.",
            FAILED,
        )


def _warn(text: str, console: Console) -> None:
    print_words(console, Text(f"WARNING: {escape_lines(text)}", "bold red"))


def _failures(check: "JudgeCheck", bar: float) -> list[str]:
    """Return each question on which the judge's kappa may be below the bar."""
    failures = []
    for question in check.questions:
        kappa = question.result.kappa
        if not kappa.low > bar:  # also if it is undefined
            reason = f"kappa is {kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f})"
            if kappa.value != kappa.value:
                reason = f"kappa is undefined ({kappa.note or 'too few labels'})"
            elif kappa.low != kappa.low:
                reason = f"kappa is {kappa.value:.2f} without an interval ({kappa.note})"
            failures.append(f"{check.judge}, {question.question}: {reason}")
    return failures


def _print_check(check: "JudgeCheck", console: Console) -> None:
    labelers = ", ".join(check.labelers)
    console.print(Text(f"Judge {check.judge}, against labels by {labelers}", "bold"))
    for question in check.questions:
        console.print()
        unread = question.result.missing
        counts = f"{question.num_labeled} labeled" + (f", {unread} unreadable" if unread else "")
        console.print(Text(f"  {question.question.replace('_', ' ')} ({counts})"))
        print_table(_build_table(_question_rows(question)), console, indent=4)
    if check.position is not None and check.length is not None:
        console.print()
        console.print(Text("  bias (0.5 is unbiased)"))
        rows = [("prefers the first shown", check.position), ("prefers the longer", check.length)]
        print_table(_build_table(rows), console, indent=4)


def _question_rows(check: "QuestionCheck") -> "list[tuple[str, Estimate]]":
    return [
        ("sensitivity: accepts what is right", check.result.sensitivity),
        ("specificity: rejects what is wrong", check.result.specificity),
        ("kappa: agreement beyond chance", check.result.kappa),
        ("rate by the judge", check.judged_rate),
        ("rate corrected for its errors", check.corrected_rate),
        ("rate by the labels", check.labeled_rate),
    ]


def _build_table(rows: "list[tuple[str, Estimate]]") -> Table:
    from selfcritic.agent.evals.report import format_value

    table = Table(box=None, pad_edge=False)
    table.add_column("measure", max_width=36)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95% interval", overflow="fold")
    for name, estimate in rows:
        interval = estimate.note or "–"
        if estimate.low == estimate.low:
            interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
        table.add_row(name, format_value(estimate.value, "share"), interval)
    return table
