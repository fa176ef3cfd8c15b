"""Print a document with each comment below the line that it quotes.

On a terminal, quotes are colored by severity and long lines wrap. In a pipe, quotes are marked with » and «, and lines
do not wrap. Visible symbols replace control characters.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console
from rich.text import Text

from selfcritic.agent.schemas import SEVERITIES, Severity
from selfcritic.graphs.cli.control_characters import escape_controls
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.result import LocatedComment, Review, severity_rank

_COLORS: dict[Severity, str] = {
    "low": "cyan",
    "medium": "yellow",
    "high": "red",
}
_TAB_SIZE = 4
_MIN_TEXT_WIDTH = 20
_MAX_WHOLE_FILE = 1000
"""Maximum number of lines of a file that is printed in full."""
_DEFAULT_CONTEXT = 3
"""Context lines of diffs and of longer files."""


@dataclass(frozen=True)
class _QuotedSpan:
    """Columns of one line that a comment quotes."""

    line: int
    start: int
    end: int
    severity: Severity


class ReviewPrinter:
    """Prints reviews to a console.

    `context_lines=None` prints whole files, but only three context lines for diffs and files over 1,000 lines.
    """

    def __init__(
        self,
        console: Console,
        min_severity: Severity,
        context_lines: int | None,
    ) -> None:
        self._console = console
        self._min_severity = min_severity
        self._context_lines = context_lines

    def print(self, review: Review) -> None:
        """Print the document, then the comments without a location."""
        comments = review.comments(self._min_severity)
        heading = Text(escape_controls(review.document.name), style="bold")
        summary = _summarize(comments) + _incomplete_note(review)
        self._write(Text.assemble(heading, (f"  {summary}", "dim")))
        if comments:
            self._print_document(review.document, comments)
        self._print_unlocated(review)

    def _print_document(self, document: Document, comments: Sequence[LocatedComment]) -> None:
        comments_below: defaultdict[int, list[LocatedComment]] = defaultdict(list)
        spans: defaultdict[int, list[_QuotedSpan]] = defaultdict(list)
        for comment in comments:
            comments_below[comment.location.end_line].append(comment)
            for span in _quoted_spans(document, comment):
                spans[span.line].append(span)
        largest_number = max(document.line_number(line) for line in comments_below)
        if self._context_lines is not None:
            largest_number += self._context_lines
        number_width = len(str(largest_number))
        ellipsis = "⋮".rjust(number_width + 2)
        previous = -1
        for line in self._select_lines(document, spans):
            if line != previous + 1:
                self._write_dim(ellipsis)
            previous = line
            self._print_line(document, line, spans[line], number_width)
            for comment in _most_severe_first(comments_below[line]):
                self._print_comment(comment, number_width)

    def _select_lines(
        self,
        document: Document,
        quoted_lines: Iterable[int],
    ) -> Iterable[int]:
        num_lines = len(document.lines)
        context_lines = self._context_lines
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

    def _print_line(
        self,
        document: Document,
        line: int,
        spans: Sequence[_QuotedSpan],
        number_width: int,
    ) -> None:
        number = str(document.line_number(line) or "")
        marker = " "
        if document.changed_lines is not None and line in document.changed_lines:
            marker = "+"
        gutter = Text()
        gutter.append(f"{number.rjust(number_width + 2)} {marker}", "dim")
        if spans:
            gutter.append("┃ ", _COLORS[_max_severity(spans)])
        else:
            gutter.append("│ ", "dim")
        highlighted = self._highlight(document.lines[line], spans)
        self._print_indented(gutter, highlighted)

    def _highlight(self, line: str, spans: Sequence[_QuotedSpan]) -> Text:
        """Mark quotes; overlapping ones get the color of the highest severity."""
        is_plain = not self._console.is_terminal
        edges = {0, len(line)}
        for span in spans:
            edges |= {span.start, span.end}
        text = Text()
        was_quoted = False
        for start, end in pairwise(sorted(edges)):
            covering = [span for span in spans if span.start <= start and end <= span.end]
            is_quoted = bool(covering)
            if is_plain and is_quoted and not was_quoted:
                text.append("»")
            if is_plain and was_quoted and not is_quoted:
                text.append("«")
            style = ""
            if is_quoted:
                style = f"underline {_COLORS[_max_severity(covering)]}"
            part = escape_controls(line[start:end])
            text.append(part, style)
            was_quoted = is_quoted
        if is_plain and was_quoted:
            text.append("«")
        text.expand_tabs(_TAB_SIZE)
        return text

    def _print_comment(self, located: LocatedComment, number_width: int) -> None:
        comment = located.comment
        color = _COLORS[located.severity]
        lead = Text(" " * (number_width + 4))
        lead.append("╰ ", color)
        label = f" {located.source}"
        if comment.evidence and comment.source is None:
            label += f", {comment.evidence}"
        style = "dim" if comment.evidence == "refuted" else ""
        text = Text()
        text.append(comment.severity or "unrated", f"bold {color}")
        text.append(f"{label}: ", "dim")
        text.append(escape_controls(comment.text, keep="\n"), style)
        self._print_indented(lead, text)

    def _print_unlocated(self, review: Review) -> None:
        """Print unmatched quotes, unparsed text and the hidden count."""
        indent = Text("  ")
        if review.unlocated:
            self._write_dim("  Quotes that are not in the file:")
        for comment in review.unlocated:
            quote = " ".join(comment.quote.split())
            text = Text(f"»{escape_controls(quote)}« ")
            text.append(escape_controls(comment.text, keep="\n"), "dim")
            self._print_indented(indent, text)
        if review.critique is not None and review.critique.unparsed:
            self._write_dim("  Text without a quote:")
            unparsed = escape_controls(review.critique.unparsed, keep="\n")
            self._print_indented(indent, Text(unparsed, style="dim"))
        if review.ungrounded_critiques:
            num_critiques = len(review.output["rounds"][0].critiques)
            self._write_dim(
                f"  {review.ungrounded_critiques} of {num_critiques} critiques quoted nothing in the file."
            )
        if review.hidden_count:
            self._write_dim(f"  Comments on unchanged lines: {review.hidden_count} hidden.")

    def _print_indented(self, lead: Text, text: Text) -> None:
        """Print a text after a lead; indent its other lines to match."""
        width = max(self._console.width - lead.cell_len, _MIN_TEXT_WIDTH)
        indent = Text(" " * lead.cell_len)
        prefix = lead
        for line in text.split(allow_blank=True):
            for part in self._wrap(line, width):
                self._write(prefix + part)
                prefix = indent

    def _wrap(self, line: Text, width: int) -> Iterable[Text]:
        if not self._console.is_terminal or line.cell_len <= width:
            return [line]
        return line.wrap(self._console, width)

    def _write_dim(self, text: str) -> None:
        self._write(Text(text, style="dim"))

    def _write(self, text: Text) -> None:
        text.rstrip()
        self._console.print(text, soft_wrap=True)


def _quoted_spans(document: Document, comment: LocatedComment) -> Iterator[_QuotedSpan]:
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
        yield _QuotedSpan(line, start + indent, end, comment.severity)


def _max_severity(spans: Sequence[_QuotedSpan]) -> Severity:
    severities = [span.severity for span in spans]
    return max(severities, key=severity_rank)


def _most_severe_first(comments: Sequence[LocatedComment]) -> list[LocatedComment]:
    return sorted(
        comments,
        key=lambda comment: severity_rank(comment.severity),
        reverse=True,  # keeps the order of equal severities
    )


def _summarize(comments: Sequence[LocatedComment]) -> str:
    if not comments:
        return "no comments"
    noun = "comment" if len(comments) == 1 else "comments"
    severities = [comment.severity for comment in comments]
    counts: list[str] = []
    for severity in reversed(SEVERITIES):
        count = severities.count(severity)
        if count:
            counts.append(f"{count} {severity}")
    return f"{len(comments)} {noun}: {', '.join(counts)}"


def _incomplete_note(review: Review) -> str:
    if review.error:
        return "; the review failed"
    if review.output.get("stop_reason") == "budget":
        return "; the budget was spent"
    return ""
