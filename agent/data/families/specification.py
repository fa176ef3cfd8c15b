"""A controlled English for small Python functions over a list of numbers: written, read, and turned into code.

A specification is a row of sentences, each of a form in the tables below. A form's phrasing is one string that both
writes and reads it: "(a|b)" is either, "{k}" a number. What the sentences mean:

- "Write a Python function f(xs)" makes the text a specification.
- One may say which numbers to go through. It stands before all that is done to them.
- Any number of steps follow, done to each number in the order in which they stand.
- One says what to return, and may change it at its end; one may say what to return if nothing is left. They may stand
  anywhere. The latter must be there where the former has no meaning without a number, as "the largest one".
"""

import itertools
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, Self

from selfcritic.agent.errors import InputError

Part = Literal["header", "scope", "step", "return", "empty"]

MOST_SENTENCES = 12

_MENTIONED = re.compile(r"function\s+f\s*\(\s*xs\s*\)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.;\n]+")
_CONNECTIVE = re.compile(r"(?:(?:and|but|first|next|then|finally)\b,?\s*)+", re.IGNORECASE)

# Of each kind of number: how it is read, and which ones are drawn.
_NUMBERS = {
    "n": (r"[1-9]\d{0,2}", range(1, 4)),  # how many
    "d": (r"[1-9]\d{0,3}", range(2, 6)),  # a divisor
    "p": (r"-?\d{1,4}", range(2, 10)),  # to calculate with
    "k": (r"-?\d{1,4}", range(-3, 10)),  # to compare with
    "v": (r"-?\d{1,4}|None", range(-2, 3)),  # a value
}


@dataclass(frozen=True)
class Line:
    """A line of the reference code and what it follows from."""

    text: str
    phrase: str


@dataclass(frozen=True)
class Form:
    """Something that a sentence can say, and what it means in code."""

    part: Part
    phrasing: str
    code: Mapping[str, str]
    """By its place in the function; the same names in braces as in the phrasing."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What reads the sentence."""
        source = re.sub(r"\{(\w)\}", lambda m: f"(?P<{m[1]}>{_NUMBERS[m[1]][0]})", self.phrasing.replace("(", "(?:"))
        return re.compile(source, re.IGNORECASE)

    @property
    def example(self) -> str:
        """The sentence in its plainest words."""
        return re.sub(r"\(([^|)]*)[^)]*\)", r"\1", self.phrasing).replace("{v}", "0")

    def write(self, rng: random.Random) -> str:
        """Draw a sentence."""
        words = re.sub(r"\(([^)]*)\)", lambda m: rng.choice(m[1].split("|")), self.phrasing)
        return re.sub(r"\{(\w)\}", lambda m: str(rng.choice(_NUMBERS[m[1]][1])), words)

    def read(self, sentence: str) -> "Clause | None":
        """Read a sentence of this form."""
        if not (match := self.pattern.fullmatch(sentence)):
            return None
        # "none" as typed is None, and "007" is 7: the numbers become code.
        numbers = {name: "None" if said.lower() == "none" else str(int(said)) for name, said in match.groupdict().items()}
        return Clause(self, sentence, {place: code.format(**numbers) for place, code in self.code.items()})


@dataclass(frozen=True)
class Clause:
    """One sentence, read."""

    form: Form
    phrase: str
    code: Mapping[str, str]


HEADER = Form("header", "(Write|Define) a (Python |)function f(xs)".replace("f(xs)", r"f\(xs\)"), {})
