"""When two sides of an equation agree: exactly, as a rounding, or in other units than they say."""

import math
from fractions import Fraction

from selfcritic.agent.checkers.arithmetic.expressions import Expression
from selfcritic.agent.checkers.arithmetic.vocabulary import MEASURED, SMALL_MONEY, UNITS

_SLACK = Fraction(1, 100)
_FACTORS = frozenset(map(Fraction, (7, 12, 16, 24, 60, 100, 1000, 3600)))


def is_equal(left: Expression, right: Expression, *, approximate: bool, whole: bool) -> bool:
    """Whether an equation holds, exactly or as a rounding.

    `approximate`: it says that it is a rounding; `whole`: it is about whole numbers, so that 17 / 5 = 3 may be meant.
    """
    difference = abs(left.value - right.value)
    size = max(abs(left.value), abs(right.value))
    if difference <= size / 10**20 and not (left.exact and right.exact):
        return True
    if difference <= size / 10**12 and max(left.decimals, right.decimals) >= 12:  # 0.1 + 0.2 = 0.30000000000000004
        return True
    for numeral, side in ((left, right), (right, left)):
        if numeral.operations == 0 and _rounds(side, numeral, approximate=approximate, whole=whole):
            return True
        # 5 + 3 = 8 × 2 = 16: not well written, but no slip of arithmetic.
        if side.leading is not None and side.leading == numeral.value and side is right:
            return True
    both = left.operations and right.operations
    loose = approximate or (both and (left.decimals or right.decimals))
    return difference == 0 or (bool(loose) and difference <= size * _SLACK)


def _rounds(side: Expression, numeral: Expression, *, approximate: bool, whole: bool) -> bool:
    """Whether a numeral is what an expression comes to, rounded or cut off at the numeral's last digit."""
    written = numeral.numbers[-1]
    scale = abs(numeral.value) / Fraction(written) if Fraction(written) else Fraction(1)  # of "%" or "million"
    value, shown = side.value / scale, numeral.value / scale
    places = len(written.partition(".")[2])
    unit = Fraction(1, 10**places)
    difference = abs(value - shown)
    if approximate:
        zeros = 0 if places else len(written) - len(written.rstrip("0"))
        return difference <= max(unit, Fraction(10**zeros, 2))
    if not places and scale == 1 and abs(value) < 10 and not whole:
        return False  # 7 / 2 = 3
    cut = math.trunc(value / unit) * unit == shown and side.divides
    if difference == unit / 2 and places < 2 and not whole:
        return False  # 3 / 4 = 0.8: who has the one digit more writes it; money has no third
    return difference <= unit / 2 or cut or (whole and not places and difference < 1)


def units_differ(left: Expression, right: Expression, around: str) -> bool:
    """Whether the sides may be told in different units: 5 × 25 cents = $1.25, 3 hours + 30 minutes = 3.5 hours."""
    if left.operations == 0 and left.units and not right.units:
        return True  # 2 weeks = 2 × 7
    if bool(SMALL_MONEY.intersection(left.units)) != bool(SMALL_MONEY.intersection(right.units)):
        return True
    if left.units and right.units and right.units[0] not in left.units:
        return True
    if left.divides and not (left.decimals or left.units) and right.units and abs(left.value) < 1 <= abs(right.value):
        return True  # 1 - 1/3 = 2/3 = 20 pages
    measures = UNITS.intersection((*left.units, *right.units))
    if len(measures) > 1 and (left.adds or right.adds):
        return True
    if left.value == 0 or right.value == 0:
        return False
    ratio = abs(left.value / right.value)
    return max(ratio, 1 / ratio) in _FACTORS and bool(measures or MEASURED.search(around))
