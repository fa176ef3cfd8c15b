"""Fold texts so that a quote matches despite other typography.

Folding keeps the case. It changes only how characters are written:

- White space is collapsed to one space, and removed next to a Chinese or Japanese character.
- Composed and decomposed letters, full-width and half-width characters, ligatures and decimal digits become equal.
- Quotation marks, dashes, and Chinese, Japanese and Arabic punctuation become ASCII.
- Arabic vowel marks are removed.

Superscripts, subscripts and fractions stay as they are: x² is not x2.
"""

import re
import unicodedata
from array import array
from dataclasses import dataclass
from functools import lru_cache

_PUNCTUATION = str.maketrans(
    "‘’‚‛′‹›“”„‟″«»「」『』‐‑‒–—―−、،。؛؟۔【】〔〕〜",
    "'" * 7 + '"' * 11 + "-" * 7 + ",,.;?.[][]~",
)
_FOLDED_FORMS = (
    "<wide>",
    "<narrow>",
    "<compat>",
    "<noBreak>",
    "<vertical>",
    "<isolated>",
    "<initial>",
    "<medial>",
    "<final>",
)
"""Compatibility decompositions that keep the meaning; `<super>` and `<fraction>` do not."""
_WORD = re.compile(r"\S+")
_CLUSTER = re.compile(
    r".[\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4"
    r"\u1160-\u11ff\u20d0-\u20ff\u3099\u309a\ufe00-\ufe0f]*+",
    re.DOTALL,
)
"""A character with the marks that combine with it."""
_ARABIC_MARKS = re.compile(r"[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4]+")
_CJK = re.compile(
    r"[\u2e80-\u2fdf\u3000-\u30ff\u31f0-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff9f]"
)


@dataclass(frozen=True)
class Folded:
    """A folded text; `starts` and `ends` have the original offsets of each character."""

    text: str
    starts: "array[int]"
    ends: "array[int]"


def fold(text: str) -> Folded:
    """Fold a text and record where its characters came from."""
    parts: list[str] = []
    starts = array("q")
    ends = array("q")
    previous: re.Match[str] | None = None
    for word in _WORD.finditer(text):
        if previous is not None and not _is_next_to_cjk(text, previous.end(), word.start()):
            parts.append(" ")
            starts.append(previous.end())
            ends.append(word.start())
        previous = word
        if word[0].isascii():
            parts.append(word[0])
            starts.extend(range(word.start(), word.end()))
            ends.extend(range(word.start() + 1, word.end() + 1))
            continue
        for cluster in _CLUSTER.finditer(word[0]):
            characters = _fold_cluster(cluster[0])
            parts.append(characters)
            for _ in characters:
                starts.append(word.start() + cluster.start())
                ends.append(word.start() + cluster.end())
    return Folded("".join(parts), starts, ends)


def fold_text(text: str) -> str:
    """Return a folded text without its offsets."""
    if text.isascii():
        return " ".join(text.split())
    return fold(text).text


def is_cjk(character: str) -> bool:
    """Whether a character is Chinese or Japanese, punctuation included."""
    return _CJK.match(character) is not None


def _is_next_to_cjk(text: str, end: int, start: int) -> bool:
    return is_cjk(text[end - 1]) or is_cjk(text[start])


@lru_cache(maxsize=20_000)
def _fold_cluster(cluster: str) -> str:
    without_marks = _ARABIC_MARKS.sub("", cluster)
    composed = unicodedata.normalize("NFC", without_marks)
    return "".join(_fold_character(character) for character in composed)


def _fold_character(character: str) -> str:
    form = unicodedata.decomposition(character).split(" ", 1)[0]
    if form in _FOLDED_FORMS:
        character = unicodedata.normalize("NFKC", character)
    if len(character) == 1 and character.isdecimal():
        return str(unicodedata.decimal(character))
    return character.translate(_PUNCTUATION)
