"""Read files and standard input, and map offsets to lines and columns."""

import codecs
import io
import re
import sys
import tokenize
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Literal

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.graphs.cli.review.repository import file_uri

STDIN = "-"
MAX_BYTES = 50_000_000
PYTHON_SUFFIXES = (".py", ".pyw", ".pyi")
NOTEBOOK_SUFFIX = ".ipynb"
DIFF_SUFFIXES = (".diff", ".patch")
_MARKED_ENCODINGS = {
    codecs.BOM_UTF32_LE: "utf-32",  # starts with the mark of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
"""A non-UTF-8 byte, as decoded by `surrogateescape`."""
_ESCAPE_BASE = 0xDC00


class UnsupportedFileError(InputError):
    """The file has a type that is not reviewed, such as an image."""


@dataclass(frozen=True)
class Location:
    """Lines and columns of a quote.

    Line indices and columns count from 0, columns in characters; the end column is exclusive.
    """

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True)
class CellLine:
    """Place of a line in a notebook."""

    cell: int
    """Number of the cell, from 1, Markdown cells included."""
    line: int
    """Number of the line in the cell, from 1; 0 for the cell's heading."""
    file_line: int
    """Number of the line in the notebook's JSON."""


@dataclass(frozen=True)
class Skipped:
    """An input that is not reviewed."""

    name: str
    reason: str
    """Predicate of a sentence about it, such as "is binary"."""
    kind: Literal["empty", "missing", "unsupported", "unreadable"]
    """Whether it has nothing to review, no input came, its type is not supported, or it could not be read."""


@dataclass(frozen=True)
class Document:
    r"""A text to review. Its lines end in "\n" or "\r\n"."""

    name: str
    """Name on the command line or in the diff."""
    text: str
    uri: str
    """Relative to the repository root for files in the repository."""
    line_numbers: Sequence[int] | None = None
    """Line numbers in the file, 0 for hunk headings; None if the text is the whole file."""
    changed_lines: frozenset[int] | None = None
    """Indices of the lines that a diff added; only these may be quoted. None without a diff."""
    diff: str = ""
    num_hunks: int = 0
    path: Path | None = None
    """The file whose whole text this is; None for hunks and for text without a file."""
    cells: Sequence[CellLine] = ()
    """Place of each line in its notebook; empty for other files."""
    before: "Document | None" = None
    """The whole file before the change of a diff; None if it is not known."""

    @cached_property
    def lines(self) -> list[str]:
        """Lines without line endings; a trailing newline adds no empty line."""
        lines = self.text.removesuffix("\n").split("\n")
        return [line.removesuffix("\r") for line in lines]

    @cached_property
    def line_starts(self) -> list[int]:
        """Offset of the first character of each line."""
        lengths = (len(line) + 1 for line in self.text.split("\n"))
        starts = list(accumulate(lengths, initial=0))
        return starts[: len(self.lines)]

    def locate(self, start: int, end: int) -> Location:
        """Map `text[start:end]` to lines and columns.

        Excludes a final line ending, and hunk headings at either end of the quote.
        """
        end = start + len(self.text[start:end].rstrip("\r\n"))
        last_character = max(end - 1, start)
        first = bisect_right(self.line_starts, start) - 1
        last = bisect_right(self.line_starts, last_character) - 1
        column = start - self.line_starts[first]
        end_column = end - self.line_starts[last]
        while first < last and not self.line_number(first):
            first += 1
            column = 0
        while first < last and not self.line_number(last):
            last -= 1
            end_column = len(self.lines[last])
        return Location(
            line=first,
            column=min(column, len(self.lines[first])),
            end_line=last,
            end_column=min(end_column, len(self.lines[last])),
        )

    def line_number(self, line: int) -> int:
        """Map a line index to its number in the file or cell; 0 for headings."""
        if self.cells:
            return self.cells[line].line
        if self.line_numbers is None:
            return line + 1
        return self.line_numbers[line]

    def file_line(self, line: int) -> int:
        """Map a line index to its number in the file on disk."""
        if self.cells:
            return self.cells[line].file_line
        return self.line_number(line)

    def cell_number(self, location: Location) -> int | None:
        """Return the number of a location's cell; None outside of notebooks."""
        return self.cells[location.line].cell if self.cells else None

    def describe(self, location: Location) -> str:
        """Describe where a location starts, such as "x.py:12:5" or "x.ipynb:cell 3:2:5"."""
        place = f"{self.line_number(location.line)}:{location.column + 1}"
        cell = self.cell_number(location)
        if cell is not None:
            place = f"cell {cell}:{place}"
        return f"{self.name}:{place}"

    @property
    def adds_nothing(self) -> bool:
        """Whether the document is from a diff that adds no lines to it."""
        return self.changed_lines is not None and not self.changed_lines

    def is_quotable(self, location: Location) -> bool:
        """Check that a location touches a changed line; always true without a diff."""
        if self.changed_lines is None:
            return True
        lines = range(location.line, location.end_line + 1)
        return not self.changed_lines.isdisjoint(lines)

    def is_quoted_by(self, comment: Comment) -> bool:
        """Check that a located comment touches a changed line."""
        start = comment.start or 0
        return self.is_quotable(self.locate(start, comment.end or start))


def read_text(name: str) -> str:
    """Decode a file or standard input; escape invalid bytes.

    Keeps line endings and drops a byte order mark. Decodes UTF-16 and UTF-32 by their byte order mark, and Python
    source by its declared encoding.

    Raises:
        UnsupportedFileError: The file is binary.
        InputError: The file is too large, or has an unknown encoding.
        OSError: The file cannot be read.
    """
    data = _read_bytes(name)
    for mark, encoding in _MARKED_ENCODINGS.items():
        if data.startswith(mark):
            return _decode_marked(name, data, encoding)
    if b"\0" in data:
        is_supported = name.casefold().endswith((*PYTHON_SUFFIXES, NOTEBOOK_SUFFIX))
        error_type = InputError if is_supported else UnsupportedFileError
        raise error_type(
            f"{display_name(name)} is binary: pass text files only, in UTF-8 or UTF-16 with a byte order mark."
        )
    encoding = _detect_encoding(name, data)
    try:
        return data.decode(encoding, "surrogateescape")
    except (LookupError, UnicodeError) as error:  # such as rot13 and punycode
        raise _bad_encoding(name, error) from None


def _read_bytes(name: str) -> bytes:
    if name == STDIN:
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with Path(name).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        limit = MAX_BYTES // 1_000_000
        raise InputError(
            f"{display_name(name)} has over {limit} MB, the most that can be reviewed at once. Split it into parts."
        )
    return data


def _decode_marked(name: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{display_name(name)} has a byte order mark of {encoding.upper()}, but invalid bytes at offset "
            f"{error.start}. Save it as UTF-8."
        ) from None


def create_document(name: str, text: str, document_name: str | None = None) -> Document:
    """Build a document from a whole file; `document_name` overrides its name.

    Raises:
        InputError: The text has bytes that are not UTF-8.
    """
    invalid_byte = _ESCAPED_BYTE.search(text)
    if invalid_byte is not None:
        line = text.count("\n", 0, invalid_byte.start()) + 1
        byte = ord(invalid_byte[0]) - _ESCAPE_BASE
        raise InputError(
            f"{display_name(name)} is not UTF-8: byte 0x{byte:02x} in line {line}. "
            "Convert it first, for example with: iconv -f latin1 -t utf-8"
        )
    document_name = document_name or name
    path = Path(document_name).absolute()
    return Document(
        name=document_name,
        text=text,
        uri=file_uri(document_name),
        path=path if path.is_file() else None,
    )


def is_utf8(text: str) -> bool:
    """Check that `read_text` escaped no bytes."""
    return _ESCAPED_BYTE.search(text) is None


def display_name(name: str) -> str:
    """Return the name of an input for messages."""
    return "Standard input" if name == STDIN else name


def _detect_encoding(name: str, data: bytes) -> str:
    default = "utf-8-sig"
    if not name.casefold().endswith(PYTHON_SUFFIXES):
        return default
    try:
        declared, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        if "unknown encoding" in str(error):
            raise InputError(
                f"{name} declares an encoding that Python lacks: {error}. Correct the comment in its first lines."
            ) from None
        return default  # invalid UTF-8
    return default if declared == "utf-8" else declared


def _bad_encoding(name: str, error: Exception) -> InputError:
    return InputError(
        f"{display_name(name)} declares an encoding that Python cannot read: {error}. Correct the comment in its first "
        "lines."
    )
