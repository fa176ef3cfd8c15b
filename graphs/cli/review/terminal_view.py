"""A document in the terminal, its comments below the lines that they quote.

On a terminal the quoted words are coloured by severity and long lines wrapped; in a pipe they stand between » and «,
each line on a line of its own. Characters that would steer the terminal are shown, never obeyed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from rich.console import Console
from rich.text import Text

from selfcritic.agent.schemas import Comment
from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.result import Review, SeverityChoice, severity, source

_COLOURS = {SeverityChoice.low: "cyan", SeverityChoice.medium: "yellow", SeverityChoice.high: "red"}
_TAB = 4
_SHOWN = {code: chr(0x2400 + code) for code in range(32) if code != ord("\t")} | {0x7F: "␡"}
_SHOWN |= {code: f"<U+{code:04X}>" for code in (*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""Control characters as pictures; those beyond ASCII, and those that turn the direction of writing, by number."""
_WHOLE = 1000
"""The most lines of a file that is shown from end to end."""
_NEAR = 3
"""Lines shown around what matters where not all are."""


class Printer:
    """Prints reviews to a console."""

    def __init__(self, console: Console, least: SeverityChoice, around: int | None) -> None:
        self._console = console
        self._least = least
        self._around = around
        """Lines shown around each comment; None shows the whole file, what is near of a long one or of a diff."""

    def print(self, review: Review) -> None:
        """Print a document with its comments, and below it those that have no place in it."""
        comments = review.comments(self._least)
        name = (_visible(review.document.name), "bold")
        self._write(Text.assemble(name, (f"  {_summary(comments)}{_ended(review)}", "dim")))
        if comments:
            self._document(review.document, comments)
        self._rest(review)

    def _document(self, document: Document, comments: Sequence[Comment]) -> None:
        below: defaultdict[int, list[Comment]] = defaultdict(list)
        quoted: defaultdict[int, list[tuple[int, int, SeverityChoice]]] = defaultdict(list)
        for comment in comments:
            below[document.place(comment.start or 0, comment.end or 0).end_line].append(comment)
            for line, start, end in _parts(document, comment):
                quoted[line].append((start, end, severity(comment)))
        width = len(str(max((document.number(line) for line in below), default=0) + (self._around or 0)))
        before = -1
        for line in self._lines_shown(document, quoted):
            if line != before + 1:
                self._write(Text("⋮".rjust(width + 2), style="dim"))
            before = line
            self._line(document, line, quoted[line], width)
            for comment in sorted(below[line], key=lambda comment: -severity(comment).rank):
                self._comment(comment, width)

    def _lines_shown(self, document: Document, quoted: Iterable[int]) -> Iterable[int]:
        count, around, centres = len(document.lines), self._around, set(quoted)
        if around is None:
            if document.changed is None and count <= _WHOLE:
                return range(count)
            around = _NEAR
            centres |= document.changed or set()
        near = {line for at in centres for line in range(at - around, at + around + 1)}
        return sorted(line for line in near if 0 <= line < count)

    def _line(self, document: Document, line: int, marks: list[tuple[int, int, SeverityChoice]], width: int) -> None:
        number = document.number(line)
        is_new = document.changed is not None and line in document.changed
        worst = max((mark for *_, mark in marks), key=lambda mark: mark.rank, default=None)
        gutter = Text.assemble(
            (f"{number or '':>{width + 2}} {'+' if is_new else ' '}", "dim"),
            ("┃ ", _COLOURS[worst]) if worst else ("│ ", "dim"),
        )
        self._hanging(gutter, self._marked(document.lines[line], marks))

    def _marked(self, line: str, marks: list[tuple[int, int, SeverityChoice]]) -> Text:
        """The line with its quoted parts marked, by the worst comment on each."""
        text = Text()
        edges = sorted({0, len(line), *(at for start, end, _ in marks for at in (start, end))})
        was_quoted = False
        for start, end in pairwise(edges):
            over = [mark for first, last, mark in marks if first <= start and end <= last]
            worst = max(over, key=lambda mark: mark.rank, default=None)
            text.append(self._mark(was_quoted, worst is not None))
            text.append(_visible(line[start:end]), f"underline {_COLOURS[worst]}" if worst else "")
            was_quoted = worst is not None
        text.append(self._mark(was_quoted, False))
        text.expand_tabs(_TAB)
        return text

    def _mark(self, was_quoted: bool, is_quoted: bool) -> str:
        """What stands where a quote begins or ends, in a pipe."""
        if self._console.is_terminal or was_quoted == is_quoted:
            return ""
        return "»" if is_quoted else "«"

    def _comment(self, comment: Comment, width: int) -> None:
        colour = _COLOURS[severity(comment)]
        lead = Text(" " * (width + 4)).append("╰ ", colour)
        known = f", {comment.evidence}" if comment.evidence and comment.source is None else ""
        label = Text.assemble(
            (comment.severity or "unrated", f"bold {colour}"), (f" {source(comment)}{known}: ", "dim")
        )
        style = "dim" if comment.evidence == "refuted" else ""
        self._hanging(lead, label + Text(_visible(comment.text, keep="\n"), style=style))

    def _rest(self, review: Review) -> None:
        """What has no place: said with a quote that is not there, said without one, said of unchanged lines."""
        if review.unlocated:
            self._write(Text("  Quoted, but not in the file:", style="dim"))
            for comment in review.unlocated:
                quote = " ".join(comment.quote.split())
                self._hanging(Text("  "), Text.assemble(f"»{_visible(quote)}« ", (_visible(comment.text, "\n"), "dim")))
        if review.critique is not None and review.critique.unparsed:
            self._write(Text("  Said without a quote:", style="dim"))
            self._hanging(Text("  "), Text(_visible(review.critique.unparsed, keep="\n"), style="dim"))
        if review.elsewhere:
            self._write(Text(f"  On lines that the diff did not change: {review.elsewhere} left out.", style="dim"))

    def _hanging(self, lead: Text, text: Text) -> None:
        """Print a text behind a lead; what is wrapped, or stands on a further line, hangs below where it began."""
        room = max(self._console.width - lead.cell_len, 20)
        blank = Text(" " * lead.cell_len)
        lines = text.split(allow_blank=True)
        for index, line in enumerate(part for whole in lines for part in self._wrapped(whole, room)):
            self._write((blank if index else lead) + line)

    def _wrapped(self, line: Text, room: int) -> Iterable[Text]:
        if not self._console.is_terminal or line.cell_len <= room:
            return [line]
        return line.wrap(self._console, room)

    def _write(self, text: Text) -> None:
        text.rstrip()
        self._console.print(text, soft_wrap=True)


def _parts(document: Document, comment: Comment) -> Iterator[tuple[int, int, int]]:
    """The lines that a comment quotes, each with the part of it that is quoted."""
    place = document.place(comment.start or 0, comment.end or 0)
    for line in range(place.line, place.end_line + 1):
        text = document.lines[line]
        start = place.column if line == place.line else 0
        end = place.end_column if line == place.end_line else len(text)
        indent = len(text[start:end]) - len(text[start:end].lstrip())
        yield line, start + indent, end


def _summary(comments: Sequence[Comment]) -> str:
    """How many comments there are, and how bad."""
    if not comments:
        return "no comments"
    counts = [(level, sum(severity(comment) is level for comment in comments)) for level in reversed(SeverityChoice)]
    told = ", ".join(f"{count} {level}" for level, count in counts if count)
    return f"{len(comments)} comment{'s' if len(comments) > 1 else ''}: {told}"


def _ended(review: Review) -> str:
    """What kept the review from its end."""
    if review.error:
        return "; the review failed"
    return "; the budget was spent" if review.output.get("stop_reason") == "budget" else ""


def _visible(text: str, keep: str = "") -> str:
    """The text with control characters shown as pictures."""
    return text.translate({code: picture for code, picture in _SHOWN.items() if chr(code) not in keep})
