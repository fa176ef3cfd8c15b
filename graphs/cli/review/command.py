"""`selfcritic review`: print comments on files or on a diff."""

import io
import json
import sys
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
    RequireIsolation,
    Search,
    Seed,
    expand_groups,
    parse_max_output_tokens,
)
from selfcritic.graphs.cli.review.diffs import is_diff, parse_diff
from selfcritic.graphs.cli.review.documents import (
    STDIN,
    Document,
    create_document,
    display_name,
    read_text,
)
from selfcritic.graphs.cli.review.result import Review, to_json
from selfcritic.graphs.cli.review.sarif import to_sarif
from selfcritic.graphs.cli.review.session import NO_MODEL, ReviewSession
from selfcritic.graphs.cli.review.terminal_view import ReviewPrinter


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
    require_isolation: RequireIsolation = False

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
            require_isolation=self.require_isolation,
        )


@dataclass(frozen=True)
class ReportOptions:
    """What to print, and when to fail."""

    min_severity: Annotated[
        Severity,
        typer.Option(help="Hide comments below this severity.", rich_help_panel=OUTPUT),
    ] = "low"
    fail_on: Annotated[
        Severity | None,
        typer.Option(help="Exit with 1 if a comment is this severe.", rich_help_panel=OUTPUT),
    ] = None
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
        """Raise InputError if two output formats are set."""
        if self.as_json and self.as_sarif:
            raise InputError("--json and --sarif exclude each other: pass one of them.")


@expand_groups
def review(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Files or diffs; - reads standard input.")
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
    ] = "stdin",
    quiet: Quiet = False,
) -> None:
    """Review files or a diff. Without --model, only checkers run."""
    console = Console(stderr=True, quiet=quiet, highlight=False)
    show_warnings(console)
    _escape_unencodable_output()
    try:
        report.check()
        context = critic.build_context(checkers or [], budget)
        unit_test_checker = unit_tests(_read_tests(tests)) if tests else None
        session = ReviewSession(context, question, checkers, unit_test_checker, console)
        documents = session.filter_documents(_read_documents(files, stdin_filename, session))
    except (SelfcriticError, ValidationError, OSError) as error:
        fail(error, BAD_USAGE)
    print_simulated_notice(context, console)
    if critic.model is None:
        print_notice("no model is set, so only checkers run; choose a model with --model", console)
    reviews = _review_documents(session, documents, report)
    if len(reviews) < len(documents) or _is_failure(reviews, report):
        raise typer.Exit(FAILED)


def _read_tests(path: Path) -> str:
    return create_document(str(path), read_text(str(path))).text


def _escape_unencodable_output() -> None:
    """Escape characters that the encoding of stdout lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _read_documents(
    names: list[str], stdin_filename: str, session: ReviewSession
) -> list[Document]:
    """Read files and diffs; report those with nothing to review."""
    documents: list[Document] = []
    for name in names:
        text = read_text(name)
        if not text.strip():
            session.report(f"{display_name(name)} is empty: nothing to review.")
        elif is_diff(name, text):
            changed, skipped = parse_diff(text)
            documents += changed
            for reason in skipped:
                session.report(f"{reason}: nothing to review.")
        else:
            document_name = stdin_filename if name == STDIN else None
            documents.append(create_document(name, text, document_name))
    return documents


def _review_documents(
    session: ReviewSession, documents: list[Document], report: ReportOptions
) -> list[Review]:
    """Review the documents and print the results.

    After Ctrl-C, the list has only the finished reviews.
    """
    reviews: list[Review] = []
    printer = None
    if not report.as_json and not report.as_sarif:
        printer = ReviewPrinter(Console(highlight=False), report.min_severity, report.context_lines)

    def on_review(review: Review) -> None:
        reviews.append(review)
        if printer is not None:
            printer.print(review)
        if review.error:
            print_error(f"{review.document.name}: {review.error}")

    session.review(documents, on_review)
    if report.as_json:
        sys.stdout.write(json.dumps(to_json(reviews, report.min_severity)) + "\n")
    elif report.as_sarif:
        sys.stdout.write(json.dumps(to_sarif(reviews, report.min_severity)) + "\n")
    return reviews


def _is_failure(reviews: list[Review], report: ReportOptions) -> bool:
    if any(review.error for review in reviews):
        return True
    if report.fail_on is None:
        return False
    return any(review.fails(report.min_severity, report.fail_on) for review in reviews)
