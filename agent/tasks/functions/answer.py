"""Find the code of an answer, and its lines."""

import re
from typing import NamedTuple

MAX_CODE_CHARS = 20_000
_MAX_LINES = 200

_BLOCK = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,})[^\n]*\n(?P<code>.*?)(?:^ {0,3}(?P=fence)|\Z)", re.M | re.S
)
_BLANK = re.compile(r"[ \t\r]*(?:#[^\r]*)?\r?")


class CodeBlock(NamedTuple):
    """The code of an answer, and its offset."""

    start: int
    text: str


class CodeLine(NamedTuple):
    """A line of an answer, and its offset.

    `code_lines` strips trailing whitespace from the text.
    """

    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset after the last character."""
        return self.start + len(self.text)

    @property
    def indent(self) -> str:
        """The leading whitespace."""
        return self.text[: len(self.text) - len(self.text.lstrip())]

    @property
    def content_start(self) -> int:
        """The offset after the leading whitespace."""
        return self.start + len(self.indent)


def find_code(answer: str) -> CodeBlock:
    """Return the largest fenced block, or the whole answer."""
    largest = max(_BLOCK.finditer(answer), key=_code_length, default=None)
    if largest is None:
        return CodeBlock(0, answer)
    return CodeBlock(largest.start("code"), largest["code"])


def _code_length(block: re.Match[str]) -> int:
    return len(block["code"])


def code_lines(answer: str) -> list[CodeLine]:
    """Return the lines of code, without blank lines and comments.

    Returns [] for code of more than 20,000 characters or 200 line ends.
    """
    block = find_code(answer)
    if len(block.text) > MAX_CODE_CHARS or block.text.count("\n") > _MAX_LINES:
        return []
    lines = []
    start = block.start
    for text in block.text.split("\n"):
        line = CodeLine(text.rstrip(" \t\r"), start)
        if not _BLANK.fullmatch(line.text):
            lines.append(line)
        start += len(text) + 1
    return lines
