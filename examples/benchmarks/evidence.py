"""Python's own tools over its standard library: whether they cope with every file, what they find, how long it takes.

    python -m examples.benchmarks.evidence [--typecheck] [--package email]

Claim: no file of json, email, http and asyncio makes a checker raise.
"""

import asyncio
import statistics
import sysconfig
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from selfcritic.agent.checkers import Checker, lint, syntax, typecheck
from selfcritic.agent.checkers.python_source import find_python
from selfcritic.agent.schemas import Comment

PACKAGES = ["json", "email", "http", "asyncio"]
LIBRARY = Path(sysconfig.get_path("stdlib"))


def main(
    package: Annotated[list[str], typer.Option(help="Packages of the standard library.")] = PACKAGES,
    with_types: Annotated[bool, typer.Option("--typecheck", help="Run pyright, too, where it is installed.")] = False,
) -> None:
    """Print, for each package and checker, files, crashes, findings and times; then the rules of the findings."""
    table = Table("package", "checker", "files", "seen as Python", "crashes", "findings", "median", "max")
    rules: Counter[str] = Counter()
    for name in package:
        drafts = [path.read_bytes().decode() for path in sorted((LIBRARY / name).rglob("*.py"))]
        python = sum(find_python(draft) is not None for draft in drafts)
        for checker in (syntax, lint, *([typecheck] if with_types else [])):
            seconds, texts, crashes = _over(checker, drafts)
            rules.update(f"{checker.__name__} {_rule(text)}" for text in texts)
            times = [f"{value:.2f} s" for value in (statistics.median(seconds), max(seconds))]
            counts = (len(drafts), python, crashes, len(texts))
            table.add_row(name, checker.__name__, *map(str, counts), *times)
    console = Console(width=110)
    console.print(table)
    console.print(", ".join(f"{rule}: {count}" for rule, count in rules.most_common()))


def _over(checker: Checker, drafts: list[str]) -> tuple[list[float], list[str], int]:
    """The seconds of each file, what was found in them all, and how many made the checker raise."""
    seconds, texts, crashes = [], [], 0
    for draft in drafts:
        started = time.perf_counter()
        try:
            texts += [comment.text for comment in asyncio.run(_ask(checker, draft))]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is counted
            Console(stderr=True).print(f"{checker}: {error!r}")
            crashes += 1
        seconds.append(time.perf_counter() - started)
    return seconds, texts, crashes


async def _ask(checker: Checker, draft: str) -> list[Comment]:
    return await checker("Is this code right?", draft)


def _rule(text: str) -> str:
    """The rule's name that ends a finding, or its first words."""
    return text.rstrip(".)").rpartition("(")[2] if text.endswith(").") else " ".join(text.split()[:3])


if __name__ == "__main__":
    typer.run(main)
