"""Exact arithmetic with fractions of bounded size: what would grow beyond it is refused before it is worked out."""

import math
from fractions import Fraction

_MAX_BITS = 2_048
_MAX_FACTORIAL = 170
_ROOT_BITS = 128


class Unsupported(Exception):  # noqa: N818 - no error: the text is none of ours
    """Not an expression that is wholly understood, or one too large."""


def bounded(value: Fraction) -> Fraction:
    """The value itself, if it is no larger than 2,048 bits above and below the line."""
    if _bits(value) > _MAX_BITS:
        raise Unsupported
    return value


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def power(base: Fraction, exponent: Fraction) -> Fraction:
    """A whole power."""
    if exponent.denominator != 1 or abs(exponent) > _MAX_BITS or _bits(base) * abs(exponent) > 2 * _MAX_BITS:
        raise Unsupported
    return bounded(base ** int(exponent))


def root(value: Fraction) -> tuple[Fraction, bool]:
    """The square root and whether it is exact; else it is right to 128 bits behind the point."""
    if value < 0:
        raise Unsupported
    above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if above**2 == value.numerator and below**2 == value.denominator:
        return Fraction(above, below), True
    scaled = math.isqrt((value.numerator << 2 * _ROOT_BITS) // value.denominator)
    if scaled.bit_length() < _ROOT_BITS // 2:
        raise Unsupported  # too small for that
    return Fraction(scaled, 1 << _ROOT_BITS), False


def factorial(value: Fraction) -> Fraction:
    """The factorial of a whole number up to 170."""
    return bounded(Fraction(math.factorial(_whole(value))))


def binomial(above: Fraction, below: Fraction) -> Fraction:
    """In how many ways so many can be chosen of up to 170."""
    return Fraction(math.comb(_whole(above), _whole(below)))


def _whole(value: Fraction) -> int:
    if value.denominator != 1 or not 0 <= value <= _MAX_FACTORIAL:
        raise Unsupported
    return value.numerator
