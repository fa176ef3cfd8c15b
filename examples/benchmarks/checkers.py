"""Run the Python checkers on the standard library: crashes, findings and times.

    python -m examples.benchmarks.checkers [--typecheck] [--package email]

Target: no checker raises on a file of json, email, http or asyncio.
"""

import asyncio
import statistics
import sysconfig
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from selfcritic.agent.checkers import Checker, lint, syntax, typecheck
from selfcritic.agent.checkers.python_source import find_python
from selfcritic.agent.schemas import Comment

PACKAGES = ["json", "email", "http", "asyncio"]
STDLIB = Path(sysconfig.get_path("stdlib"))


@dataclass
class Result:
    """Results of one checker on all files of a package."""

    seconds: list[float] = field(default_factory=list)
    """Time for each file."""
    findings: list[str] = field(default_factory=list)
    num_crashes: int = 0


def main(
    package: Annotated[
        list[str], typer.Option(help="Packages of the standard library.")
    ] = PACKAGES,
    with_types: Annotated[
        bool, typer.Option("--typecheck", help="Also run pyright, if installed.")
    ] = False,
) -> None:
    """Print a row per package and checker, then the number of findings per rule."""
    checkers = [syntax, lint]
    if with_types:
        checkers.append(typecheck)
    table = Table(
        "package", "checker", "files", "seen as Python", "crashes", "findings", "median", "max"
    )
    rules: Counter[str] = Counter()
    for name in package:
        paths = sorted((STDLIB / name).rglob("*.py"))
        drafts = [path.read_bytes().decode() for path in paths]
        num_python = sum(find_python(draft) is not None for draft in drafts)
        for checker in checkers:
            result = run_checker(checker, drafts)
            rules.update(f"{checker.__name__} {rule_of(text)}" for text in result.findings)
            table.add_row(
                name,
                checker.__name__,
                str(len(drafts)),
                str(num_python),
                str(result.num_crashes),
                str(len(result.findings)),
                f"{statistics.median(result.seconds):.2f} s",
                f"{max(result.seconds):.2f} s",
            )
    console = Console(width=110)
    console.print(table)
    console.print(", ".join(f"{rule}: {count}" for rule, count in rules.most_common()))


def run_checker(checker: Checker, drafts: list[str]) -> Result:
    """Run a checker on each draft; count the errors it raises."""
    result = Result()
    for draft in drafts:
        start = time.perf_counter()
        try:
            comments = asyncio.run(check(checker, draft))
            result.findings += [comment.text for comment in comments]
        except Exception as error:  # noqa: BLE001 - every error counts as a crash
            Console(stderr=True).print(f"{checker}: {error!r}")
            result.num_crashes += 1
        result.seconds.append(time.perf_counter() - start)
    return result


async def check(checker: Checker, draft: str) -> list[Comment]:
    """Return the checker's findings on a draft."""
    return await checker("Is this code right?", draft)


def rule_of(text: str) -> str:
    """Return the rule at the end of a finding, or its first three words."""
    if not text.endswith(")."):
        return " ".join(text.split()[:3])
    _, _, rule = text.rstrip(".)").rpartition("(")
    return rule


if __name__ == "__main__":
    typer.run(main)
