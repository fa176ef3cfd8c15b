"""Find, replace and corrupt the digits of a number in a text."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

NUMBER = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+"
MAX_ADDEND_CHARS = 1000  # Python converts at most 4,300 digits

PLACE_NAMES = ("units", "tens", "hundreds", "thousands", "ten thousands", "hundred thousands", "millions")

_SIGNED_NUMBER = re.compile(rf"(?P<sign>(?<!\w)[-−])?(?P<number>{NUMBER})(?:\.(?P<fraction>[0-9]+))?")
_NEIGHBORS = ("1", "02", "13", "24", "35", "46", "57", "68", "79", "8")


class Corruption(NamedTuple):
    """The digits of a wrong number, and what is wrong with it."""

    digits: str
    description: str


def find_digits(text: str) -> list[int]:
    """Return the offsets of the digits of the last number in a text.

    Returns [] if that number is negative, a fraction, or has more than 2,000 digits.
    """
    matches = deque(_SIGNED_NUMBER.finditer(text), maxlen=1)
    if not matches:
        return []
    match = matches[0]
    fraction = match["fraction"] or ""
    if match["sign"] or fraction.strip("0"):
        return []
    offsets = [offset for offset in range(*match.span("number")) if text[offset] != ","]
    if len(offsets) > 2 * MAX_ADDEND_CHARS:
        return []
    return offsets


def join_digits(text: str, offsets: Sequence[int]) -> str:
    """Return the characters at the offsets."""
    return "".join(text[offset] for offset in offsets)


def replace_digit(text: str, index: int, digit: str) -> str:
    """Replace one character."""
    return text[:index] + digit + text[index + 1 :]


def replace_number(text: str, offsets: Sequence[int], digits: str) -> str:
    """Replace a number by other digits, with commas if the number has commas."""
    start = offsets[0]
    end = offsets[-1] + 1
    if "," in text[start:end]:
        digits = _group_thousands(digits)
    return text[:start] + digits + text[end:]


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
    """Name a digit by its power of ten: 0 is "units"."""
    if place < len(PLACE_NAMES):
        return PLACE_NAMES[place]
    return f"10^{place}"


def place_from_name(name: str) -> int:
    """Return the power of ten of a lowercase name: "ones", one of `PLACE_NAMES` or "10^7"."""
    if name == "ones":
        return 0
    if name.startswith("10^"):
        return int(name.removeprefix("10^"))
    return PLACE_NAMES.index(name)


def is_canonical(digits: str) -> bool:
    """Return whether a number has digits and no leading zero."""
    return digits == "0" or digits[:1] not in ("", "0")


def off_by_one_digits(digits: str) -> Iterator[Corruption]:
    """Yield the number with each digit increased or decreased by one."""
    for index, digit in enumerate(digits):
        description = f"The {_name_at(digits, index)} digit is off by one."
        for neighbor in _NEIGHBORS[int(digit)]:
            yield Corruption(replace_digit(digits, index, neighbor), description)


def swapped_digits(digits: str) -> Iterator[Corruption]:
    """Yield the number with each pair of adjacent digits swapped."""
    for index in range(len(digits) - 1):
        swapped = digits[:index] + digits[index + 1] + digits[index] + digits[index + 2 :]
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
        longer = digits[:index] + digits[index] + digits[index:]
        yield Corruption(longer, f"The {_name_at(digits, index)} digit was written twice.")


def _name_at(digits: str, index: int) -> str:
    return place_name(len(digits) - 1 - index)
