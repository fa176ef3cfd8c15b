"""Operations on fractions of bounded size.

An operation raises `Unsupported` before it computes a value that would be too large.
"""

import math
from fractions import Fraction

_MAX_BITS = 2_048
_MAX_FACTORIAL = 170
_ROOT_BITS = 128


class Unsupported(Exception):  # noqa: N818 - control flow: the text is skipped, nothing failed
    """The expression is not supported or too large."""


def bounded(value: Fraction) -> Fraction:
    """Return the value if it fits in 2,048 bits.

    The limit applies to the numerator and the denominator separately.

    Raises:
        Unsupported: The value is larger.
    """
    if _num_bits(value) > _MAX_BITS:
        raise Unsupported
    return value


def _num_bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def power(base: Fraction, exponent: Fraction) -> Fraction:
    """Raise a fraction to an integer power.

    Raises:
        Unsupported: The exponent is not an integer, or the result is too large.
    """
    if exponent.denominator != 1 or abs(exponent) > _MAX_BITS:
        raise Unsupported
    # Estimate the size first: a huge result must never be computed.
    if _num_bits(base) * abs(exponent) > 2 * _MAX_BITS:
        raise Unsupported
    return bounded(base ** int(exponent))


def root(value: Fraction) -> tuple[Fraction, bool]:
    """Return the square root and whether it is exact.

    An inexact root is correct to 128 bits after the binary point.

    Raises:
        Unsupported: The value is negative, or too small for an accurate root.
    """
    if value < 0:
        raise Unsupported
    numerator = math.isqrt(value.numerator)
    denominator = math.isqrt(value.denominator)
    if numerator**2 == value.numerator and denominator**2 == value.denominator:
        return Fraction(numerator, denominator), True

    shifted = value.numerator << 2 * _ROOT_BITS
    scaled_root = math.isqrt(shifted // value.denominator)
    if scaled_root.bit_length() < _ROOT_BITS // 2:
        raise Unsupported
    return Fraction(scaled_root, 1 << _ROOT_BITS), False


def factorial(value: Fraction) -> Fraction:
    """Return the factorial of an integer from 0 to 170.

    Raises:
        Unsupported: The value is not an integer in this range.
    """
    product = math.factorial(_small_integer(value))
    return bounded(Fraction(product))


def binomial(n: Fraction, k: Fraction) -> Fraction:
    """Count the ways to choose k of n items.

    Both are integers from 0 to 170.

    Raises:
        Unsupported: An argument is not an integer in this range.
    """
    ways = math.comb(_small_integer(n), _small_integer(k))
    return Fraction(ways)


def _small_integer(value: Fraction) -> int:
    if value.denominator != 1 or not 0 <= value <= _MAX_FACTORIAL:
        raise Unsupported
    return value.numerator
