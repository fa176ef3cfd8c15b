"""Turn notebooks into documents, and check their cells with ruff.

The document has the code of all cells, each below a heading. ruff reads the cells as a notebook, so it knows magics,
shell commands, `await` outside of functions, and values that a cell shows.
"""

import asyncio
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfcritic.agent.checkers.findings import MAX_FINDINGS, finding, limit_findings
from selfcritic.agent.checkers.python_files import run_ruff, severity_of_rule
from selfcritic.agent.checkers.python_source import is_valid_python
from selfcritic.agent.errors import InputError
from selfcritic.agent.protocols import Checker
from selfcritic.agent.schemas import Comment
from selfcritic.graphs.cli.review.documents import (
    NOTEBOOK_SUFFIX,
    CellLine,
    Document,
    UnsupportedFileError,
)

_PYTHON_LANGUAGES = {"python", "python3", "ipython", "ipython3", ""}
_UNDEFINED_ENDS = ("(F821).", "(F822).")
_SHELL_NAME = re.compile(r"In|Out|_{1,3}|_\d+|_i{1,3}|_i\d+|_[iod]h|exit|quit")
"""Names that IPython defines, of those that ruff does not know."""
_CAPTURED_NAME = re.compile(r"^%%capture[ \t]+(\w+)", re.MULTILINE)
_NAMING_MAGIC = re.compile(
    r"^\s*%%?(?:run|pylab|load|store|cython|sql|R|rpush|rpull|julia)\b|\bimport\s*\*", re.MULTILINE
)
"""Lines that define names which the notebook does not show."""
_TIMED_STATEMENT = re.compile(
    r"^(?P<magic>%time(?:it)?(?: +-\w+(?: +\d+)?)* +)(?P<statement>.+)", re.MULTILINE
)


@dataclass(frozen=True)
class _Cell:
    number: int
    source: str

    @property
    def heading(self) -> str:
        return f"# %% cell {self.number}\n"


def is_notebook(name: str) -> bool:
    """Detect a notebook by its file name."""
    return name.casefold().endswith(NOTEBOOK_SUFFIX)


def read_notebook(
    name: str,
    text: str,
    uri: str,
    path: Path | None,
    added: frozenset[int] | None = None,
) -> Document:
    """Build a document of the code cells.

    Args:
        name: Name of the notebook.
        text: Its JSON.
        uri: Its URI.
        path: Its file, if there is one.
        added: Numbers of the JSON's lines that a diff added; None without a diff.

    Raises:
        InputError: The text is not a notebook, or its language is not Python.
    """
    notebook = _parse(name, text)
    cells = _code_cells(name, notebook)
    file_lines = _FileLines(text)
    parts: list[str] = []
    places: list[CellLine] = []
    changed: set[int] = set()
    for cell in cells:
        parts.append(cell.heading)
        places.append(CellLine(cell.number, 0, file_lines.current))
        lines = cell.source.split("\n")
        for index, line in enumerate(lines):
            file_line = file_lines.find(line, is_last=index == len(lines) - 1)
            if added is not None and file_line in added:
                changed.add(len(places))
            places.append(CellLine(cell.number, index + 1, file_line))
            parts.append(line + "\n")
    return Document(
        name=name,
        text="".join(parts),
        uri=uri,
        path=path,
        cells=places,
        changed_lines=None if added is None else frozenset(changed),
    )


def lint_notebook(
    document: Document, *, strict: bool, max_findings: int | None = MAX_FINDINGS
) -> Checker:
    """Build the checker `lint` for the cells of one notebook."""
    path = document.path or Path.cwd() / document.name

    def check() -> list[Comment]:
        violations = run_ruff(_to_json(document), path, strict=strict)
        findings = [_to_finding(document, violation) for violation in violations]
        findings = _without_known_names(findings, document.text)
        return limit_findings(findings, document.is_quoted_by, max_findings)

    async def lint(_question: str, _draft: str, /) -> list[Comment]:
        return await asyncio.to_thread(check)

    return lint


class _FileLines:
    """Finds the lines of cells in the notebook's JSON, from top to bottom."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._offset = 0
        self.current = 1
        """Number of the line that was found last."""

    def find(self, line: str, *, is_last: bool) -> int:
        """Return the number of the JSON's line with this line of code."""
        # Jupyter saves one string per line; all but the last one end in a line feed.
        forms = [line, line + "\n"] if is_last else [line + "\n"]
        for form, ensure_ascii in itertools.product(forms, (False, True)):
            quoted = json.dumps(form, ensure_ascii=ensure_ascii)
            position = self._text.find(quoted, self._offset)
            if position >= 0:
                self.current += self._text.count("\n", self._offset, position)
                self._offset = position + len(quoted)
                break
        return self.current


def _parse(name: str, text: str) -> Mapping[str, Any]:
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not a notebook: {error}. Save it again in Jupyter.") from None
    if not isinstance(notebook, Mapping):
        raise InputError(f"{name} is not a notebook: it is not a JSON object.")
    return notebook


def _code_cells(name: str, notebook: Mapping[str, Any]) -> list[_Cell]:
    cells = notebook.get("cells")
    worksheets = notebook.get("worksheets")
    if cells is None and isinstance(worksheets, list) and worksheets:  # version 3
        cells = worksheets[0].get("cells") if isinstance(worksheets[0], Mapping) else None
    if not isinstance(cells, list):
        raise InputError(f"{name} is not a notebook: it has no list `cells`. Save it in Jupyter.")
    language = _language(notebook)
    if language.casefold() not in _PYTHON_LANGUAGES:
        raise UnsupportedFileError(
            f"{name} is a notebook in {language}: only Python notebooks are reviewed."
        )
    code: list[_Cell] = []
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, Mapping) or cell.get("cell_type") != "code":
            continue
        source = _source(cell.get("source", cell.get("input", "")))
        if source.strip():
            code.append(_Cell(number, source))
    return code


def _language(notebook: Mapping[str, Any]) -> str:
    metadata = notebook.get("metadata")
    if not isinstance(metadata, Mapping):
        return ""
    for field, key in (("language_info", "name"), ("kernelspec", "language")):
        value = metadata.get(field)
        if isinstance(value, Mapping) and isinstance(value.get(key), str):
            return str(value[key])
    return ""


def _source(value: Any) -> str:
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    if not isinstance(value, str):
        return ""
    return value.replace("\r\n", "\n").removesuffix("\n")


def _to_json(document: Document) -> str:
    """Build a notebook of the code cells only."""
    cells: dict[int, list[str]] = {}
    for index, place in enumerate(document.cells):
        lines = cells.setdefault(place.cell, [])
        if place.line:
            lines.append(document.lines[index])
    notebook = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": str(number),
                "metadata": {},
                "outputs": [],
                "source": _TIMED_STATEMENT.sub(_as_statement, "\n".join(lines)),
            }
            for number, lines in cells.items()
        ],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook)


def _as_statement(match: re.Match[str]) -> str:
    """Replace a magic by Python of the same length, so that ruff reads its statement."""
    for prefix in ("_ =", "if 1:"):
        line = prefix.ljust(len(match["magic"])) + match["statement"]
        if is_valid_python(line):
            return line
    return match[0]


def _without_known_names(findings: Sequence[Comment], code: str) -> list[Comment]:
    """Drop undefined names that IPython, or a magic, defines."""
    has_unseen_names = _NAMING_MAGIC.search(code) is not None
    captured = set(_CAPTURED_NAME.findall(code))
    kept: list[Comment] = []
    for comment in findings:
        undefined = re.search(r"`([^`]+)`", comment.text)
        is_undefined_name = undefined is not None and comment.text.endswith(_UNDEFINED_ENDS)
        if undefined is not None and is_undefined_name:
            name = undefined[1]
            if has_unseen_names or name in captured or _SHELL_NAME.fullmatch(name):
                continue
        kept.append(comment)
    return kept


def _to_finding(document: Document, violation: Mapping[str, Any]) -> Comment:
    rule = violation["code"] or "invalid-syntax"
    first_lines = [index for index, place in enumerate(document.cells) if place.line == 0]
    heading = first_lines[violation["cell"] - 1]
    start = _offset(document, heading, violation["location"])
    end = _offset(document, heading, violation["end_location"])
    text = f"{violation['message']} ({rule})."
    comment = finding(
        document.text,
        start,
        max(start, end),
        text,
        source="lint",
        severity=severity_of_rule(rule),
    )
    return comment.model_copy(update={"rule": f"ruff/{rule}"})


def _offset(document: Document, heading: int, position: Mapping[str, int]) -> int:
    index = min(heading + position["row"], len(document.lines) - 1)
    column = min(position["column"] - 1, len(document.lines[index]))
    return document.line_starts[index] + column
