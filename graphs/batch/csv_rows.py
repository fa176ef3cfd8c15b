"""Read CSV files row by row; a row that cannot be read does not end the file."""

import csv
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from selfcritic.agent.errors import InputError
from selfcritic.graphs.batch.values import has_surrogate

_MAX_CELL_CHARS = 2**31 - 1
"""Limit of a CSV cell, the largest that the csv module accepts on every platform."""
_MAX_OPEN_QUOTES = 1_000
"""Unclosed quotes after which the rest of the file is one bad row; each is read again from its next line."""
_CONVERT = "Convert the file first, for example with: iconv -f latin1 -t utf-8"

CsvRow = tuple[dict[str, str], str | None]
"""The cells by column, and the reason why the row cannot be used."""


class _Lines:
    """Iterator of lines that remembers those of the current row."""

    def __init__(self, lines: Iterable[str], number: int) -> None:
        self._lines = iter(lines)
        self.number = number
        """Number of the last line, from 1."""
        self.of_row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self.of_row.append(line)
        return line


def read_csv(path: Path, encoding: str) -> Iterator[CsvRow]:
    """Yield the rows of a file, with the reason for each bad one.

    Raises:
        InputError: The file has no header that can be read.
    """
    csv.field_size_limit(_MAX_CELL_CHARS)  # for the whole process; the default ends the file
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        delimiter = _detect_delimiter(file, path)
        lines = _Lines(file, 0)
        try:
            header = next(csv.reader(lines, delimiter=delimiter), None)
        except csv.Error as error:
            raise InputError(f"'{path.name}' is not valid CSV: {error}.") from error
        if header is None:
            return
        _check_header(header, path)
        yield from _read_rows(lines, header, delimiter, path.name)


def _read_rows(
    lines: _Lines, header: list[str], delimiter: str, file_name: str
) -> Iterator[CsvRow]:
    for _ in range(_MAX_OPEN_QUOTES):
        lines.of_row = []
        reader = csv.reader(lines, delimiter=delimiter)
        while True:
            first_line = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield {}, f"Line {first_line} is not valid CSV: {error}."
                lines.of_row = []
                continue
            if len(lines.of_row) > 1 and _has_open_quote(lines.of_row, delimiter):
                break
            if cells:
                yield _check_row(cells, header, lines.number, file_name)
            lines.of_row = []
        # The quote took in the rest of the file: only its own line is bad.
        yield {}, f"Line {first_line} has a quote that is not closed."
        lines = _Lines(itertools.chain(lines.of_row[1:]), first_line)
    if any(True for _ in lines):
        yield {}, f"The rest of the file, from line {first_line + 1}, has too many unclosed quotes."


def _has_open_quote(lines: list[str], delimiter: str) -> bool:
    """Whether a row of several lines ends inside a quote."""
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _check_row(cells: list[str], header: list[str], number: int, file_name: str) -> CsvRow:
    row = dict(zip(header, cells, strict=False))
    if len(cells) != len(header):
        return row, f"Line {number} must have as many cells as the header."
    bad = next((cell for cell in cells if has_surrogate(cell)), None)
    if bad is None:
        return row, None
    readable = {
        name: cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for name, cell in row.items()
    }
    return (
        readable,
        f"Line {number} of '{file_name}' is not UTF-8: {_describe_bytes(bad)}. {_CONVERT}",
    )


def _check_header(header: list[str], path: Path) -> None:
    bad = next((name for name in header if has_surrogate(name)), None)
    if bad is not None:
        raise InputError(
            f"The header of '{path.name}' is not UTF-8: {_describe_bytes(bad)}. {_CONVERT}"
        )


def _describe_bytes(text: str) -> str:
    """Name the first byte that is not UTF-8."""
    byte = next(ord(char) & 0xFF for char in text if "\ud800" <= char <= "\udfff")
    return f"byte 0x{byte:02x}"


def _detect_delimiter(file: TextIO, path: Path) -> str:
    """Return the separator of a header: a semicolon or tab only if it has no comma."""
    header = file.readline()
    file.seek(0)
    if path.suffix.lower() == ".tsv":
        return "\t"
    for delimiter in (",", ";", "\t"):
        if delimiter in header:
            return delimiter
    return ","
