"""`selfcritic review`: print comments on files or on a diff."""

import io
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError
from rich.console import Console

from selfcritic.agent.checkers.unit_tests import unit_tests
from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.schemas import Severity
from selfcritic.graphs.cli.console import (
    BAD_USAGE,
    FAILED,
    check_api_base,
    describe,
    fail,
    load_model,
    print_error,
    print_notice,
    print_simulated_notice,
    show_warnings,
)
from selfcritic.graphs.cli.options import (
    LOOP,
    MODELS,
    OUTPUT,
    ApiBase,
    AsJson,
    BudgetOptions,
    MaxOutputTokens,
    NumCritiques,
    Quiet,
    Search,
    Seed,
    expand_groups,
    parse_max_output_tokens,
)
from selfcritic.graphs.cli.review.control_characters import escape_controls
from selfcritic.graphs.cli.review.documents import (
    Document,
    Skipped,
    create_document,
    read_text,
)
from selfcritic.graphs.cli.review.inputs import DEFAULT_STDIN_NAME, Inputs, read_inputs
from selfcritic.graphs.cli.review.result import Review, to_json
from selfcritic.graphs.cli.review.sarif import check_uris, to_sarif
from selfcritic.graphs.cli.review.session import NO_MODEL, ReviewSession
from selfcritic.graphs.cli.review.summary import describe_reviews, describe_skipped
from selfcritic.graphs.cli.review.terminal_view import FOLDER_CONTEXT, ReviewPrinter

_SEVERITY_NAMES: Mapping[str, Severity] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "note": "low",
    "warning": "medium",
    "error": "high",
    "critical": "high",
}
"""Severities, and the words of SARIF and other tools for them."""


@dataclass(frozen=True)
class CriticOptions:
    """The critic's model and search options."""

    model: Annotated[
        str | None,
        typer.Option(
            envvar="SELFCRITIC_MODEL",
            help="Model name; see `selfcritic models` (default: none).",
            metavar="NAME",
            rich_help_panel=MODELS,
        ),
    ] = None
    api_base: ApiBase = None
    max_output_tokens: MaxOutputTokens = None
    search: Search = "rejection"
    num_critiques: NumCritiques = 8
    length_modifier: Annotated[
        float,
        typer.Option(
            help="Bonus per comment: > 0 thorough, < 0 precise.", metavar="X", rich_help_panel=LOOP
        ),
    ] = 0.0
    seed: Seed = None

    def build_context(self, checkers: list[str], budget: BudgetOptions) -> Context:
        """Load the model and validate the options.

        Raises:
            InputError: The model or an option is invalid.
            ValidationError: An option is out of range.
        """
        check_api_base(self.api_base, self.model)
        model: str | BaseChatModel = NO_MODEL
        if self.model is not None and self.model != NO_MODEL:
            model = load_model(self.model, self.api_base)
        return Context(
            model=model,
            max_output_tokens=parse_max_output_tokens(self.max_output_tokens),
            search=self.search,
            num_critiques=self.num_critiques,
            length_modifier=self.length_modifier,
            checkers=checkers,
            budget=budget.to_budget(),
            seed=self.seed,
        )


@dataclass(frozen=True)
class ReportOptions:
    """What to print, and when to fail."""

    min_severity: Annotated[
        str,
        typer.Option(
            help="Hide comments below this severity.",
            metavar="[low|medium|high]",
            rich_help_panel=OUTPUT,
        ),
    ] = "low"
    fail_on: Annotated[
        str | None,
        typer.Option(
            help="Exit with 1 if a comment is this severe.",
            metavar="[low|medium|high]",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    allow_empty: Annotated[
        bool,
        typer.Option(
            "--allow-empty",
            help="Exit with 0 if there is nothing to review.",
            rich_help_panel=OUTPUT,
        ),
    ] = False
    context_lines: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Context lines around comments (default: whole file).",
            metavar="N",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    as_json: AsJson = False
    as_sarif: Annotated[
        bool,
        typer.Option("--sarif", help="Print SARIF 2.1.0.", rich_help_panel=OUTPUT),
    ] = False

    def check(self) -> None:
        """Raise InputError for an unknown severity, or for two output formats."""
        if self.as_json and self.as_sarif:
            raise InputError("--json and --sarif exclude each other: pass one of them.")
        _ = self.lowest_shown, self.lowest_failing

    @property
    def lowest_shown(self) -> Severity:
        """Lowest severity of the comments that are printed."""
        return _parse_severity("--min-severity", self.min_severity)

    @property
    def lowest_failing(self) -> Severity | None:
        """Lowest severity that fails; None without --fail-on."""
        return None if self.fail_on is None else _parse_severity("--fail-on", self.fail_on)


def _parse_severity(option: str, value: str) -> Severity:
    word = value.strip().casefold()
    severity = _SEVERITY_NAMES.get(word)
    if severity is None:
        raise InputError(f"{option} takes low, medium or high; got '{value}'.")
    return severity


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
    console = Console(stderr=True, quiet=quiet, highlight=False)
    show_warnings(console)
    _escape_unencodable_output()
    try:
        report.check()
        context = critic.build_context(checkers or [], budget)
        unit_test_checker = unit_tests(_read_tests(tests)) if tests else None
        session = ReviewSession(
            context, question, checkers, unit_test_checker, console, strict=strict
        )
        inputs = read_inputs(files, stdin_filename, has_model=session.has_critic)
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
        printer = ReviewPrinter(Console(highlight=False), min_severity, report.context_lines)

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
    for line in describe_skipped(inputs.skipped):
        session.report(line)
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
    kinds = {skip.kind for skip in skipped}
    if "unreadable" in kinds and (fail_on is not None or not reviews):
        print_error("Some files could not be reviewed (see above), so the result is incomplete.")
        return BAD_USAGE
    is_empty = not reviews and "empty" not in kinds
    if is_empty and not report.allow_empty and (fail_on is not None or "unsupported" in kinds):
        print_error(
            "There was nothing to review. Pass files with a supported type, or --allow-empty if that is expected."
        )
        return BAD_USAGE
    return 0
