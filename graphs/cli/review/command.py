"""`selfcritic review`: comments on files or on a diff, below the lines that they quote."""

import io
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from selfcritic.agent.checkers.unit_tests import unit_tests
from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.graphs.cli.console import (
    BAD_USAGE,
    FAILED,
    check_api_base,
    fail,
    model_named,
    notice,
    notice_simulated,
    tell_error,
)
from selfcritic.graphs.cli.options import (
    ApiBase,
    AsJson,
    Critiques,
    MaxCalls,
    MaxCost,
    MaxSeconds,
    MaxTokens,
    Quiet,
    Search,
    SearchChoice,
    Seed,
    budget_of,
)
from selfcritic.graphs.cli.review import diffs
from selfcritic.graphs.cli.review.documents import STDIN, Document, document, read, title
from selfcritic.graphs.cli.review.result import Review, SeverityChoice, as_json
from selfcritic.graphs.cli.review.sarif import as_sarif
from selfcritic.graphs.cli.review.session import NO_MODEL, Reviewer
from selfcritic.graphs.cli.review.terminal_view import Printer


def review(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Files, or diffs of files; - reads standard input.")
    ],
    question: Annotated[str | None, typer.Option(help="What the files are to do or to answer.")] = None,
    model: Annotated[
        str | None, typer.Option(envvar="SELFCRITIC_MODEL", help="As `selfcritic models` says; none by default.")
    ] = None,
    api_base: ApiBase = None,
    search: Search = SearchChoice.best_of_n,
    critiques: Critiques = 8,
    length_modifier: Annotated[float, typer.Option(help="Worth of one more comment: + thorough, - precise.")] = 0.0,
    checker: Annotated[list[str] | None, typer.Option(help="Checker to ask: syntax, lint, types, arithmetic …")] = None,
    tests: Annotated[Path | None, typer.Option(help="Python file with tests that the code has to pass.")] = None,
    stdin_filename: Annotated[str, typer.Option(help="What standard input is called, such as calc.py.")] = "stdin",
    min_severity: Annotated[SeverityChoice, typer.Option(help="Leave out comments below.")] = SeverityChoice.low,
    fail_on: Annotated[SeverityChoice | None, typer.Option(help="Exit with 1 for a comment this severe.")] = None,
    around: Annotated[
        int | None, typer.Option(min=0, help="Lines shown around comments; else all, of up to 1,000.")
    ] = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_seconds: MaxSeconds = None,
    seed: Seed = None,
    as_object: AsJson = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0, for code hosts and editors.")] = False,
    quiet: Quiet = False,
) -> None:
    """Review files or a diff: comments below the lines they quote. Without --model the checkers alone are asked."""
    console = Console(stderr=True, quiet=quiet, highlight=False)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the terminal may not know every character of a file
    try:
        if as_object and sarif:
            raise InputError("--json and --sarif are two forms of the output; choose one.")
        check_api_base(api_base, model)
        options = Context(
            model=NO_MODEL if model is None or model == NO_MODEL else model_named(model, api_base),
            search=search.value,
            num_critiques=critiques,
            length_modifier=length_modifier,
            checkers=checker or [],
            budget=budget_of(max_calls, max_tokens, max_cost, max_seconds),
            seed=seed,
        )
        given = unit_tests(tests.read_text("utf-8")) if tests else None
        reviewer = Reviewer(options, question, checker, given, console)
        documents = reviewer.accepted([one for name in files for one in _documents(name, stdin_filename, reviewer)])
    except (SelfcriticError, ValidationError, OSError, UnicodeDecodeError) as error:
        fail(error, BAD_USAGE)
    notice_simulated(options, console)
    if model is None:
        notice("no model is named: this is what the checkers know; name one with --model", console)
    printer = None if as_object or sarif else Printer(Console(highlight=False), min_severity, around)
    reviews: list[Review] = []

    def show(one: Review) -> None:
        reviews.append(one)
        if printer:
            printer.print(one)
        if one.error:
            tell_error(f"{one.document.name}: {one.error}")

    reviewer.review(documents, show)
    if as_object or sarif:
        write = as_json if as_object else as_sarif
        sys.stdout.write(json.dumps(write(reviews, min_severity)) + "\n")
    has_failed = any(one.error for one in reviews) or len(reviews) < len(documents)
    if has_failed or (fail_on and any(one.fails(min_severity, fail_on) for one in reviews)):
        raise typer.Exit(FAILED)


def _documents(name: str, stdin_filename: str, reviewer: Reviewer) -> list[Document]:
    """What a name on the command line stands for; where there is nothing to review, it is told why."""
    text = read(name)
    if not text.strip():
        reviewer.tell(f"{title(name)} is empty: there is nothing to review.")
        return []
    if not diffs.is_diff(name, text):
        return [document(name, text, stdin_filename if name == STDIN else name)]
    found, passed = diffs.documents(text)
    for reason in passed:
        reviewer.tell(f"{reason}: there is nothing to review.")
    return found
