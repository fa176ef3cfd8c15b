"""Read the value of one numeral."""

import math
import re
from fractions import Fraction

from selfcritic.agent.checkers.arithmetic.bounded import Unsupported
from selfcritic.agent.checkers.arithmetic.expressions import NumberFormat, num_decimals

_MAX_DIGITS = 60
_NOT_NUMERIC = re.compile(r"[^0-9.]")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
_SIXTHS = [Fraction(n, 6) for n in (1, 2, 4, 5)]


def normalize_numeral(text: str, number_format: NumberFormat) -> str:
    """Remove thousands separators, and keep digits and the decimal point.

    Raises:
        Unsupported: The numeral has more than 60 characters.
    """
    digits = _NOT_NUMERIC.sub("", text)
    if len(digits) > _MAX_DIGITS:
        raise Unsupported
    if number_format.dot_separates_thousands and _THOUSANDS.fullmatch(digits):
        return digits.replace(".", "")
    return digits


def numeral_value(numeral: str, number_format: NumberFormat) -> Fraction:
    """Evaluate a normalized numeral."""
    value = Fraction(numeral)
    places = num_decimals(numeral)
    if not number_format.sixths or places < 2:
        return value
    return _restore_sixth(value, places)


def _restore_sixth(value: Fraction, places: int) -> Fraction:
    """Return the sixths that a decimal abbreviates, else the decimal."""
    whole = math.floor(value)
    for sixth in _SIXTHS:
        error_in_last_place = (whole + sixth - value) * 10**places
        if -0.5 <= error_in_last_place < 1:
            return whole + sixth
    return value
