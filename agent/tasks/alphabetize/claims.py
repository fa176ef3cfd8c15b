"""Write and parse the claims of comments on a word list."""

import re
from dataclasses import dataclass
from typing import Literal, Self

from selfcritic.agent.tasks.alphabetize.word_list import WORD

_COUNT = r"once|twice|[0-9]{1,4} times"
_QUOTED_WORD = rf"[\"'“”‘’`*]{{0,3}}(?P<%s>{WORD})[\"'“”‘’`*]{{0,3}}"
_CLAIM = re.compile(
    rf"(?<!\w){_QUOTED_WORD % 'word'} (?:is (?:(?P<misplaced>out of order)|(?P<missing>missing))"
    rf"\W{{1,3}}it belongs (?:at the start|right after {_QUOTED_WORD % 'before'})"
    rf"|stands (?P<doubled>{_COUNT}) but was given (?P<given>{_COUNT})|(?P<foreign>was not among the words))",
    re.IGNORECASE,
)
_FORM = re.compile(r"\bno list here\W{1,3}it should be (?P<list>.+)", re.IGNORECASE)

ClaimKind = Literal["misplaced", "missing", "doubled", "foreign"]
_KINDS: tuple[ClaimKind, ...] = ("misplaced", "missing", "doubled", "foreign")


@dataclass(frozen=True)
class Claim:
    """What a comment claims about one word of a list."""

    kind: ClaimKind
    word: str
    before: str | None = None
    """The word it belongs right after; None if it belongs at the start. For "misplaced" and "missing"."""
    counts: tuple[str, str] | None = None
    """How often the word is listed and how often it was given, in words. For "doubled"."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse the first claim in the text of a comment."""
        match = _CLAIM.search(text)
        if match is None:
            return None
        kind = next(kind for kind in _KINDS if match[kind])
        counts = None
        if kind == "doubled":
            counts = (match["doubled"].lower(), match["given"].lower())
        return cls(kind, match["word"], match["before"], counts)


def parse_proposed_list(text: str) -> str | None:
    """Return the list that a comment proposes for an answer without one."""
    match = _FORM.search(text)
    return None if match is None else match["list"]


def no_list_text(proposed: str) -> str:
    """Claim that the answer has no list, and propose one."""
    return f"There is no list here: it should be {proposed}."


def place_text(kind: ClaimKind, word: str, before: str | None) -> str:
    """Claim that a word is misplaced or missing, and where it belongs."""
    problem = "missing" if kind == "missing" else "out of order"
    place = "at the start" if before is None else f'right after "{before}"'
    return f'"{word}" is {problem}: it belongs {place}.'


def doubled_text(word: str, listed: int, given: int) -> str:
    """Claim that a word is listed more often than it was given."""
    return f'"{word}" stands {times_text(listed)} but was given {times_text(given)}.'


def foreign_text(word: str) -> str:
    """Claim that a listed word was not given."""
    return f'"{word}" was not among the words given.'


def times_text(count: int) -> str:
    """Write a count in words."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
