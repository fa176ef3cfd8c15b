"""Find the Python code in a draft and map its positions to the draft.

The code is, in this order:

1. the whole draft, if it looks like a Python file;
2. its largest Markdown block marked as Python;
3. its largest unmarked block that looks like Python.

Interpreter sessions (">>>") are not code. A text looks like Python if its first line of code does, and if lines that
occur only in Python (`def f(`, `from x import y`, `if x:` …) outnumber those that occur only in other languages.
Nothing is parsed, so code with syntax errors is found too.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_FENCED_BLOCK = re.compile(
    r"""
    ^(?P<indent>[ \t]*+) (?P<fence>(?P<mark>[`~])(?P=mark){2,}+) [ \t]*+ \{?\.? (?P<language>[\w+#-]*+) [^\n]*+ \n
    (?P<code>(?s:.*?)) (?:^[ \t]*+ (?P=fence)(?P=mark)*+ [ \t\r]*+$ | \Z)
    """,
    re.MULTILINE | re.VERBOSE,
)
_PYTHON_TAGS = {"python", "python3", "py", "py3", "pyi"}
# Line ends of Python, ruff and pyright; `str.splitlines` has more.
_LINE_END = re.compile(r"\r\n|\r|\n")
_MAX_CHARS_READ = 100_000
_MAX_LINE_CHARS = 200
_MIN_PYTHON_SHARE = 0.2  # of the lines; docstrings and long literals do not look like Python

# Lines that occur in Python only.
_PYTHON_ONLY = re.compile(
    r"""
    \s* (?:
        (?:async\s+)? def \s+ \w+ \s* \( [^{;]*
      | class \s+ \w+ \s* (?:\([^{;]*)? :? \s*
      | from \s+ [\w.]+ \s+ import \b [^;{]*
      | import \s+ [\w.]+ (?:\s+as\s+\w+)? (?:\s*,\s*[\w.]+(?:\s+as\s+\w+)?)* \s*
      | (?:if|elif|while|with|for|except|async\s+for|async\s+with) \b [^#]* : \s*
      | (?:else|try|finally|except) \s* : \s*
    ) (?:\#.*)?
    """,
    re.VERBOSE,
)
# Lines that occur in Python and in other languages.
_MAYBE_PYTHON = re.compile(
    r"""
    \s* (?:
        [\w.]+ (?:\[.*\])? \s* (?:[-+*/%&|^@]|//|\*\*|<<|>>)? = (?![=>]) .*  # an assignment, plain or augmented
      | \w+ \s* : \s* [\w."'\[] [^;{]*                                        # an annotation
      | [\w.]+ \( .* | print \b .*                                             # a call
      | (?:return|raise|yield|await|assert|del|global|nonlocal|pass|break|continue) \b [^;{]*
      | @ \s* \w .* | [rRbBuUfF]? ["'] .* | [\])}] .*
    )
    """,
    re.VERBOSE,
)
_CALL = re.compile(r"\s*[\w.]+\(.*\)\s*(?:#.*)?|\s*print\b.*")
# Lines that occur in other languages only.
_OTHER_LANGUAGE = re.compile(
    r"""
    .* (?: ; | \)\s*\{ | \b(?:else|try|do)\s*\{ | => \s* \{? ) \s*
  | \s* (?:function|fn|func|fun|let|const|var|val|public|private|package|using|namespace|module|data) \s .*
  | \s* (?: \#include .* | // .* | end | </?\w .* )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Code:
    """Python code and the position of each of its lines in the draft."""

    text: str
    starts: Sequence[int]
    """Offset in the draft of the first character of each line."""
    lines: Sequence[str]
    """The lines without their line ends."""

    def offset(self, row: int, column: int) -> int:
        """Return the offset in the draft of a position in the code.

        The row counts from 1, the column from 0 in characters. Both are clipped to the code.
        """
        row = min(max(row, 1), len(self.lines))
        line = self.lines[row - 1]
        return self.starts[row - 1] + min(max(column, 0), len(line))

    def column_from_utf16(self, row: int, units: int) -> int:
        """Convert a column in UTF-16 code units to characters."""
        encoded = self._line(row).encode("utf-16-le", "surrogatepass")
        return len(encoded[: 2 * units].decode("utf-16-le", "ignore"))

    def column_from_utf8(self, row: int, units: int) -> int:
        """Convert a column in UTF-8 bytes to characters."""
        encoded = self._line(row).encode("utf-8", "surrogatepass")
        return len(encoded[:units].decode("utf-8", "ignore"))

    def _line(self, row: int) -> str:
        return self.lines[row - 1] if 0 < row <= len(self.lines) else ""


def find_python(draft: str) -> Code | None:
    """Return the draft's Python code, or None if it has no code."""
    if _looks_like_python(draft):
        return as_code(draft)

    marked_blocks: list[re.Match[str]] = []
    unmarked_blocks: list[re.Match[str]] = []
    for block in _FENCED_BLOCK.finditer(draft):
        if block["code"].lstrip().startswith(">>>"):
            continue
        if block["language"].lower() in _PYTHON_TAGS:
            marked_blocks.append(block)
        elif not block["language"]:
            unmarked_blocks.append(block)

    blocks = marked_blocks or [
        block for block in unmarked_blocks if _looks_like_python(block["code"])
    ]
    if not blocks:
        return None
    largest = max(blocks, key=lambda block: len(block["code"]))
    return _make_code(largest["code"], largest.start("code"), largest["indent"])


def as_code(draft: str) -> Code:
    """Treat the whole draft as code."""
    return _make_code(draft, 0, "")


def is_valid_python(text: str) -> bool:
    """Return whether the text parses."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _make_code(text: str, start: int, indent: str) -> Code:
    """Build the code of a block, without its fence's indentation."""
    parts: list[str] = []
    lines: list[str] = []
    starts: list[int] = []
    for offset, line, line_end in _split_lines(text):
        cut = 0
        if indent:
            line_indent = len(line) - len(line.lstrip(" \t"))
            cut = min(len(indent), line_indent)
        if cut == 0 and offset == 0 and line.startswith("\ufeff"):
            cut = 1
        lines.append(line[cut:])
        starts.append(start + offset + cut)
        parts += [line[cut:], line_end]
    return Code("".join(parts), starts, lines)


def _split_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the offset, text and line end of each line."""
    offset = 0
    for line_end in _LINE_END.finditer(text):
        yield offset, text[offset : line_end.start()], line_end[0]
        offset = line_end.end()
    yield offset, text[offset:], ""


def _looks_like_python(text: str) -> bool:
    lines = _code_lines(text)
    if not lines or not (_PYTHON_ONLY.fullmatch(lines[0]) or _MAYBE_PYTHON.fullmatch(lines[0])):
        return False

    num_python_only = 0
    num_maybe_python = 0
    num_other_language = 0
    for line in lines:
        if _PYTHON_ONLY.fullmatch(line):
            num_python_only += 1
        elif _MAYBE_PYTHON.fullmatch(line):
            num_maybe_python += 1
        if _OTHER_LANGUAGE.fullmatch(line):
            num_other_language += 1

    num_python = num_python_only + num_maybe_python
    if num_python_only:
        return num_python_only > num_other_language and num_python >= _MIN_PYTHON_SHARE * len(lines)
    if num_other_language or num_python < len(lines):
        return False
    return any(_CALL.fullmatch(line) for line in lines)


def _code_lines(text: str) -> list[str]:
    """Return the start of each line that is neither blank nor a comment."""
    beginning = text[:_MAX_CHARS_READ].removeprefix("\ufeff")
    lines: list[str] = []
    for _, line, _ in _split_lines(beginning):
        line_start = line[:_MAX_LINE_CHARS]
        if line_start.strip() and not line_start.lstrip().startswith("#"):
            lines.append(line_start)
    return lines


def split_lines(text: str) -> list[str]:
    """Split at the line ends of Python."""
    return _LINE_END.split(text)


def mask_surrogates(text: str) -> str:
    """Replace each surrogate, which cannot be written to a file; offsets stay the same."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
