"""Find, replace and corrupt the digits of a number in a text."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

NUMBER = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+"
MAX_ADDEND_CHARS = 1000  # Python converts at most 4,300 digits

PLACE_NAMES = (
    "units",
    "tens",
    "hundreds",
    "thousands",
    "ten thousands",
    "hundred thousands",
    "millions",
)
_MAX_ANSWER_DIGITS = 2 * MAX_ADDEND_CHARS

_SIGNED_NUMBER = re.compile(
    rf"(?P<sign>(?<!\w)[-−])?(?P<number>{NUMBER})(?:\.(?P<fraction>[0-9]+))?"
)
_NEIGHBORS = ("1", "02", "13", "24", "35", "46", "57", "68", "79", "8")


class Corruption(NamedTuple):
    """The digits of a wrong number, and the error in it."""

    digits: str
    description: str


class FoundNumber(NamedTuple):
    """A number in a text.

    A place is a power of ten: 0 is the last digit.
    """

    digits: str
    """Its digits, without commas."""
    offsets: Sequence[int]
    """The offset of each digit in the text."""

    @property
    def start(self) -> int:
        """The offset of the first digit."""
        return self.offsets[0]

    @property
    def end(self) -> int:
        """The offset after the last digit."""
        return self.offsets[-1] + 1

    def offset_of(self, place: int) -> int:
        """Return the offset of the digit at a place."""
        return self.offsets[-1 - place]


def find_number(text: str) -> FoundNumber | None:
    """Return the last number in a text.

    Returns None if that number is negative, a fraction, or has more than 2,000 digits.
    """
    matches = deque(_SIGNED_NUMBER.finditer(text), maxlen=1)
    if not matches:
        return None
    match = matches[0]
    fraction = match["fraction"] or ""
    if match["sign"] or fraction.strip("0"):
        return None
    digits = match["number"].replace(",", "")
    if len(digits) > _MAX_ANSWER_DIGITS:
        return None
    start, end = match.span("number")
    offsets = [offset for offset in range(start, end) if text[offset] != ","]
    return FoundNumber(digits, offsets)


def digit_at(digits: str, place: int) -> str:
    """Return the digit at a place, or "" beyond them."""
    if place >= len(digits):
        return ""
    return digits[-1 - place]


def replace_digit(text: str, index: int, digit: str) -> str:
    """Replace one character."""
    before = text[:index]
    after = text[index + 1 :]
    return before + digit + after


def replace_number(text: str, number: FoundNumber, digits: str) -> str:
    """Replace the digits of a number, keeping its comma style."""
    before = text[: number.start]
    after = text[number.end :]
    has_commas = "," in text[number.start : number.end]
    if has_commas:
        digits = _group_thousands(digits)
    return before + digits + after


def _group_thousands(digits: str) -> str:
    """Insert commas; keeps leading zeros."""
    head_length = len(digits) % 3
    groups = []
    if head_length:
        groups.append(digits[:head_length])
    for start in range(head_length, len(digits), 3):
        groups.append(digits[start : start + 3])
    return ",".join(groups)


def place_name(place: int) -> str:
    """Name a place: 0 is "units"."""
    if place < len(PLACE_NAMES):
        return PLACE_NAMES[place]
    return f"10^{place}"


def place_from_name(name: str) -> int:
    """Return the place of a name such as "ones" or "10^7"."""
    if name == "ones":
        return 0
    if name.startswith("10^"):
        return int(name.removeprefix("10^"))
    return PLACE_NAMES.index(name)


def is_canonical(digits: str) -> bool:
    """Return whether a number has digits and no leading zero."""
    return digits == "0" or digits[:1] not in ("", "0")


def off_by_one_digits(digits: str) -> Iterator[Corruption]:
    """Yield the number with each digit changed by one."""
    for index, digit in enumerate(digits):
        name = _name_at(digits, index)
        description = f"The {name} digit is off by one."
        for neighbor in _NEIGHBORS[int(digit)]:
            yield Corruption(replace_digit(digits, index, neighbor), description)


def swapped_digits(digits: str) -> Iterator[Corruption]:
    """Yield the number with each pair of adjacent digits swapped."""
    for index in range(len(digits) - 1):
        left = digits[index]
        right = digits[index + 1]
        swapped = digits[:index] + right + left + digits[index + 2 :]
        left_name = _name_at(digits, index)
        right_name = _name_at(digits, index + 1)
        yield Corruption(swapped, f"The {left_name} and {right_name} digits are swapped.")


def dropped_digits(digits: str) -> Iterator[Corruption]:
    """Yield the number without each of its digits."""
    for index in range(len(digits)):
        shorter = digits[:index] + digits[index + 1 :]
        yield Corruption(shorter, f"The {_name_at(digits, index)} digit was dropped.")


def duplicated_digits(digits: str) -> Iterator[Corruption]:
    """Yield the number with each of its digits written twice."""
    for index in range(len(digits)):
        doubled = digits[: index + 1] + digits[index:]
        yield Corruption(doubled, f"The {_name_at(digits, index)} digit was written twice.")


def _name_at(digits: str, index: int) -> str:
    return place_name(len(digits) - 1 - index)
