"""Add whole numbers.

A task looks like "What is 123 + 456?", "Please add 12,345 and 99" or "Sum of 3, 4 and 5". Its answer is the last number
of the text. The kinds of flaws, with their comments:

- digit: the answer has the length of the sum, but this digit is wrong. "The hundreds digit should be 4."
- length: the answer has too many or too few digits. "The sum has 4 digits: it should be 1234."
- form: the answer contains no whole number. "There is no sum here: it should be 579."
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.base import Flaw, Injected, Task
from selfcritic.agent.tasks.comments import comment_on, is_quoted, overlaps, remark_opening
from selfcritic.agent.tasks.digits import (
    MAX_ADDEND_CHARS,
    NUMBER,
    PLACE_NAMES,
    Corruption,
    FoundNumber,
    digit_at,
    dropped_digits,
    duplicated_digits,
    find_number,
    is_canonical,
    off_by_one_digits,
    place_from_name,
    place_name,
    replace_digit,
    replace_number,
    swapped_digits,
)
from selfcritic.agent.tasks.requests import STOPWORDS

_DIGITS = "0123456789"
_TOKEN = re.compile(rf"{NUMBER}|[^\W\d_]+(?:['’][^\W\d_]+)?|\S")
# A factorial, a decimal, "1 000".
_NOT_A_WHOLE_NUMBER = re.compile(r"[0-9]!|\.[0-9]|[0-9][^\S\n]++[0-9]")
_ADDITION_WORDS = frozenset(
    ["+", "plus", "add", "adds", "added", "adding", "sum", "sums", "summed", "total", "addition"]
)
_WORDS_BETWEEN = frozenset(["+", ",", ";", "&", "and", "plus", "to", "with", "added"])
_WORDS_AROUND = _ADDITION_WORDS | STOPWORDS | frozenset("=?.,:;!()")

_DIGIT_CLAIM = re.compile(
    rf"\b(?P<place>ones|{'|'.join(PLACE_NAMES)}|10\^[0-9]{{1,4}}) digit should be"
    r"\W{1,4}(?P<digit>[0-9])(?!,?[0-9])",
    re.IGNORECASE,
)
_SUM_CLAIM = re.compile(rf"(?<!digit )\bshould be\W{{1,4}}(?P<number>{NUMBER})", re.IGNORECASE)
_LENGTH_CLAIM = re.compile(r"\bhas ([0-9]{1,5}) digits?\b", re.IGNORECASE)
_NO_SUM_CLAIM = re.compile(r"\bno (?:sum|number)\b", re.IGNORECASE)


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
        """Parse a request for a sum.

        Returns None if the text contains any other word.
        """
        tokens = _TOKEN.findall(question.lower())
        positions = [index for index, token in enumerate(tokens) if _is_number(token)]
        if len(positions) < 2 or _NOT_A_WHOLE_NUMBER.search(question):
            return None
        first = positions[0]
        last = positions[-1]
        addends = [tokens[index] for index in positions]
        words_around = set(tokens[:first] + tokens[last + 1 :])
        words_between = set(tokens[first : last + 1]).difference(addends)
        if not words_around <= _WORDS_AROUND or not words_between <= _WORDS_BETWEEN:
            return None
        if _ADDITION_WORDS.isdisjoint(words_around | words_between):
            return None
        if any(len(addend) > MAX_ADDEND_CHARS for addend in addends):
            return None
        return cls(question, tuple(_parse_number(addend) for addend in addends))

    @classmethod
    def generate(cls, rng: random.Random, size: int) -> Self:
        """Draw two addends of `size` digits each.

        `size` is from 1 to 30.

        Raises:
            InputError: The size is out of range.
        """
        if size not in cls.sizes:
            raise InputError(f"`size` of an addition task must be from 1 to 30 digits, not {size}.")
        smallest = 10 ** (size - 1)
        left = rng.randrange(smallest, 10 * smallest)
        right = rng.randrange(smallest, 10 * smallest)
        wordings = (
            f"What is {left} + {right}?",
            f"Please add {left} and {right}.",
            f"Compute the sum of {left} and {right}.",
            f"How much is {left:,} plus {right:,}?",
            f"{left} + {right} =",
        )
        question = rng.choice(wordings)
        return cls(question, (left, right))

    def solution(self) -> str:
        """Return the sum, without commas."""
        return str(sum(self.addends))

    def is_correct(self, answer: str) -> bool:
        """Compare the last number of the answer with the sum."""
        number = find_number(answer)
        return number is not None and number.digits == self.solution()

    def flaws(self, answer: str) -> list[Flaw]:
        """List the wrong digits, the last one first.

        In this order, fixing one does not change the quotes of the others.
        """
        solution = self.solution()
        number = find_number(answer)
        if number is None:
            return [Flaw("form", _missing_sum_comment(answer, solution))]
        if len(number.digits) != len(solution):
            return [Flaw("length", _length_comment(answer, number, solution))]
        flaws = []
        for place, digit in enumerate(reversed(solution)):
            if digit_at(number.digits, place) != digit:
                comment = _digit_comment(answer, number, place, digit)
                flaws.append(Flaw("digit", comment))
        return flaws

    def is_valid(self, answer: str, comment: Comment) -> bool:
        """Check whether the comment gives the correct digit or sum."""
        claim = _DIGIT_CLAIM.search(comment.text)
        if claim:
            return self._is_valid_digit_claim(answer, comment, claim)
        return self._is_valid_sum_claim(answer, comment)

    def _is_valid_digit_claim(self, answer: str, comment: Comment, claim: re.Match[str]) -> bool:
        number = find_number(answer)
        place = _claimed_place(claim)
        if number is None or place >= len(number.digits):
            return False
        correct_digit = digit_at(self.solution(), place)
        if claim["digit"] != correct_digit or digit_at(number.digits, place) == correct_digit:
            return False
        offset = number.offset_of(place)
        return overlaps(comment, answer, offset, offset + 1)

    def _is_valid_sum_claim(self, answer: str, comment: Comment) -> bool:
        solution = self.solution()
        claim = _SUM_CLAIM.search(comment.text)
        if not claim or _claimed_digits(claim) != solution:
            return False
        length_claim = _LENGTH_CLAIM.search(comment.text)
        if length_claim and int(length_claim[1]) != len(solution):
            return False
        number = find_number(answer)
        if number is None:
            return is_quoted(comment, answer)
        if number.digits == solution or _NO_SUM_CLAIM.search(comment.text):
            return False
        return overlaps(comment, answer, number.start, number.end)

    def inject_flaw(self, answer: str, rng: random.Random) -> Injected:
        """Corrupt the number of the answer, else the solution."""
        number = find_number(answer)
        if number is None:
            answer = self.solution()
            number = FoundNumber(answer, range(len(answer)))
        digits = number.digits
        # The order is part of the seeds.
        corruptions_by_kind = [
            self._wrong(self._forgotten_carries(digits)),
            self._wrong(off_by_one_digits(digits)),
            self._wrong(swapped_digits(digits)),
            self._wrong(dropped_digits(digits)),
            self._wrong(duplicated_digits(digits)),
        ]
        corruptions = rng.choice(
            [corruptions for corruptions in corruptions_by_kind if corruptions]
        )
        corruption = rng.choice(corruptions)
        flawed = replace_number(answer, number, corruption.digits)
        return Injected(flawed, corruption.description)

    def _wrong(self, corruptions: Iterator[Corruption]) -> list[Corruption]:
        """Keep the corruptions that are wrong but valid numbers."""
        solution = self.solution()
        wrong = []
        for corruption in corruptions:
            if is_canonical(corruption.digits) and corruption.digits != solution:
                wrong.append(corruption)
        return wrong

    def _forgotten_carries(self, digits: str) -> Iterator[Corruption]:
        """Yield the number without each carry of the sum."""
        for place in range(1, len(digits)):
            modulus = 10**place
            lower_sum = sum(addend % modulus for addend in self.addends)
            digit = int(digit_at(digits, place))
            if lower_sum < modulus or digit == 0:
                continue
            index = len(digits) - 1 - place
            without_carry = replace_digit(digits, index, str(digit - 1))
            # A leading 1 that is only a carry disappears.
            without_carry = without_carry.lstrip("0") or "0"
            yield Corruption(
                without_carry, f"The carry into the {place_name(place)} was forgotten."
            )

    def apply_comment(self, answer: str, comment: Comment) -> str:
        """Write the digit or the sum that the comment names.

        If the answer has no number, the claimed sum becomes the answer.
        """
        number = find_number(answer)
        digit_claim = _DIGIT_CLAIM.search(comment.text)
        sum_claim = _SUM_CLAIM.search(comment.text)
        if number is None:
            if sum_claim and not digit_claim and is_quoted(comment, answer):
                return sum_claim["number"]
            return answer
        if not overlaps(comment, answer, number.start, number.end):
            return answer
        if digit_claim:
            place = _claimed_place(digit_claim)
            if place >= len(number.digits):
                return answer
            return replace_digit(answer, number.offset_of(place), digit_claim["digit"])
        if sum_claim:
            return replace_number(answer, number, _claimed_digits(sum_claim))
        return answer

    def false_comment(self, answer: str, rng: random.Random) -> Comment:
        """Object to a correct digit, else to any digit.

        If the answer has no number, the comment asks for a wrong sum.
        """
        solution = self.solution()
        number = find_number(answer)
        if number is None:
            wrong_sum = self.inject_flaw(solution, rng).answer
            return _missing_sum_comment(answer, wrong_sum)
        places = range(len(number.digits))
        correct_places = []
        for place in places:
            if digit_at(number.digits, place) == digit_at(solution, place):
                correct_places.append(place)
        place = rng.choice(correct_places or places)
        excluded = {digit_at(number.digits, place), digit_at(solution, place)}
        wrong_digits = [digit for digit in _DIGITS if digit not in excluded]
        return _digit_comment(answer, number, place, rng.choice(wrong_digits))


def _is_number(token: str) -> bool:
    return token[0] in _DIGITS


def _parse_number(text: str) -> int:
    return int(text.replace(",", ""))


def _claimed_place(claim: re.Match[str]) -> int:
    return place_from_name(claim["place"].lower())


def _claimed_digits(claim: re.Match[str]) -> str:
    return claim["number"].replace(",", "")


def _digit_comment(answer: str, number: FoundNumber, place: int, digit: str) -> Comment:
    # A single digit often occurs elsewhere, so the quote starts at the first digit.
    end = number.offset_of(place) + 1
    text = f"The {place_name(place)} digit should be {digit}."
    return comment_on(answer, number.start, end, text)


def _length_comment(answer: str, number: FoundNumber, solution: str) -> Comment:
    length = len(solution)
    noun = "digit" if length == 1 else "digits"
    text = f"The sum has {length} {noun}: it should be {solution}."
    return comment_on(answer, number.start, number.end, text)


def _missing_sum_comment(answer: str, number: str) -> Comment:
    return remark_opening(answer, f"There is no sum here: it should be {number}.")
