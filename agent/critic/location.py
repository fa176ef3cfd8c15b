"""Locate quotes in an answer: exactly, then folded, then with typos."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from rapidfuzz import fuzz

from selfcritic.agent.critic.facts import has_same_facts
from selfcritic.agent.critic.folding import Folded, fold, is_cjk

_WORD_BOUNDARY = re.compile(r"\b")
_MIN_FUZZY_LENGTH = 8  # characters: "cat" must not match "car"
_MAX_FUZZY_COST = 10**11  # quote² x answer, in characters: about a second
_EDGE_WINDOW = 20  # characters by which each end of a fuzzy match may move
_CJK_EDGE_WINDOW = 2
_LONGEST_WORD = 40  # characters

_ELLIPSIS = re.compile(r"(?<!\s)\s*+(?:\[\.\.\.\]|\(\.\.\.\)|\.{3,}|\[…\]|\(…\)|…+)\s*")
_MIN_PART = 3  # characters of a quote's part next to an ellipsis
_MIN_CJK_PART = 2
_MAX_PARTS = 20
_LINE_NUMBER = re.compile(
    r"^[ \t]*+(?:(?:[Ll]ine |L)?\d{1,6}[ \t]*[:|.)│]|[Ll]ine \d{1,6})[ \t]?", re.M
)
_BLOCK_QUOTE_MARK = re.compile(r"^[ \t]*+>[ \t]?", re.MULTILINE)
_ARROW_COMMENT = re.compile(
    r"(?<![ \t])[ \t]*+"
    r"(?:(?:#|//|--|/\*|%|;)[ \t]*+(?:<[-=]|←|⬅|👈)|<--|<==|←|⬅|👈)[^\n]*$",
    re.MULTILINE,
)
"""What a critic adds to a quoted line of code, such as "# <-- wrong"."""
_WRAPPERS = ('"', "'", "`", "**", "*", "__", "_")  # in folded text
_END_PUNCTUATION = ".,;:!?"


@dataclass(frozen=True)
class Span:
    """A part of a text, from offset `start` up to `end`."""

    start: int
    end: int

    def cut(self, text: str) -> str:
        """Return this part of a text."""
        return text[self.start : self.end]


def locate(
    quote: str, answer: str, *, min_similarity: float = 90.0, allow_fuzzy: bool = True
) -> Span | None:
    """Find a quote: exact match first, then folded, then fuzzy.

    The folded search (see `folding`) also tries the quote without marks around it, without punctuation at its end, and
    without line numbers. An ellipsis in the quote skips words of the answer. A fuzzy match has a rapidfuzz ratio of at
    least `min_similarity` of 100 after folding, and exactly the same numbers, negations and comparison operators.
    It is not tried for a quote shorter than 8 characters, or if the quote's length squared times the answer's length
    is over 10^11 (1,000 characters in 100,000). An occurrence that splits no word is preferred.

    Returns:
        The first matching span of the answer, or None.
    """
    if not quote.strip():
        return None
    start = _find(quote, answer)
    if start >= 0:
        return Span(start, start + len(quote))

    folded = _fold_answer(answer)
    for needle in _needles(quote):
        start = _find(needle, folded.text)
        if start >= 0:
            return _to_original(folded, Span(start, start + len(needle)))
    parts = _find_parts(fold(quote).text, folded.text)
    if parts is not None:
        return _to_original(folded, parts)
    if not allow_fuzzy:
        return None

    window = _find_similar(fold(quote).text, folded.text, min_similarity)
    if window is None:
        return None
    return _to_original(folded, window)


# All critiques of a draft are located in the same answer.
_fold_answer = lru_cache(maxsize=4)(fold)


def _to_original(folded: Folded, span: Span) -> Span:
    return Span(folded.starts[span.start], folded.ends[span.end - 1])


def _needles(quote: str) -> Iterator[str]:
    """Yield folded forms of a quote, the closest to the original first."""
    seen = {""}
    for pattern in (None, _LINE_NUMBER, _BLOCK_QUOTE_MARK, _ARROW_COMMENT):
        text = quote
        if pattern is not None:
            text = pattern.sub("", quote)
        needle = fold(text).text
        for form in (needle, _unwrap(needle), _without_end(_unwrap(needle))):
            if form not in seen:
                seen.add(form)
                yield form


def _unwrap(needle: str) -> str:
    """Remove the quotation and emphasis marks around a whole quote, up to two pairs."""
    for _ in range(2):
        for mark in _WRAPPERS:
            if needle.startswith(mark) and needle.endswith(mark) and len(needle) > 2 * len(mark):
                needle = needle[len(mark) : -len(mark)].strip()
                break
    return needle


def _without_end(needle: str) -> str:
    if needle[-1:] in _END_PUNCTUATION:
        return needle[:-1].rstrip()
    return needle


def _find(needle: str, text: str) -> int:
    """Return the offset of the best occurrence, or -1.

    This is the first occurrence that splits no word, else the first one.
    """
    first = start = text.find(needle)
    while start >= 0 and len(needle) <= _LONGEST_WORD:
        if not _splits_word(text, start) and not _splits_word(text, start + len(needle)):
            return start
        start = text.find(needle, start + 1)
    return first


def _splits_word(text: str, offset: int) -> bool:
    """Whether both neighbors of an offset belong to one word; Chinese has no word boundaries."""
    if not _splits(r"\w\w", text, offset):
        return False
    return not is_cjk(text[offset - 1]) and not is_cjk(text[offset])


def _splits(pair: str, text: str, offset: int) -> bool:
    """Whether the two characters around an offset match a pattern."""
    around = text[max(offset - 1, 0) : offset + 1]
    return re.match(pair, around) is not None


def _find_parts(needle: str, text: str) -> Span | None:
    """Find the parts of a quote between its ellipses, in order."""
    parts = [part for part in _ELLIPSIS.split(_unwrap(needle)) if part]
    if parts == [needle] or not 1 <= len(parts) <= _MAX_PARTS:
        return None
    if parts[-1] not in text:
        parts[-1] = _without_end(parts[-1]) or parts[-1]
    start = end = 0
    for index, part in enumerate(parts):
        min_length = _MIN_PART
        if is_cjk(part[0]):
            min_length = _MIN_CJK_PART
        offset = text.find(part, end)
        if index == 0:
            start = offset = _find(part, text)
        if offset < 0 or len(part) < min_length:
            return None
        end = offset + len(part)
    return Span(start, end)


def fuzzy_cost(quote: str, answer: str) -> int:
    """Return the cost of a fuzzy search in the worst case, in operations."""
    return len(quote) ** 2 * len(answer)


def _find_similar(needle: str, text: str, min_similarity: float) -> Span | None:
    """Return the most similar span, or None.

    It must reach the minimum similarity and state the same facts.
    """
    if len(needle) < _MIN_FUZZY_LENGTH or fuzzy_cost(needle, text) > _MAX_FUZZY_COST:
        return None
    # An alignment has the needle's length, so a missing letter counts twice until the edges are adjusted.
    alignment = fuzz.partial_ratio_alignment(needle, text, score_cutoff=min_similarity - 10)
    if alignment is None:
        return None

    window = _best_window(needle, text, Span(alignment.dest_start, alignment.dest_end))
    matched = window.cut(text)
    if fuzz.ratio(needle, matched) < min_similarity:
        return None
    if not has_same_facts(needle, matched):
        return None
    return Span(window.start + matched.startswith(" "), window.end - matched.endswith(" "))


def _best_window(needle: str, text: str, near: Span) -> Span:
    """Adjust the edges of a span for the highest similarity."""
    best = Span(0, 0)
    best_similarity = 0.0
    starts = _edges(text, near.start)
    ends = _edges(text, near.end)
    for start, end in product(starts, ends):
        similarity = fuzz.ratio(needle, text[start:end])
        if similarity > best_similarity:
            best = Span(start, end)
            best_similarity = similarity
    return best


def _edges(text: str, offset: int) -> list[int]:
    """Return word boundaries near an offset, and the offset itself.

    Edges that split a number are left out.
    """
    first = max(offset - _EDGE_WINDOW, 0)
    boundaries = _WORD_BOUNDARY.finditer(text, first, offset + _EDGE_WINDOW)
    edges = [boundary.start() for boundary in boundaries]
    edges.append(offset)
    for near in range(max(offset - _CJK_EDGE_WINDOW, 0), offset + _CJK_EDGE_WINDOW + 1):
        if near < len(text) and is_cjk(text[near]):
            edges.append(near)
    return [edge for edge in edges if not _splits(r"\d\d", text, edge)]
