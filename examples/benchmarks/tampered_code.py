"""Measure how many injected errors the Python checkers find in files of the standard library.

    python -m examples.benchmarks.tampered_code [--sample N] [--seed N]

In each file, one name in a function is made undefined, and one colon is deleted. A name is found if a finding contains
it, a colon if there is any finding, both of medium or high severity. The table shows 95% Wilson intervals.

Targets: more than 80% of the names, all of the colons.
"""

import ast
import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from examples.benchmarks.checkers import STDLIB, rate
from selfcritic.agent.checkers import lint, syntax
from selfcritic.agent.checkers.python_source import is_valid_python
from selfcritic.agent.schemas import Comment

SKIPPED_FOLDERS = {"test", "tests", "site-packages"}
MIN_BYTES = 500


def main(
    sample: Annotated[int, typer.Option(help="Number of files.")] = 150,
    seed: Annotated[int, typer.Option(help="Seed of the sample and the errors.")] = 11,
) -> None:
    """Print the share of errors that are found."""
    generator = random.Random(seed)
    paths = generator.sample(list(_find_files()), sample)
    found: Counter[str] = Counter()
    injected: Counter[str] = Counter()
    for path in paths:
        code = path.read_text("utf-8", "replace")
        if not is_valid_python(code):
            continue
        tampered = _undefine_name(code, generator)
        if tampered is not None:
            name, text = tampered
            findings = asyncio.run(_check(text))
            injected["undefined name"] += 1
            found["undefined name"] += any(name in finding.text for finding in findings)
        without_colon = _delete_colon(code, generator)
        if without_colon is not None:
            injected["deleted colon"] += 1
            found["deleted colon"] += bool(asyncio.run(_check(without_colon)))
    table = Table("error", "injected", "found", "rate (95%)")
    for kind, count in injected.items():
        table.add_row(kind, str(count), str(found[kind]), rate(found[kind], count))
    Console(width=100).print(table)


def _find_files() -> Iterator[Path]:
    for path in sorted(STDLIB.rglob("*.py")):
        is_skipped = not SKIPPED_FOLDERS.isdisjoint(path.relative_to(STDLIB).parts)
        if not is_skipped and path.stat().st_size > MIN_BYTES:
            yield path


async def _check(code: str) -> list[Comment]:
    findings = await lint("", code) + await syntax("", code)
    return [finding for finding in findings if finding.severity != "low"]


def _undefine_name(code: str, generator: random.Random) -> tuple[str, str] | None:
    """Return a new name that is not defined, and the code that uses it."""
    names: list[ast.Name] = []
    for function in ast.walk(ast.parse(code)):
        if isinstance(function, ast.FunctionDef):
            nodes = ast.walk(function)
            names += [
                node
                for node in nodes
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
            ]
    if not names:
        return None
    name = generator.choice(names)
    lines = code.splitlines(keepends=True)
    line = lines[name.lineno - 1].encode()
    start, end = name.col_offset, name.end_col_offset or name.col_offset
    new_name = f"{name.id}_undefined"
    lines[name.lineno - 1] = (line[:start] + new_name.encode() + line[end:]).decode()
    return new_name, "".join(lines)


def _delete_colon(code: str, generator: random.Random) -> str | None:
    lines = code.splitlines(keepends=True)
    candidates: list[int] = []
    for index, line in enumerate(lines):
        opens_block = line.lstrip().startswith(("def ", "if ", "for ", "while ", "class "))
        if opens_block and line.rstrip().endswith(":"):
            candidates.append(index)
    if not candidates:
        return None
    index = generator.choice(candidates)
    lines[index] = lines[index].rstrip()[:-1] + "\n"
    return "".join(lines)


if __name__ == "__main__":
    typer.run(main)
