"""Run the Python checkers on correct files: objections, failures and times.

    python -m examples.benchmarks.checkers [FOLDER …] [--checker NAME] [--sample N] [--seed N]

The default folders are json, email, http and asyncio in the standard library. Files are checked as a user's files, with
the configuration of their project, or with `--drafts` as a model's drafts. An objection is a finding of medium or high
severity: such a finding rejects a draft. The files are in use, so most objections are false alarms. The table shows 95%
Wilson intervals.

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
from scipy.stats import binomtest  # type: ignore[import-untyped]

from selfcritic.agent.checkers.python_files import check_file
from selfcritic.agent.checkers.registry import get_checkers, run_checkers
from selfcritic.agent.schemas import Comment

STDLIB = Path(sysconfig.get_path("stdlib"))
FOLDERS = [STDLIB / name for name in ("json", "email", "http", "asyncio")]

TEST_FOLDERS = {"test", "tests", "testing"}
"""Skipped, because tests contain code that is wrong on purpose."""


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
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders of Python files.")] = None,
    checker: Annotated[list[str], typer.Option(help="Checkers.")] = ["syntax", "lint"],  # noqa: B006 - typer copies it
    sample: Annotated[int | None, typer.Option(help="Random files (default: all).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
    strict: Annotated[bool, typer.Option(help="Ignore noqa and configuration.")] = False,
    drafts: Annotated[bool, typer.Option(help="Check the files as drafts.")] = False,
    show: Annotated[bool, typer.Option(help="Print the objections.")] = False,
) -> None:
    """Print a row per checker, then the number of objections per rule."""
    console = Console(width=110)
    paths = list(_find_files(folders or FOLDERS))
    if sample is not None and sample < len(paths):
        paths = random.Random(seed).sample(paths, sample)
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
        result = asyncio.run(_check_files(name, paths, strict=strict, drafts=drafts, show=show))
        results[name] = result
        count = len(paths) - len(result.errors)
        table.add_row(
            name,
            str(len(paths)),
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


def _find_files(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        for path in sorted(folder.rglob("*.py*")):
            is_test = not TEST_FOLDERS.isdisjoint(path.relative_to(folder).parts)
            is_code = path.suffix in (".py", ".pyi") and not is_test
            if is_code and path.read_text("utf-8", "ignore").strip():
                yield path.resolve()


async def _check_files(
    name: str, paths: list[Path], *, strict: bool, drafts: bool, show: bool
) -> Result:
    result = Result()
    for path in paths:
        checker = get_checkers([name])[name] if drafts else check_file(name, path, strict=strict)
        try:
            with tokenize.open(path) as file:
                text = file.read()
        except (SyntaxError, UnicodeDecodeError) as encoding_error:
            result.errors.append(f"{path}: {encoding_error}")
            continue
        start = time.perf_counter()
        findings, error = await run_checkers({name: checker}, "Is this code right?", text)
        result.seconds.append(time.perf_counter() - start)
        if error is not None:
            result.errors.append(f"{path}: {error}")
            continue
        objections = [finding for finding in findings if finding.severity != "low"]
        _count(objections, result)
        if show:
            _print_objections(path, objections, text)
    return result


def _count(objections: list[Comment], result: Result) -> None:
    result.num_objections += bool(objections)
    result.num_high += any(objection.severity == "high" for objection in objections)
    result.rules.update(objection.rule or "no rule" for objection in objections)


def _print_objections(path: Path, objections: list[Comment], text: str) -> None:
    for objection in objections:
        line = text.count("\n", 0, objection.start or 0) + 1
        print(f"{path}:{line}: {objection.severity}: {objection.text}  »{objection.quote[:100]}«")


def rate(num_files: int, count: int) -> str:
    """Format a share with its 95% Wilson interval."""
    if count == 0:
        return ""
    interval = binomtest(num_files, count).proportion_ci(method="wilson")
    return f"{num_files / count:.1%} ({100 * interval.low:.1f}–{100 * interval.high:.1f}%)"


if __name__ == "__main__":
    typer.run(main)
