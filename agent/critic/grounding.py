"""Locate each quote of a critique in the answer."""

import re
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Literal

from rapidfuzz import fuzz

from selfcritic.agent.critic.format import parse
from selfcritic.agent.schemas import SEVERITIES, Comment, Critique, Severity

_RANKS: tuple[Severity | None, ...] = (None, *SEVERITIES)
_ASCII = str.maketrans("‘’‚‛′“”„‟″«»‐‑‒–—―−", "'''''" + '"' * 7 + "-" * 7)
_WORD_END = re.compile(r"\b")
_NUMBER = re.compile(r"(?:(?<!\w)-)?[\d¹²³⁰-₉]+")
_FUZZY_FROM = 8  # characters: "cat" is not "car"
_FUZZY_WORK = 10**11  # quote² x answer, in characters; about a second at worst
_REACH = 20  # characters that the ends of a fuzzy match are moved by, at most
_LONGEST_WORD = 40
_SAME_COMMENT = 95.0
_COMPARED = 100  # comments on the same words that another is held against, at most: time stays linear


@dataclass(frozen=True)
class Span:
    """Where a quote stands: `answer[start:end]`, and how it was found."""

    start: int
    end: int
    match: Literal["exact", "folded", "fuzzy"]


def locate(quote: str, answer: str, *, min_similarity: float = 90.0) -> Span | None:
    """Find a quote in the answer: exactly, else folded, else nearly; None where it does not stand there.

    Folded: runs of white space are one space, typographic quotes and dashes are ASCII; case counts. Nearly: at least
    `min_similarity` of 100 by rapidfuzz after folding, with the very same numbers; never tried for a quote under
    8 characters, nor where the quote's length squared times the answer's is over 10^11 (1,000 characters in 100,000).
    An occurrence that cuts no word apart goes before one that does.
    """
    if not quote.strip():
        return None
    if (start := _find(quote, answer)) >= 0:
        return Span(start, start + len(quote), "exact")
    needle, folded = _fold(quote).text, _fold_answer(answer)
    if (start := _find(needle, folded.text)) >= 0:
        return folded.span(start, start + len(needle), "folded")
    if window := _nearest(needle, folded.text, min_similarity):
        return folded.span(*window, "fuzzy")
    return None


@dataclass(frozen=True)
class _Folded:
    text: str
    offsets: "array[int]"
    """Of each character of `text`, its offset in the original."""

    def span(self, start: int, end: int, match: Literal["folded", "fuzzy"]) -> Span:
        """The original's span of `text[start:end]`."""
        return Span(self.offsets[start], self.offsets[end - 1] + 1, match)


def _fold(text: str) -> _Folded:
    words = list(re.finditer(r"\S+", text))
    # One offset more for each word: that of the white space behind it, which is folded into the space of the join.
    offsets = array("q", (at for word in words for at in range(word.start(), word.end() + 1)))
    return _Folded(" ".join(word[0] for word in words).translate(_ASCII), offsets)


_fold_answer = lru_cache(maxsize=4)(_fold)  # all quotes of all critiques of a draft are sought in the same answer


def _find(needle: str, text: str) -> int:
    """Offset of the first occurrence that cuts no word apart, else of the first one, else -1."""
    first = at = text.find(needle)
    while at >= 0 and len(needle) <= _LONGEST_WORD:
        if not _cuts(r"\w\w", text, at) and not _cuts(r"\w\w", text, at + len(needle)):
            return at
        at = text.find(needle, at + 1)
    return first


def _cuts(pair: str, text: str, at: int) -> bool:
    """Whether the two characters around an offset match the pattern."""
    return re.match(pair, text[max(at - 1, 0) : at + 1]) is not None


def _nearest(needle: str, text: str, min_similarity: float) -> tuple[int, int] | None:
    """The window of the text that is most like the needle, if it is like enough and has the same numbers."""
    if len(needle) < _FUZZY_FROM or len(needle) ** 2 * len(text) > _FUZZY_WORK:
        return None
    # Its windows are as long as the needle, so a dropped letter counts twice until `_edges` has fitted the window.
    found = fuzz.partial_ratio_alignment(needle, text, score_cutoff=min_similarity - 10)
    if not found:
        return None
    windows = [(s, e) for s in _edges(text, found.dest_start) for e in _edges(text, found.dest_end) if s < e]
    start, end = max(windows, key=lambda window: fuzz.ratio(needle, text[slice(*window)]), default=(0, 0))
    window = text[start:end]
    if fuzz.ratio(needle, window) < min_similarity or _NUMBER.findall(needle) != _NUMBER.findall(window):
        return None
    return start + window.startswith(" "), end - window.endswith(" ")


def _edges(text: str, at: int) -> list[int]:
    """The ends of words near an offset and the offset itself, less those that cut a number apart."""
    words = _WORD_END.finditer(text, max(at - _REACH, 0), at + _REACH)
    return [edge for edge in (*(word.start() for word in words), at) if not _cuts(r"\d\d", text, edge)]


def ground(text: str, answer: str) -> Critique:
    """Parse a critique and hold it against the answer; each located comment quotes the answer's own words."""
    parsed = parse(text)
    located, ungrounded = [], []
    for comment in parsed.comments:
        if span := locate(comment.quote, answer):
            place = {"quote": answer[span.start : span.end], "start": span.start, "end": span.end}
            located.append(comment.model_copy(update=place))
        else:
            ungrounded.append(comment)
    return Critique(text=text, comments=_merge(located), ungrounded=ungrounded, unparsed=parsed.unparsed)


def _merge(comments: Sequence[Comment]) -> list[Comment]:
    """Drop comments that say (nearly) what one before them says of the same words, but keep the highest severity."""
    kept: list[Comment] = []
    seen: defaultdict[tuple[object, ...], dict[str, Comment]] = defaultdict(dict)
    for comment in comments:
        said = _fold(comment.text).text.casefold()
        # "It should be 13" and "it should be 14" are alike, but not the same comment.
        others = seen[comment.start, comment.end, *_NUMBER.findall(said)]
        latest = islice(reversed(others), _COMPARED)
        twin = others.get(said) or next((others[o] for o in latest if fuzz.ratio(o, said) >= _SAME_COMMENT), None)
        if twin:
            twin.severity = max(twin.severity, comment.severity, key=_RANKS.index)
        else:
            kept.append(others.setdefault(said, comment))
    return kept
