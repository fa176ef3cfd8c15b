"""Select the lines of a document to print, and the words that comments quote."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from selfcritic.agent.schemas import Severity
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.result import LocatedComment, severity_rank

_MAX_WHOLE_FILE = 1000
"""Maximum number of lines of a file that is printed in full."""
_DEFAULT_CONTEXT = 3
"""Context lines of diffs and of longer files."""
_MAX_LINE_CHARS = 500
"""Maximum characters of a line that is printed; minified files have one line."""
_CHARS_BEFORE_QUOTE = 100


@dataclass(frozen=True)
class QuotedSpan:
    """Columns of one line that a comment quotes."""

    line: int
    start: int
    end: int
    severity: Severity


def shorten(text: str, max_chars: int) -> str:
    """Cut a long text, and say how much is missing."""
    if len(text) <= max_chars:
        return text
    rest = len(text) - max_chars
    return f"{text[:max_chars]}… ({rest:,} more characters; --json has all)"


def clip_line(line: str, spans: Sequence[QuotedSpan]) -> tuple[str, Sequence[QuotedSpan]]:
    """Cut a very long line to the part around its first quote."""
    if len(line) <= _MAX_LINE_CHARS:
        return line, spans
    first_quote = min((span.start for span in spans), default=0)
    start = max(first_quote - _CHARS_BEFORE_QUOTE, 0)
    end = min(start + _MAX_LINE_CHARS, len(line))
    before = "…" if start else ""
    after = "…" if end < len(line) else ""
    clipped: list[QuotedSpan] = []
    for span in spans:
        if span.start < end:
            shifted_start = span.start - start + len(before)
            shifted_end = min(span.end, end) - start + len(before)
            clipped.append(replace(span, start=shifted_start, end=shifted_end))
    return f"{before}{line[start:end]}{after}", clipped


def select_lines(
    document: Document,
    quoted_lines: Iterable[int],
    context_lines: int | None,
) -> Iterable[int]:
    """Return the indices of the lines to print: all, or those around quotes and changes."""
    num_lines = len(document.lines)
    centers = set(quoted_lines)
    if context_lines is None:
        if document.changed_lines is None and num_lines <= _MAX_WHOLE_FILE:
            return range(num_lines)
        context_lines = _DEFAULT_CONTEXT
        centers |= document.changed_lines or set()
    selected: set[int] = set()
    for center in centers:
        first = max(center - context_lines, 0)
        last = min(center + context_lines, num_lines - 1)
        selected.update(range(first, last + 1))
    return sorted(selected)


def quoted_spans(document: Document, comment: LocatedComment) -> Iterator[QuotedSpan]:
    """Split a quote by line, without indentation."""
    location = comment.location
    for line in range(location.line, location.end_line + 1):
        text = document.lines[line]
        start = 0
        end = len(text)
        if line == location.line:
            start = location.column
        if line == location.end_line:
            end = location.end_column
        quoted = text[start:end]
        indent = len(quoted) - len(quoted.lstrip())
        yield QuotedSpan(line, start + indent, end, comment.severity)


def max_severity(spans: Sequence[QuotedSpan]) -> Severity:
    """Return the highest severity of some quotes."""
    severities = [span.severity for span in spans]
    return max(severities, key=severity_rank)
