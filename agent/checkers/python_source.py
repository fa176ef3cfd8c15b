"""The Python code in a draft, and the place in the draft of everything that stands in it.

The code is the draft itself where that is plainly a Python file; else its largest block in a Markdown fence marked as
Python; else the largest one without any mark that is plainly Python. Sessions with the interpreter ("> > >") are none.
Plainly Python: its first line of code is one of Python's, and there are more lines that only Python has (`def f(`,
`from x import y`, `if x:` …) than lines that only other languages have. Nothing is parsed, so broken code is seen too.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_BLOCK = re.compile(
    r"""
    ^(?P<indent>[ \t]*+) (?P<fence>(?P<mark>[`~])(?P=mark){2,}+) [ \t]*+ \{?\.? (?P<language>[\w+#-]*+) [^\n]*+ \n
    (?P<code>(?s:.*?)) (?:^[ \t]*+ (?P=fence)(?P=mark)*+ [ \t\r]*+$ | \Z)
    """,
    re.MULTILINE | re.VERBOSE,
)
_LANGUAGES = {"python", "python3", "py", "py3", "pyi"}
_LINE_END = re.compile(r"\r\n|\r|\n")  # where Python, ruff and pyright end lines; `str.splitlines` ends more
_READ = 100_000  # characters by which it is told what language a text is in
_SHARE = 0.2  # of the lines, at least, that are plainly Python's; docstrings and long literals are not

_STRONG = re.compile(
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
_WEAK = re.compile(
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
_OTHER = re.compile(
    r"""
    .* (?: ; | \)\s*\{ | \b(?:else|try|do)\s*\{ | => \s* \{? ) \s*
  | \s* (?:function|fn|func|fun|let|const|var|val|public|private|package|using|namespace|module|data) \s .*
  | \s* (?: \#include .* | // .* | end | </?\w .* )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Code:
    """Code, and for each of its lines the offset in the draft of the line's first character."""

    text: str
    starts: Sequence[int]
    lines: Sequence[str]
    """The lines without their ends."""

    def offset(self, row: int, column: int) -> int:
        """The offset in the draft of a place: row from 1, column from 0 in characters, kept within the line."""
        row = min(max(row, 1), len(self.lines))
        return self.starts[row - 1] + min(max(column, 0), len(self.lines[row - 1]))

    def column_from_utf16(self, row: int, units: int) -> int:
        """The column in characters of one that is counted in units of UTF-16."""
        line = self.lines[row - 1] if 0 < row <= len(self.lines) else ""
        return len(line.encode("utf-16-le", "surrogatepass")[: 2 * units].decode("utf-16-le", "ignore"))

    def in_characters_of_bytes(self, row: int, units: int) -> int:
        """The column in characters of one that is counted in bytes of UTF-8."""
        line = self.lines[row - 1] if 0 < row <= len(self.lines) else ""
        return len(line.encode("utf-8", "surrogatepass")[:units].decode("utf-8", "ignore"))


def find_python(draft: str) -> Code | None:
    """The draft's Python code; None where it has none."""
    if _is_plainly_python(draft):
        return as_code(draft)
    blocks = [block for block in _BLOCK.finditer(draft) if not block["code"].lstrip().startswith(">>>")]
    verify_comments = [block for block in blocks if block["language"].lower() in _LANGUAGES]
    others = (block for block in blocks if not block["language"] and _is_plainly_python(block["code"]))
    block = max(verify_comments or others, key=lambda block: len(block["code"]), default=None)
    return None if block is None else _code(block["code"], block.start("code"), block["indent"])


def as_code(draft: str) -> Code:
    """The draft as code, whatever it is."""
    return _code(draft, 0, "")


def _code(text: str, start: int, indent: str) -> Code:
    """The code with the indentation of its fence taken off its lines."""
    lines, starts, ends = [], [], []
    for at, line, end in _lines(text):
        spare = len(line) - len(line.lstrip(" \t")) if indent else 0
        cut = min(len(indent), spare) or (at == 0 and line.startswith("\ufeff"))
        lines.append(line[cut:])
        starts.append(start + at + cut)
        ends.append(end)
    return Code("".join(line + end for line, end in zip(lines, ends, strict=True)), starts, lines)


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """The offset of each line, the line, and its end."""
    at = 0
    for end in _LINE_END.finditer(text):
        yield at, text[at : end.start()], end[0]
        at = end.end()
    yield at, text[at:], ""


def _is_plainly_python(text: str) -> bool:
    every = (line[:200] for _, line, _ in _lines(text[:_READ].removeprefix("\ufeff")))
    lines = [line for line in every if line.strip() and not line.lstrip().startswith("#")]
    if not lines or not (_STRONG.fullmatch(lines[0]) or _WEAK.fullmatch(lines[0])):
        return False
    strong = sum(bool(_STRONG.fullmatch(line)) for line in lines)
    others = sum(bool(_OTHER.fullmatch(line)) for line in lines)
    plain = strong + sum(bool(_WEAK.fullmatch(line)) for line in lines if not _STRONG.fullmatch(line))
    if strong:
        return strong > others and plain >= _SHARE * len(lines)
    return not others and plain == len(lines) and any(_CALL.fullmatch(line) for line in lines)
