"""`selfcritic review`: print comments on files or on a diff."""

import io
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from selfcritic.agent.checkers.unit_tests import unit_tests
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.nodes.preload import load_files
from selfcritic.graphs.cli.console import (
    BAD_USAGE,
    FAILED,
    describe,
    fail,
    print_error,
    print_notice,
    print_simulated_notice,
    show_warnings,
)
from selfcritic.graphs.cli.options import (
    BudgetOptions,
    Quiet,
    expand_groups,
)
from selfcritic.graphs.cli.review.documents import (
    Document,
    Skipped,
    create_document,
    read_text,
)
from selfcritic.graphs.cli.review.inputs import DEFAULT_STDIN_NAME, Inputs, read_inputs
from selfcritic.graphs.cli.review.options import CriticOptions, ReportOptions
from selfcritic.graphs.cli.review.result import Review, to_json
from selfcritic.graphs.cli.review.sarif import check_uris, to_sarif
from selfcritic.graphs.cli.review.session import ReviewSession
from selfcritic.graphs.cli.review.summary import MAX_NAMES, describe_reviews, describe_skipped
from selfcritic.graphs.cli.review.terminal_view import FOLDER_CONTEXT, ReviewPrinter
from selfcritic.graphs.cli.terminal import create_console
from selfcritic.graphs.control_characters import escape_controls


@expand_groups
def review(
    files: Annotated[
        list[str],
        typer.Argument(metavar="PATH…", help="Files, folders or diffs; - reads standard input."),
    ],
    critic: CriticOptions,
    budget: BudgetOptions,
    report: ReportOptions,
    question: Annotated[
        str | None,
        typer.Option(help="What the files should do or answer.", metavar="TEXT"),
    ] = None,
    checkers: Annotated[
        list[str] | None,
        typer.Option(
            "--checker", help="Checker, such as lint (default: by file type).", metavar="NAME"
        ),
    ] = None,
    tests: Annotated[
        Path | None,
        typer.Option(help="Python file of tests to run on the code.", metavar="FILE"),
    ] = None,
    stdin_filename: Annotated[
        str,
        typer.Option(help="File name of standard input, such as calc.py.", metavar="NAME"),
    ] = DEFAULT_STDIN_NAME,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Ignore noqa comments and project configuration."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Review files, folders or a diff. Without --model, only checkers run."""
    console = create_console(stderr=True, quiet=quiet)
    show_warnings(console)
    _escape_unencodable_output()
    try:
        report.check()
        context = critic.build_context(checkers or [], budget)
        load_files(context)
        unit_test_checker = unit_tests(_read_tests(tests)) if tests else None
        session = ReviewSession(
            context, question, checkers, unit_test_checker, console, strict=strict
        )
        inputs = read_inputs(
            files,
            stdin_filename,
            has_model=session.has_critic,
            is_gate=report.lowest_failing is not None,
        )
        documents = session.filter_documents(inputs)
        if report.as_sarif:
            check_uris(documents)
    except (SelfcriticError, ValidationError, OSError) as error:
        fail(escape_controls(describe(error)), BAD_USAGE)
    print_simulated_notice(context, console)
    if critic.model is None:
        print_notice("no model is set, so only checkers run; choose a model with --model", console)
    reviews = _review_documents(session, documents, inputs, report)
    _print_summary(session, reviews, inputs, critic.model, report)
    code = _exit_code(reviews, inputs.skipped, len(documents), report)
    if code:
        raise typer.Exit(code)


def _read_tests(path: Path) -> str:
    return create_document(str(path), read_text(str(path))).text


def _escape_unencodable_output() -> None:
    """Escape characters that the encoding of stdout lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _review_documents(
    session: ReviewSession, documents: list[Document], inputs: Inputs, report: ReportOptions
) -> list[Review]:
    """Review the documents and print the results.

    After Ctrl-C, the list has only the finished reviews.
    """
    reviews: list[Review] = []
    min_severity = report.lowest_shown
    printer = None
    if not report.as_json and not report.as_sarif:
        printer = ReviewPrinter(create_console(), min_severity, report.context_lines)

    def on_review(review: Review) -> None:
        reviews.append(review)
        is_from_folder = review.document.name in inputs.from_folders
        if printer is not None and not (is_from_folder and review.is_clean(min_severity)):
            printer.print(review, FOLDER_CONTEXT if is_from_folder else None)
        if review.error:
            print_error(escape_controls(f"{review.document.name}: {review.error}"))

    session.review(documents, on_review)
    if report.as_json:
        sys.stdout.write(json.dumps(to_json(reviews, min_severity, inputs.skipped)) + "\n")
    elif report.as_sarif:
        sys.stdout.write(json.dumps(to_sarif(reviews, min_severity, inputs.skipped)) + "\n")
    elif printer is not None:
        printer.print_ranking(reviews)
    return reviews


def _print_summary(
    session: ReviewSession,
    reviews: list[Review],
    inputs: Inputs,
    model: str | None,
    report: ReportOptions,
) -> None:
    unreadable = [skip for skip in inputs.skipped if skip.kind == "unreadable"]
    others = [skip for skip in inputs.skipped if skip.kind != "unreadable"]
    for line in describe_skipped(others):
        session.report(line)
    for line in describe_skipped(unreadable):
        print_error(escape_controls(line))
    reviewers: list[str] = []
    for review in reviews:
        reviewers += session.checker_names(review.document)
    reviewers = list(dict.fromkeys(reviewers))
    if session.has_critic and model is not None:
        reviewers.append(f"the critic {model.partition('?')[0]}")
    session.report(describe_reviews(reviews, report.lowest_shown, reviewers))


def _exit_code(
    reviews: list[Review], skipped: list[Skipped], num_documents: int, report: ReportOptions
) -> int:
    """Return 1 if a review failed or --fail-on applies, 2 if it is unknown, else 0.

    It is unknown if a file could not be read, or if there was nothing to review.
    """
    fail_on = report.lowest_failing
    is_incomplete = len(reviews) < num_documents or any(review.error for review in reviews)
    has_failed = fail_on is not None and any(
        review.fails(report.lowest_shown, fail_on) for review in reviews
    )
    if is_incomplete or has_failed:
        return FAILED
    if fail_on is not None and any(review.is_cut_short for review in reviews):
        print_error(
            "The budget was spent before all files were reviewed. Raise it, or review fewer files."
        )
        return BAD_USAGE
    undecided = [review for review in reviews if fail_on and review.is_undecided(fail_on)]
    if undecided:
        names = ", ".join(review.document.name for review in undecided[:MAX_NAMES])
        print_error(
            escape_controls(
                f"No critique of {names} quotes the file, so --fail-on cannot be decided. Read the critiques above, "
                "raise --num-critiques, or choose another --model."
            )
        )
        return BAD_USAGE
    kinds = {skip.kind for skip in skipped}
    if "unreadable" in kinds and (fail_on is not None or not reviews):
        return BAD_USAGE
    is_empty = not reviews and "empty" not in kinds
    if is_empty and not report.allow_empty and (fail_on is not None or "unsupported" in kinds):
        print_error(
            "There was nothing to review. Pass files with a supported type, or --allow-empty if that is expected."
        )
        return BAD_USAGE
    return 0
