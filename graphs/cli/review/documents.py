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
from urllib.parse import quote

from selfcritic.agent.errors import InputError

STDIN = "-"
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
"""A non-UTF-8 byte, as decoded by `surrogateescape`."""
_ESCAPE_BASE = 0xDC00


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
        """Map a line index to its number in the file; 0 for hunk headings."""
        if self.line_numbers is None:
            return line + 1
        return self.line_numbers[line]

    def is_quotable(self, location: Location) -> bool:
        """Check that a location touches a changed line; always true without a diff."""
        if self.changed_lines is None:
            return True
        lines = range(location.line, location.end_line + 1)
        return not self.changed_lines.isdisjoint(lines)


def read_text(name: str) -> str:
    """Decode a file or standard input; escape invalid bytes.

    Keeps line endings and drops a byte order mark. Decodes UTF-16 by its byte order mark, and Python source by its
    declared encoding.

    Raises:
        InputError: The file is binary.
        OSError: The file cannot be read.
    """
    data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    if b"\0" in data:
        raise InputError(f"{display_name(name)} is binary: pass text files only.")
    return data.decode(_detect_encoding(name, data), "surrogateescape")


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
    return Document(name=document_name, text=text, uri=file_uri(document_name))


def is_utf8(text: str) -> bool:
    """Check that `read_text` escaped no bytes."""
    return _ESCAPED_BYTE.search(text) is None


def display_name(name: str) -> str:
    """Return the name of an input for messages."""
    return "Standard input" if name == STDIN else name


def repo_root() -> Path:
    """Return the enclosing Git repository, or the working directory."""
    working_dir = Path.cwd()
    for folder in (working_dir, *working_dir.parents):
        if (folder / ".git").exists():
            return folder
    return working_dir


def file_uri(name: str) -> str:
    """Return a URI relative to the repository root, or absolute outside it."""
    path = Path(name).resolve()
    root = repo_root()
    if path.is_relative_to(root):
        return quote(path.relative_to(root).as_posix())
    return path.as_uri()


def _detect_encoding(name: str, data: bytes) -> str:
    default = "utf-8-sig"
    if not name.endswith((".py", ".pyi")):
        return default
    try:
        declared, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError:  # an unknown encoding, or invalid UTF-8
        return default
    return default if declared == "utf-8" else declared
