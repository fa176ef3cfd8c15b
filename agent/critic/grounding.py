"""Locate the quotes of a critique in the answer."""

import re
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product

from rapidfuzz import fuzz

from selfcritic.agent.critic.format import parse
from selfcritic.agent.schemas import SEVERITIES, Comment, Critique, Severity

_SEVERITIES: tuple[Severity | None, ...] = (None, *SEVERITIES)
_ASCII = str.maketrans("‘’‚‛′“”„‟″«»‐‑‒–—―−", "'''''" + '"' * 7 + "-" * 7)
_WORD_BOUNDARY = re.compile(r"\b")
_NUMBER = re.compile(r"(?:(?<!\w)-)?[\d¹²³⁰-₉]+")
_MIN_FUZZY_LENGTH = 8  # characters: "cat" must not match "car"
_MAX_FUZZY_COST = 10**11  # quote² x answer, in characters: about a second
_EDGE_WINDOW = 20  # characters by which each end of a fuzzy match may move
_LONGEST_WORD = 40  # characters
_SAME_COMMENT = 95.0  # minimum similarity, of 100
_MAX_COMPARISONS = 100  # per comment, with others on the same words: keeps the time linear


@dataclass(frozen=True)
class Span:
    """A part of a text, from offset `start` up to `end`."""

    start: int
    end: int

    def cut(self, text: str) -> str:
        """Return this part of a text."""
        return text[self.start : self.end]


def locate(quote: str, answer: str, *, min_similarity: float = 90.0) -> Span | None:
    """Find a quote: exact match first, then folded, then fuzzy.

    Folding collapses white space and turns typographic quotes and dashes into ASCII; it keeps the case.
    A fuzzy match has a rapidfuzz ratio of at least `min_similarity` of 100 after folding, and exactly the same numbers.
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

    needle = _fold(quote).text
    folded = _fold_answer(answer)
    start = _find(needle, folded.text)
    if start >= 0:
        return folded.to_original(Span(start, start + len(needle)))

    window = _find_similar(needle, folded.text, min_similarity)
    if window is not None:
        return folded.to_original(window)
    return None


def place_comment(comment: Comment, span: Span, answer: str) -> Comment:
    """Copy a comment so that it quotes a span of the answer."""
    place = {
        "quote": span.cut(answer),
        "start": span.start,
        "end": span.end,
    }
    return comment.model_copy(update=place)


@dataclass(frozen=True)
class _Folded:
    text: str
    offsets: "array[int]"
    """The offset in the original of each character of `text`."""

    def to_original(self, span: Span) -> Span:
        last = span.end - 1
        return Span(self.offsets[span.start], self.offsets[last] + 1)


def _fold(text: str) -> _Folded:
    words = list(re.finditer(r"\S+", text))
    offsets = array("q")
    for word in words:
        # The extra offset is that of the white space after the word.
        offsets.extend(range(word.start(), word.end() + 1))
    folded = " ".join(word[0] for word in words)
    return _Folded(folded.translate(_ASCII), offsets)


# All critiques of a draft are located in the same answer.
_fold_answer = lru_cache(maxsize=4)(_fold)


def _find(needle: str, text: str) -> int:
    """Return the offset of the best occurrence, or -1.

    This is the first occurrence that splits no word, else the first one.
    """
    first = start = text.find(needle)
    while start >= 0 and len(needle) <= _LONGEST_WORD:
        end = start + len(needle)
        splits_word = _splits(r"\w\w", text, start) or _splits(r"\w\w", text, end)
        if not splits_word:
            return start
        start = text.find(needle, start + 1)
    return first


def _splits(pair: str, text: str, offset: int) -> bool:
    """Whether the two characters around an offset match a pattern."""
    around = text[max(offset - 1, 0) : offset + 1]
    return re.match(pair, around) is not None


def _find_similar(needle: str, text: str, min_similarity: float) -> Span | None:
    """Return the most similar span, or None.

    It must reach the minimum similarity and have the same numbers.
    """
    cost = len(needle) ** 2 * len(text)
    if len(needle) < _MIN_FUZZY_LENGTH or cost > _MAX_FUZZY_COST:
        return None
    # An alignment has the needle's length, so a missing letter counts twice until the edges are adjusted.
    alignment = fuzz.partial_ratio_alignment(needle, text, score_cutoff=min_similarity - 10)
    if alignment is None:
        return None

    window = _best_window(needle, text, Span(alignment.dest_start, alignment.dest_end))
    matched = window.cut(text)
    if fuzz.ratio(needle, matched) < min_similarity:
        return None
    if _NUMBER.findall(needle) != _NUMBER.findall(matched):
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
    return [edge for edge in edges if not _splits(r"\d\d", text, edge)]


def ground(text: str, answer: str) -> Critique:
    """Parse a critique and locate its quotes in the answer.

    Each located comment quotes the answer's words. The others are in `ungrounded`, and duplicates are merged.
    """
    parsed = parse(text)
    located: list[Comment] = []
    ungrounded: list[Comment] = []
    for comment in parsed.comments:
        span = locate(comment.quote, answer)
        if span is None:
            ungrounded.append(comment)
        else:
            located.append(place_comment(comment, span, answer))
    return Critique(
        text=text,
        comments=_merge_duplicates(located),
        ungrounded=ungrounded,
        unparsed=parsed.unparsed,
    )


def _merge_duplicates(comments: Sequence[Comment]) -> list[Comment]:
    """Merge nearly equal comments on the same words.

    The first one is kept, with the highest severity.
    """
    merged: list[Comment] = []
    groups: defaultdict[tuple[object, ...], dict[str, Comment]] = defaultdict(dict)
    for comment in comments:
        text = _fold(comment.text).text.casefold()
        # "It should be 13" and "it should be 14" are similar, but different comments.
        group = groups[comment.start, comment.end, *_NUMBER.findall(text)]
        original = _find_duplicate(text, group)
        if original is None:
            group[text] = comment
            merged.append(comment)
        else:
            original.severity = max(original.severity, comment.severity, key=_SEVERITIES.index)
    return merged


def _find_duplicate(text: str, comments: dict[str, Comment]) -> Comment | None:
    if text in comments:
        return comments[text]
    for other_text in islice(reversed(comments), _MAX_COMPARISONS):
        if fuzz.ratio(other_text, text) >= _SAME_COMMENT:
            return comments[other_text]
    return None
