"""Show the difference between two drafts, line by line."""

import re
from collections.abc import Iterator, Sequence

from rapidfuzz import fuzz
from rapidfuzz.distance import Indel
from rich.text import Text

from selfcritic.graphs.control_characters import escape_lines

_CONTEXT = 3
"""Unchanged lines shown around a change."""
_MAX_LINES = 200
"""Lines shown of each unbroken change."""
_MAX_SHOWN = 500
_MAX_COMPARED = 5_000
"""Changed lines that are compared; larger drafts are shown as replaced."""
_MAX_WORDS_COMPARED = 1_000
"""Characters of a line whose words are compared."""
_MIN_SIMILARITY = 50
"""Similarity of two lines, in percent, whose changed words are highlighted."""
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_STYLES = {"- ": "red", "+ ": "green", "  ": "dim"}
_CHANGED_WORDS = "bold underline"


def diff_lines(before: str, after: str) -> Text:
    """Return the changed lines with a few unchanged ones around them.

    Removed lines start with "- ", added lines with "+ ". Takes time in proportion to the length of the drafts.
    """
    old = escape_lines(before).splitlines()
    new = escape_lines(after).splitlines()
    lines: list[Text] = []
    position = 0
    for removed, added in _changed_blocks(old, new):
        lines += _show_unchanged(old[position : removed.start], not lines, is_last=False)
        lines += _show_change(old[removed], new[added])
        position = removed.stop
    lines += _show_unchanged(old[position:], not lines, is_last=True)
    if len(lines) > _MAX_SHOWN:
        num_hidden = len(lines) - _MAX_SHOWN
        lines[_MAX_SHOWN:] = [_mark("  ", f"… {num_hidden:,} more lines")]
    return Text("\n").join(lines)


def _changed_blocks(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[slice, slice]]:
    """Yield the lines that were replaced, and the lines that replace them."""
    start = _count_equal(old, new)
    old_rest = old[start:]
    new_rest = new[start:]
    num_shared = _count_equal(old_rest[::-1], new_rest[::-1])
    old_end = len(old) - num_shared
    new_end = len(new) - num_shared
    if max(old_end, new_end) - start > _MAX_COMPARED:
        yield slice(start, old_end), slice(start, new_end)
        return
    removed = slice(start, start)
    added = slice(start, start)
    for edit in Indel.opcodes(old[start:old_end], new[start:new_end]):
        old_stop = start + edit.src_end
        new_stop = start + edit.dest_end
        if edit.tag != "equal":
            removed = slice(removed.start, old_stop)
            added = slice(added.start, new_stop)
            continue
        if not _is_empty(removed, added):
            yield removed, added
        removed = slice(old_stop, old_stop)
        added = slice(new_stop, new_stop)
    if not _is_empty(removed, added):
        yield removed, added


def _count_equal(old: Sequence[str], new: Sequence[str]) -> int:
    """Return the number of equal lines at the start."""
    count = 0
    for old_line, new_line in zip(old, new, strict=False):
        if old_line != new_line:
            break
        count += 1
    return count


def _is_empty(removed: slice, added: slice) -> bool:
    num_removed: int = removed.stop - removed.start
    num_added: int = added.stop - added.start
    return num_removed + num_added == 0


def _show_unchanged(lines: Sequence[str], is_first: bool, *, is_last: bool) -> list[Text]:
    """Show the lines next to a change, and how many are left out."""
    num_before = 0 if is_first else _CONTEXT
    num_after = 0 if is_last else _CONTEXT
    num_hidden = len(lines) - num_before - num_after
    if num_hidden <= 1:
        return _mark_all("  ", lines)
    after_start = num_before + num_hidden
    shown = _mark_all("  ", lines[:num_before])
    shown.append(_mark("  ", f"… {num_hidden:,} unchanged lines"))
    shown += _mark_all("  ", lines[after_start:])
    return shown


def _show_change(removed: Sequence[str], added: Sequence[str]) -> list[Text]:
    """Show replaced lines; pairs of similar lines next to each other."""
    old_lines = _shorten("- ", removed)
    new_lines = _shorten("+ ", added)
    if len(removed) != len(added) or len(removed) > _MAX_LINES:
        return [*old_lines, *new_lines]
    shown: list[Text] = []
    for old, new in zip(removed, added, strict=True):
        if not _is_similar(old, new):
            return [*old_lines, *new_lines]
        shown += _mark_words(old, new)
    return shown


def _shorten(marker: str, lines: Sequence[str]) -> list[Text]:
    shown = _mark_all(marker, lines[:_MAX_LINES])
    num_hidden = len(lines) - _MAX_LINES
    if num_hidden > 0:
        shown.append(_mark(marker, f"… {num_hidden:,} more lines"))
    return shown


def _is_similar(old: str, new: str) -> bool:
    if max(len(old), len(new)) > _MAX_WORDS_COMPARED:
        return False
    return fuzz.ratio(old, new) >= _MIN_SIMILARITY


def _mark_words(old: str, new: str) -> list[Text]:
    """Highlight the words that differ in two similar lines."""
    old_words = _WORD.findall(old)
    new_words = _WORD.findall(new)
    removed = Text("- ", style=_STYLES["- "])
    added = Text("+ ", style=_STYLES["+ "])
    for edit in Indel.opcodes(old_words, new_words):
        style = "" if edit.tag == "equal" else _CHANGED_WORDS
        old_part = old_words[edit.src_start : edit.src_end]
        new_part = new_words[edit.dest_start : edit.dest_end]
        removed.append("".join(old_part), style)
        added.append("".join(new_part), style)
    return [removed, added]


def _mark_all(marker: str, lines: Sequence[str]) -> list[Text]:
    return [_mark(marker, line) for line in lines]


def _mark(marker: str, line: str) -> Text:
    return Text(marker + line, style=_STYLES[marker])
