"""Print a document with each comment below the line that it quotes.

On a terminal, quotes are colored by severity and long lines wrap. In a pipe, quotes are marked with » and «, and lines
do not wrap. Visible symbols replace control characters.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from rich.console import Console
from rich.text import Text

from selfcritic.agent.schemas import Severity
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.quoted_lines import (
    QuotedSpan,
    clip_line,
    max_severity,
    quoted_spans,
    select_lines,
    shorten,
)
from selfcritic.graphs.cli.review.result import (
    LocatedComment,
    Review,
    sort_by_severity,
)
from selfcritic.graphs.cli.review.summary import count_comments
from selfcritic.graphs.control_characters import escape_controls

_COLORS: dict[Severity, str] = {
    "low": "cyan",
    "medium": "yellow",
    "high": "red",
}
_TAB_SIZE = 4
_MIN_TEXT_WIDTH = 20
FOLDER_CONTEXT = 3
"""Context lines of files that a folder contains."""
_MAX_COMMENT_CHARS = 2000
_MAX_QUOTE_CHARS = 200
_MIN_RANKED = 2
"""Number of comments from which on they are ranked."""
_MAX_RANKED = 100


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

    def print(self, review: Review, context_lines: int | None = None) -> None:
        """Print the document, then the comments without a location.

        `context_lines` applies to this document if no number is set for all.
        """
        comments = review.comments(self._min_severity)
        heading = Text(escape_controls(review.document.name), style="bold")
        summary = count_comments(comments) + _incomplete_note(review)
        self._write(Text.assemble(heading, (f"  {summary}", "dim")))
        if comments:
            if self._context_lines is not None:
                context_lines = self._context_lines
            self._print_document(review.document, comments, context_lines)
        self._print_unlocated(review)

    def print_ranking(self, reviews: Sequence[Review]) -> None:
        """Print one line for each comment of all reviews, the most severe first."""
        comments: list[LocatedComment] = []
        places: dict[int, str] = {}
        for review in reviews:
            for comment in review.comments(self._min_severity):
                places[id(comment)] = review.document.describe(comment.location)
                comments.append(comment)
        if len(comments) < _MIN_RANKED:
            return
        self._write(Text("By severity", style="bold"))
        for comment in sort_by_severity(comments)[:_MAX_RANKED]:
            lead = Text(f"  {comment.severity.ljust(len('medium'))}  ", _COLORS[comment.severity])
            text = Text(escape_controls(places[id(comment)]))
            summary = comment.comment.text.strip().partition("\n")[0]
            text.append(f"  {comment.source}: ", "dim")
            text.append(escape_controls(shorten(summary, _MAX_QUOTE_CHARS)))
            self._print_indented(lead, text)

        if len(comments) > _MAX_RANKED:
            self._write_dim(f"  … and {len(comments) - _MAX_RANKED} more; --json has all")

    def _print_document(
        self,
        document: Document,
        comments: Sequence[LocatedComment],
        context_lines: int | None,
    ) -> None:
        comments_below: defaultdict[int, list[LocatedComment]] = defaultdict(list)
        spans: defaultdict[int, list[QuotedSpan]] = defaultdict(list)
        for comment in comments:
            comments_below[comment.location.end_line].append(comment)
            for span in quoted_spans(document, comment):
                spans[span.line].append(span)
        largest_number = max(document.line_number(line) for line in comments_below)
        if context_lines is not None:
            largest_number += context_lines
        number_width = len(str(largest_number))
        ellipsis = "⋮".rjust(number_width + 2)
        previous = -1
        for line in select_lines(document, spans, context_lines):
            if line != previous + 1:
                self._write_dim(ellipsis)
            previous = line
            self._print_line(document, line, spans[line], number_width)
            for comment in sort_by_severity(comments_below[line]):
                self._print_comment(comment, number_width)

    def _print_line(
        self,
        document: Document,
        line: int,
        spans: Sequence[QuotedSpan],
        number_width: int,
    ) -> None:
        number = str(document.line_number(line) or "")
        marker = " "
        if document.changed_lines is not None and line in document.changed_lines:
            marker = "+"
        gutter = Text()
        gutter.append(f"{number.rjust(number_width + 2)} {marker}", "dim")
        if spans:
            gutter.append("┃ ", _COLORS[max_severity(spans)])
        else:
            gutter.append("│ ", "dim")
        text, spans = clip_line(document.lines[line], spans)
        self._print_indented(gutter, self._highlight(text, spans))

    def _highlight(self, line: str, spans: Sequence[QuotedSpan]) -> Text:
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
                style = f"underline {_COLORS[max_severity(covering)]}"
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
        shown = shorten(comment.text, _MAX_COMMENT_CHARS)
        text.append(escape_controls(shown, keep="\n"), style)
        self._print_indented(lead, text)

    def _print_unlocated(self, review: Review) -> None:
        """Print unmatched quotes, unparsed text and the hidden count."""
        indent = Text("  ")
        if review.unlocated:
            self._write_dim("  Quotes that are not in the file:")
        for comment in review.unlocated:
            quote = shorten(" ".join(comment.quote.split()), _MAX_QUOTE_CHARS)
            text = Text(f"»{escape_controls(quote)}« ")
            shown = shorten(comment.text, _MAX_COMMENT_CHARS)
            text.append(escape_controls(shown, keep="\n"), "dim")
            self._print_indented(indent, text)
        if review.unparsed:
            self._write_dim("  Text without a quote:")
            unparsed = shorten(review.unparsed, _MAX_COMMENT_CHARS)
            unparsed = escape_controls(unparsed, keep="\n")
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


def _incomplete_note(review: Review) -> str:
    if review.error:
        return "; the review failed"
    if review.is_cut_short:
        return "; the budget was spent"
    return ""
