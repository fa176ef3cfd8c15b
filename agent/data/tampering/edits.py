"""Edit answers, and locate each edit in the edited answer."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

_CONTEXT_LINES = 3


@dataclass(frozen=True)
class Edit:
    """One change of an answer: a span of the original and what replaces it."""

    start: int
    end: int
    replacement: str
    source: str
    """What made the change: an operator, a model or a task type."""
    description: str = ""
    """What is wrong afterwards, if the source describes it."""

    def lines_in(self, original: str) -> range:
        """Return the numbers of the original's lines that the edit touches, from 0."""
        first = original.count("\n", 0, self.start)
        return range(first, first + original.count("\n", self.start, self.end) + 1)


@dataclass(frozen=True)
class Span:
    """A passage of an answer."""

    quote: str
    start: int
    end: int


def find_edit(original: str, changed: str, source: str, description: str = "") -> Edit | None:
    """Return the smallest edit that turns one text into another; None if they are equal."""
    if original == changed:
        return None
    limit = min(len(original), len(changed))
    start = 0
    while start < limit and original[start] == changed[start]:
        start += 1
    tail = 0
    while tail < limit - start and original[-1 - tail] == changed[-1 - tail]:
        tail += 1
    replacement = changed[start : len(changed) - tail]
    return Edit(start, len(original) - tail, replacement, source, description)


def apply_edits(original: str, edits: Sequence[Edit]) -> str:
    """Apply edits that do not overlap.

    Raises:
        ValueError: Two edits overlap, or the edits change nothing.
    """
    changed = original
    end = len(original)
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        if edit.end > end:
            raise ValueError("Two edits overlap.")
        changed = changed[: edit.start] + edit.replacement + changed[edit.end :]
        end = edit.start
    if changed == original:
        raise ValueError("The edits change nothing.")
    return changed


def locate_edit(original: str, edits: Sequence[Edit], index: int) -> Span:
    """Return the changed lines of an edit, as a passage of the answer with all edits.

    The passage has no indentation and no line end. Where an edit only removes lines, the passage is the next line.
    """
    changed = apply_edits(original, edits)
    edit = edits[index]
    offset = 0
    for other in edits:
        if other.start < edit.start:
            offset += len(other.replacement) - (other.end - other.start)
    start = edit.start + offset
    return quote_lines(changed, start, start + len(edit.replacement))


def quote_lines(text: str, start: int, end: int) -> Span:
    """Return the lines that a span touches, without blanks around them."""
    first = text.rfind("\n", 0, start) + 1
    last = _line_end(text, max(start, end - 1) if text[end - 1 : end] == "\n" else end)
    while not text[first:last].strip() and last < len(text):
        last = _line_end(text, last + 1)
    while not text[first:last].strip() and first > 0:
        first = text.rfind("\n", 0, first - 1) + 1
    passage = text[first:last]
    first += len(passage) - len(passage.lstrip())
    quote = passage.strip()
    return Span(quote, first, first + len(quote))


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def unified_diff(original: str, changed: str) -> str:
    """Return the difference as a unified diff."""
    lines = difflib.unified_diff(
        original.splitlines(),
        changed.splitlines(),
        "original",
        "tampered",
        lineterm="",
        n=_CONTEXT_LINES,
    )
    return "\n".join(lines)


def changed_lines(original: str, edit: Edit) -> tuple[str, str]:
    """Return the lines of one edit before and after it, without blanks around them."""
    before = quote_lines(original, edit.start, edit.end).quote
    return before, locate_edit(original, [edit], 0).quote
