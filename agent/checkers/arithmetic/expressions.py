"""Define expression values and number formats."""

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True)
class NumberFormat:
    """One way to read numbers."""

    percent: Fraction = Fraction(1, 100)
    """Factor of "%"; 1 if "%" is a unit, as in 1/4 × 100 = 25%."""
    sixths: bool = False
    """Whether 0.33 and 0.167 mean 1/3 and 1/6."""
    dot_separates_thousands: bool = False
    """Whether 1.500 means 1,500."""
    comma_is_decimal: bool = False
    """Whether 1,500 means 1.500."""
    parentheses_repeat: bool = False
    """Whether 0.1(6) means 1/6."""


PLAIN = NumberFormat()


@dataclass
class Expression:
    """The value of a parsed expression and its notation."""

    value: Fraction
    start: int
    end: int
    numbers: list[str] = field(default_factory=list)
    """Numerals, without thousands separators."""
    operations: int = 0
    leading: Fraction | None = None
    """The first operand, if an operation follows it."""
    units: list[str] = field(default_factory=list)
    """Words after the numbers, in order."""
    adds: bool = False
    divides: bool = False
    exact: bool = True
    """False if it contains an irrational root; the value is then correct to at least 100 bits."""
    percents: bool = False
    """Whether it contains a "%" sign."""
    repeats: bool = False
    """Whether it contains a repeating decimal, such as 0.(3)."""
    is_cut: bool = False
    """Whether it is a numeral that ends in an ellipsis, such as 0.33…."""

    @property
    def decimals(self) -> int:
        """The largest number of decimal places in the expression."""
        return max((num_decimals(number) for number in self.numbers), default=0)


def num_decimals(numeral: str) -> int:
    """Count the digits after the decimal point."""
    _, _, decimals = numeral.partition(".")
    return len(decimals)
