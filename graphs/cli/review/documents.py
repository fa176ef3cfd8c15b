"""What is reviewed: files and standard input, read or refused with a reason, and where in them a quote stands."""

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
_ESCAPED = re.compile("[\udc80-\udcff]")
"""Bytes that were no UTF-8, as `surrogateescape` hands them on."""


@dataclass(frozen=True)
class Place:
    """Where a quote stands: lines by index, columns in characters from 0, the end column behind the last character."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True)
class Document:
    """A text to review; its lines end in "\\n" or "\\r\\n", and nowhere else."""

    name: str
    """As the person named it, or as the diff names it."""
    text: str
    uri: str
    """Relative to the root of the repository where the file is in it."""
    numbers: Sequence[int] | None = None
    """Of each line, its number in the file, 0 where it is none of it; None where the text is the whole file."""
    changed: frozenset[int] | None = None
    """By index, the lines that a diff changed: only they are to be quoted. None where there is no diff."""
    diff: str = ""

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends; no empty one behind the last line end."""
        return [line.removesuffix("\r") for line in self.text.removesuffix("\n").split("\n")]

    @cached_property
    def starts(self) -> list[int]:
        """Offset of each line's first character."""
        return list(accumulate((len(line) + 1 for line in self.text.split("\n")), initial=0))[: len(self.lines)]

    def place(self, start: int, end: int) -> Place:
        """Where `text[start:end]` stands, without a last line end and without lines that are none of the file."""
        end = start + len(self.text[start:end].rstrip("\r\n"))
        first, last = (bisect_right(self.starts, at) - 1 for at in (start, max(end - 1, start)))
        column, end_column = start - self.starts[first], end - self.starts[last]
        while first < last and not self.number(first):
            first, column = first + 1, 0
        while first < last and not self.number(last):
            last, end_column = last - 1, len(self.lines[last - 1])
        return Place(first, min(column, len(self.lines[first])), last, min(end_column, len(self.lines[last])))

    def number(self, line: int) -> int:
        """The number that a line has in the file, from 1; 0 where it is none of it."""
        return line + 1 if self.numbers is None else self.numbers[line]

    def is_quotable(self, start: int, end: int) -> bool:
        """Whether a quote touches a line that may be quoted."""
        place = self.place(start, end)
        return self.changed is None or not self.changed.isdisjoint(range(place.line, place.end_line + 1))


def read(name: str) -> str:
    """The text of a file or of standard input, with its own line ends; bytes that are no UTF-8 are escaped.

    A byte order mark is no part of the text. UTF-16 is read where it has such a mark, Python source in the encoding
    that it declares. Raises InputError for a binary file, OSError for one that cannot be read.
    """
    data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    if b"\0" in data:
        raise InputError(f"{title(name)} is binary, not text; name text files alone.")
    return data.decode(_encoding(name, data), "surrogateescape")


def document(name: str, text: str, called: str) -> Document:
    """A whole file as a document; raises InputError where it is no UTF-8."""
    if strange := _ESCAPED.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        raise InputError(
            f"{title(name)} is not UTF-8: byte 0x{ord(strange[0]) - 0xDC00:02x} in line {line}. Convert it first, "
            "for instance with: iconv -f latin1 -t utf-8"
        )
    return Document(name=called, text=text, uri=uri(called))


def is_utf8(text: str) -> bool:
    """Whether all bytes that were read as this text were UTF-8."""
    return _ESCAPED.search(text) is None


def title(name: str) -> str:
    """How an input is called in a message."""
    return "Standard input" if name == STDIN else name


def root() -> Path:
    """The root of the repository that the command is run in; the working folder where there is none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def uri(name: str) -> str:
    """A file's address: relative to the root where it lies below it, absolute elsewhere."""
    path = Path(name).resolve()
    return quote(path.relative_to(root()).as_posix()) if path.is_relative_to(root()) else path.as_uri()


def _encoding(name: str, data: bytes) -> str:
    """UTF-8 but for Python source that declares another one."""
    if name.endswith((".py", ".pyi")):
        try:
            declared, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        except SyntaxError:  # no such encoding, or no UTF-8
            return "utf-8-sig"
        return "utf-8-sig" if declared == "utf-8" else declared
    return "utf-8-sig"
