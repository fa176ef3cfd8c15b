"""Read the value of one numeral."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from selfcritic.agent.checkers.arithmetic.bounded import Unsupported
from selfcritic.agent.checkers.arithmetic.expressions import NumberFormat, num_decimals

_MAX_CHARS = 100
_NOT_NUMERIC = re.compile(r"[^0-9.]")
_DOT_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
_COMMA_DECIMALS = re.compile(r"([1-9][0-9]{0,2})(?:,|\{,\})([0-9]{3})")
_DECIMAL_COMMA = re.compile(r"\{,\}(?=(?:[0-9]{1,2}|[0-9]{4,})\Z)")
_REPETEND = re.compile(r"\\(?:overline|bar|dot)(?![a-z])|\(")
_ELLIPSIS = re.compile(r"(?:\.{3}|…|\\[lcd]?dots)\Z")
_SIXTHS = [Fraction(n, 6) for n in (1, 2, 4, 5)]


@dataclass(frozen=True)
class Numeral:
    """The value of a numeral and its notation."""

    digits: str
    """Digits and the decimal point, without thousands separators; a repetend appears once."""
    value: Fraction
    repeats: bool = False
    """Whether its decimals repeat, as in 0.(3)."""
    is_cut: bool = False
    """Whether it ends in an ellipsis, as in 0.33…."""


def read_numeral(text: str, number_format: NumberFormat) -> Numeral:
    """Read a numeral in a number format.

    Raises:
        Unsupported: The numeral has more than 100 characters, or does not fit the format.
    """
    if len(text) > _MAX_CHARS:
        raise Unsupported
    repetend = _REPETEND.search(text)
    if repetend is not None:
        return _read_repeating(text[: repetend.start()], text[repetend.start() :])
    is_cut = _ELLIPSIS.search(text) is not None
    digits = _normalize(_ELLIPSIS.sub("", text), number_format)
    value = Fraction(digits)
    if number_format.sixths and num_decimals(digits) >= 2 and not is_cut:
        value = _restore_sixth(value, num_decimals(digits))
    return Numeral(digits, value, is_cut=is_cut)


def repeating_value(prefix: str, repetend: str) -> Fraction:
    """Return the value of a decimal such as 0.1 with a repetend such as 6."""
    scale = 10 ** num_decimals(prefix)
    period = 10 ** len(repetend) - 1
    return Fraction(prefix.removesuffix(".") or "0") + Fraction(int(repetend), scale * period)


def _read_repeating(prefix: str, repetend: str) -> Numeral:
    prefix = _NOT_NUMERIC.sub("", prefix)
    digits = _NOT_NUMERIC.sub("", repetend)
    value = repeating_value(prefix, digits)
    return Numeral(prefix + digits, value, repeats=True)


def _normalize(text: str, number_format: NumberFormat) -> str:
    """Remove thousands separators; keep the digits and the decimal point."""
    if number_format.comma_is_decimal:
        with_comma = _COMMA_DECIMALS.fullmatch(text)
        if with_comma is not None:
            return f"{with_comma[1]}.{with_comma[2]}"
        if "." in text and not _DOT_THOUSANDS.fullmatch(text):
            raise Unsupported
    digits = _NOT_NUMERIC.sub("", _DECIMAL_COMMA.sub(".", text))
    if number_format.dot_separates_thousands and _DOT_THOUSANDS.fullmatch(digits):
        return digits.replace(".", "")
    return digits


def _restore_sixth(value: Fraction, places: int) -> Fraction:
    """Return the sixths that a decimal abbreviates, else the decimal."""
    whole = math.floor(value)
    for sixth in _SIXTHS:
        error_in_last_place = (whole + sixth - value) * 10**places
        if -0.5 <= error_in_last_place < 1:
            return whole + sixth
    return value
