"""Adding whole numbers.

A task looks like "What is 123 + 456?", "Please add 12,345 and 99" or "Sum of 3, 4 and 5". Its answer is the sum; in
prose the last number counts. The flaws of an answer and the comments on them:

- digit: as many digits as the sum has, but this one is wrong. "The hundreds digit should be 4."
- length: more or fewer digits than the sum has. "The sum has 4 digits: it should be 1234."
- form: no whole number to be read. "There is no sum here: it should be 579."
"""

import random
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.base import Flaw, Injected, Task
from selfcritic.agent.tasks.comments import comment_on, is_quoted, overlaps, remark_opening
from selfcritic.agent.tasks.requests import POLITE

_NUMBER = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+"
_LONGEST = 1000  # characters of an addend; Python itself converts no more than 4300 digits

_TOKEN = re.compile(rf"{_NUMBER}|[^\W\d_]+(?:['’][^\W\d_]+)?|\S")
_SPOILT = re.compile(r"[0-9]!|\.[0-9]|[0-9][^\S\n]++[0-9]")  # a factorial, a decimal fraction, "1 000"
_ADDS = frozenset(["+", "plus", "add", "adds", "added", "adding", "sum", "sums", "summed", "total", "addition"])
_BETWEEN = frozenset(["+", ",", ";", "&", "and", "plus", "to", "with", "added"])
_AROUND = _ADDS | POLITE | frozenset("=?.,:;!()")

_ANSWER = re.compile(rf"(?P<sign>(?<!\w)[-−])?(?P<number>{_NUMBER})(?:\.(?P<fraction>[0-9]+))?")

_PLACES = ("units", "tens", "hundreds", "thousands", "ten thousands", "hundred thousands", "millions")
_DIGIT = re.compile(
    rf"\b(?P<place>ones|{'|'.join(_PLACES)}|10\^(?P<power>[0-9]{{1,4}})) digit should be"
    r"\W{1,4}(?P<digit>[0-9])(?!,?[0-9])",
    re.IGNORECASE,
)
_WHOLE = re.compile(rf"(?<!digit )\bshould be\W{{1,4}}(?P<number>{_NUMBER})", re.IGNORECASE)
_COUNT = re.compile(r"\bhas ([0-9]{1,5}) digits?\b", re.IGNORECASE)
_NONE = re.compile(r"\bno (?:sum|number)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Addition(Task):
    """The sum of two or more whole numbers."""

    name = "addition"
    example = "What is 4,387 + 2,965?"
    sizes = range(1, 31)

    question: str
    addends: tuple[int, ...]

    @classmethod
    def parse(cls, question: str) -> Self | None:
        """Read numbers to be added; every other word must be one that a request for a sum is made of."""
        tokens = _TOKEN.findall(question.lower())
        numbers = [at for at, token in enumerate(tokens) if token[0] in "0123456789"]
        if len(numbers) < 2 or _SPOILT.search(question):
            return None
        first, last = numbers[0], numbers[-1]
        around = {*tokens[:first], *tokens[last + 1 :]}
        between = set(tokens[first : last + 1]).difference(addends := [tokens[at] for at in numbers])
        if not (around <= _AROUND and between <= _BETWEEN and _ADDS & (around | between)):
            return None
        if max(map(len, addends)) > _LONGEST:
            return None
        return cls(question, tuple(int(addend.replace(",", "")) for addend in addends))

    @classmethod
    def generate(cls, rng: random.Random, size: int) -> Self:
        """Draw two addends of so many digits each."""
        if size not in cls.sizes:
            raise InputError(f"addition: choose a size from {cls.sizes[0]} to {cls.sizes[-1]} digits, not {size}")
        one, other = (rng.randrange(10 ** (size - 1), 10**size) for _ in range(2))
        wordings = (
            f"What is {one} + {other}?",
            f"Please add {one} and {other}.",
            f"Compute the sum of {one} and {other}.",
            f"How much is {one:,} plus {other:,}?",
            f"{one} + {other} =",
        )
        return cls(rng.choice(wordings), (one, other))

    def solution(self) -> str:
        """The sum, without commas."""
        return str(sum(self.addends))

    def is_correct(self, answer: str) -> bool:
        """Whether the answer's number is the sum."""
        return _digits(answer, _read(answer)) == self.solution()

    def flaws(self, answer: str) -> list[Flaw]:
        """Find wrong digits, the last one first: mending it leaves the quotes of the others alone."""
        right, at = self.solution(), _read(answer)
        if not at:
            return [Flaw("form", remark_opening(answer, f"There is no sum here: it should be {right}."))]
        if len(at) != len(right):
            claim = f"The sum has {len(right)} digit{'s' * (len(right) > 1)}: it should be {right}."
            return [Flaw("length", comment_on(answer, at[0], at[-1] + 1, claim))]
        pairs = zip(reversed(at), reversed(right), strict=True)
        return [
            Flaw("digit", _digit_remark(answer, at, place, digit))
            for place, (offset, digit) in enumerate(pairs)
            if answer[offset] != digit
        ]

    def is_valid(self, answer: str, comment: Comment) -> bool:
        """Whether the digit, or the whole sum, is as the comment says, and not so in the answer."""
        right, at = self.solution(), _read(answer)
        if claim := _DIGIT.search(comment.text):
            place = _place(claim)
            if place >= min(len(at), len(right)):
                return False
            offset = at[-1 - place]
            true = right[-1 - place] == claim["digit"] != answer[offset]
            return true and overlaps(comment, answer, offset, offset + 1)
        return self._is_valid_whole(answer, comment, at)

    def _is_valid_whole(self, answer: str, comment: Comment, at: list[int]) -> bool:
        right, count = self.solution(), _COUNT.search(comment.text)
        claim = _WHOLE.search(comment.text)
        if not claim or claim["number"].replace(",", "") != right or (count and int(count[1]) != len(right)):
            return False
        if not at:
            return is_quoted(comment, answer)
        untrue = self.is_correct(answer) or _NONE.search(comment.text)
        return not untrue and overlaps(comment, answer, at[0], at[-1] + 1)

    def inject_flaw(self, answer: str, rng: random.Random) -> Injected:
        """Make one slip of the pen; where there is no number to spoil, in the solution."""
        if not _read(answer):
            answer = self.solution()
        at = _read(answer)
        digits = _digits(answer, at)
        kinds = (self._carries(digits), _one_off(digits), _swaps(digits), _drops(digits), _doublings(digits))
        wrong = [[slip for slip in kind if _is_number(slip[0]) and slip[0] != self.solution()] for kind in kinds]
        slipped, how = rng.choice(rng.choice([kind for kind in wrong if kind]))
        return Injected(_rewrite(answer, at, slipped), how)

    def _carries(self, digits: str) -> Iterator[tuple[str, str]]:
        """Leave out each carry of the sum in turn; a leading 1 that was nothing but a carry goes."""
        for place in range(1, len(digits)):
            carried = sum(addend % 10**place for addend in self.addends) >= 10**place
            if carried and (digit := digits[-1 - place]) != "0":
                slipped = _replace(digits, len(digits) - 1 - place, str(int(digit) - 1))
                yield slipped.lstrip("0") or "0", f"The carry into the {_name(place)} was forgotten."

    def apply_comment(self, answer: str, comment: Comment) -> str:
        """Write the digit or the sum that the comment names; without a number, that sum is the answer."""
        at = _read(answer)
        digit, whole = _DIGIT.search(comment.text), _WHOLE.search(comment.text)
        if not at:
            return whole["number"] if whole and not digit and is_quoted(comment, answer) else answer
        if not overlaps(comment, answer, at[0], at[-1] + 1):
            return answer
        if digit:
            place = _place(digit)
            return _replace(answer, at[-1 - place], digit["digit"]) if place < len(at) else answer
        return _rewrite(answer, at, whole["number"].replace(",", "")) if whole else answer

    def false_comment(self, answer: str, rng: random.Random) -> Comment:
        """Object to a digit, a right one if there is any; without a number, ask for a wrong sum."""
        right, at = self.solution(), _read(answer)
        if not at:
            return remark_opening(answer, f"There is no sum here: it should be {self.inject_flaw(right, rng).answer}.")
        truth = {place: right[-1 - place] if place < len(right) else "" for place in range(len(at))}
        well = [place for place, digit in truth.items() if answer[at[-1 - place]] == digit]
        place = rng.choice(well or list(truth))
        digit = rng.choice([digit for digit in "0123456789" if digit not in (truth[place], answer[at[-1 - place]])])
        return _digit_remark(answer, at, place, digit)


def _read(answer: str) -> list[int]:
    """Offsets of the digits of the answer's last number; none where it is negative, a fraction or far too long."""
    for number in deque(_ANSWER.finditer(answer), maxlen=1):
        at = [offset for offset in range(*number.span("number")) if answer[offset] != ","]
        if not number["sign"] and not (number["fraction"] or "").strip("0") and len(at) <= 2 * _LONGEST:
            return at
    return []


def _digits(answer: str, at: list[int]) -> str:
    return "".join(answer[offset] for offset in at)


def _is_number(digits: str) -> bool:
    """Whether it has digits and no leading zero."""
    return digits == "0" or digits[:1] not in ("", "0")


def _name(place: int) -> str:
    return _PLACES[place] if place < len(_PLACES) else f"10^{place}"


def _place(claim: re.Match[str]) -> int:
    """Which digit a comment is about, the last one being 0."""
    name = claim["place"].lower()
    return int(claim["power"]) if claim["power"] else 0 if name == "ones" else _PLACES.index(name)


def _digit_remark(answer: str, at: list[int], place: int, digit: str) -> Comment:
    """Quote the number up to the digit: unlike the digit alone, that seldom stands anywhere else."""
    return comment_on(answer, at[0], at[-1 - place] + 1, f"The {_name(place)} digit should be {digit}.")


def _replace(text: str, at: int, digit: str) -> str:
    return text[:at] + digit + text[at + 1 :]


def _rewrite(answer: str, at: list[int], digits: str) -> str:
    """Put other digits in the number's place, with commas if it had any."""
    start, end = at[0], at[-1] + 1
    if "," in answer[start:end]:
        head = len(digits) % 3
        groups = [digits[:head], *(digits[cut : cut + 3] for cut in range(head, len(digits), 3))]
        digits = ",".join(group for group in groups if group)
    return answer[:start] + digits + answer[end:]


def _one_off(digits: str) -> Iterator[tuple[str, str]]:
    for at, digit in enumerate(digits):
        for off in ("1", "02", "13", "24", "35", "46", "57", "68", "79", "8")[int(digit)]:
            yield _replace(digits, at, off), f"The {_name(len(digits) - 1 - at)} digit is off by one."


def _swaps(digits: str) -> Iterator[tuple[str, str]]:
    for at in range(len(digits) - 1):
        place = len(digits) - 1 - at
        how = f"The {_name(place)} and {_name(place - 1)} digits are swapped."
        yield digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :], how


def _drops(digits: str) -> Iterator[tuple[str, str]]:
    for at in range(len(digits)):
        yield digits[:at] + digits[at + 1 :], f"The {_name(len(digits) - 1 - at)} digit was dropped."


def _doublings(digits: str) -> Iterator[tuple[str, str]]:
    for at in range(len(digits)):
        yield digits[:at] + digits[at] + digits[at:], f"The {_name(len(digits) - 1 - at)} digit was written twice."
