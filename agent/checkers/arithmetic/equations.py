"""Compare two sides: exactly, as a rounding, or in different units."""

import math
from fractions import Fraction

from selfcritic.agent.checkers.arithmetic.expressions import Expression, num_decimals
from selfcritic.agent.checkers.arithmetic.vocabulary import COINS, UNIT_PATTERN, UNITS

_TOLERANCE = Fraction(1, 100)
_ROOT_TOLERANCE = Fraction(1, 10**20)
_FLOAT_TOLERANCE = Fraction(1, 10**12)
_FLOAT_DECIMALS = 12
_CONVERSION_FACTORS = frozenset(map(Fraction, (7, 12, 16, 24, 60, 100, 1000, 3600)))


def is_equal(left: Expression, right: Expression, *, approximate: bool, whole: bool) -> bool:
    """Return whether an equation holds, exactly or rounded.

    Args:
        left: The left side.
        right: The right side.
        approximate: Whether the text calls the equation approximate.
        whole: Whether the text counts whole things, so that 17 / 5 = 3 may be intended.
    """
    if left.value == right.value or _differ_by_precision(left, right):
        return True
    if left.operations == 0 and _is_rounding(left, right, approximate=approximate, whole=whole):
        return True
    if right.operations == 0 and _is_rounding(right, left, approximate=approximate, whole=whole):
        return True
    # 5 + 3 = 8 × 2 = 16: bad style, but the calculation is correct.
    if right.leading is not None and right.leading == left.value:
        return True
    if not approximate and not _may_use_rounded_operands(left, right):
        return False
    return _relative_difference(left, right) <= _TOLERANCE


def _relative_difference(left: Expression, right: Expression) -> Fraction:
    """Return the difference relative to the larger value; the values must differ."""
    size = max(abs(left.value), abs(right.value))
    return abs(left.value - right.value) / size


def _differ_by_precision(left: Expression, right: Expression) -> bool:
    """Return whether only limited precision separates the values."""
    difference = _relative_difference(left, right)
    has_root = not (left.exact and right.exact)
    if has_root and difference <= _ROOT_TOLERANCE:
        return True
    # 0.1 + 0.2 = 0.30000000000000004
    has_repetend = left.repeats or right.repeats
    is_float = not has_repetend and max(left.decimals, right.decimals) >= _FLOAT_DECIMALS
    return is_float and difference <= _FLOAT_TOLERANCE


def _may_use_rounded_operands(left: Expression, right: Expression) -> bool:
    has_decimals = left.decimals > 0 or right.decimals > 0
    return has_decimals and left.operations > 0 and right.operations > 0


def _is_rounding(numeral: Expression, side: Expression, *, approximate: bool, whole: bool) -> bool:
    """Return whether a numeral rounds or truncates the other side."""
    if numeral.repeats:
        return False  # 0.(3) is exact
    text = numeral.numbers[-1]
    places = num_decimals(text)
    scale = _scale(numeral)
    exact = side.value / scale
    rounded = numeral.value / scale
    unit = Fraction(1, 10**places)
    difference = abs(exact - rounded)
    if numeral.is_cut:
        return difference <= unit
    if approximate:
        return difference <= max(unit, _half_of_last_digit(text))
    if not whole:
        if places == 0 and scale == 1 and abs(exact) < 10:
            return False  # 7 / 2 = 3
        # 3 / 4 = 0.8: one more digit is exact. Money has no third decimal, so 1 / 8 = 0.13 is a rounding.
        if places < 2 and difference == unit / 2:
            return False
    if difference <= unit / 2:
        return True
    if whole and places == 0 and difference < 1:
        return True
    is_truncated = math.trunc(exact / unit) * unit == rounded
    return is_truncated and side.divides


def _scale(numeral: Expression) -> Fraction:
    """Return the factor of "%" or of a word like "million"."""
    unscaled = Fraction(numeral.numbers[-1])
    if unscaled == 0:
        return Fraction(1)
    return abs(numeral.value) / unscaled


def _half_of_last_digit(numeral: str) -> Fraction:
    """Return half the place value of the last digit.

    Trailing zeros of an integer do not count as digits.
    """
    if "." in numeral:
        return Fraction(1, 2 * 10 ** num_decimals(numeral))
    zeros = len(numeral) - len(numeral.rstrip("0"))
    return Fraction(10**zeros, 2)


def units_differ(left: Expression, right: Expression, surroundings: str) -> bool:
    """Return whether the sides may use different units.

    Examples are 5 × 25 cents = $1.25 and 3 hours + 30 minutes = 3.5 hours. `surroundings` is the text in and around the
    equation.
    """
    if left.operations == 0 and left.units and not right.units:
        return True  # 2 weeks = 2 × 7
    if COINS.isdisjoint(left.units) != COINS.isdisjoint(right.units):
        return True
    if left.units and right.units and right.units[0] not in left.units:
        return True
    if _is_share(left) and right.units and abs(left.value) < 1 <= abs(right.value):
        return True  # 1 - 1/3 = 2/3 = 20 pages
    units = UNITS.intersection((*left.units, *right.units))
    if len(units) > 1 and (left.adds or right.adds):
        return True
    if not _differ_by_conversion(left.value, right.value):
        return False
    return bool(units) or UNIT_PATTERN.search(surroundings) is not None


def _is_share(side: Expression) -> bool:
    return side.divides and side.decimals == 0 and not side.units


def _differ_by_conversion(left: Fraction, right: Fraction) -> bool:
    if left == 0 or right == 0:
        return False
    ratio = abs(left / right)
    return max(ratio, 1 / ratio) in _CONVERSION_FACTORS
