"""Write the comment on a false equation."""

from decimal import Context
from fractions import Fraction

from selfcritic.agent.checkers.arithmetic.expressions import Expression
from selfcritic.agent.schemas import Comment

_EXACT = Context(prec=15)
_ROUNDED = Context(prec=6)
_MAX_EXPONENT = 20
_MAX_DENOMINATOR = 1_000
_MAX_NUMERATOR = 10**6


def create_comment(left: Expression, right: Expression, draft: str) -> Comment:
    """Quote a false equation and give the correct value."""
    start = _quote_start(left, right, draft)
    left_text = _collapse_spaces(draft[start : left.end])
    right_text = _collapse_spaces(draft[right.start : right.end])
    if left.operations and right.operations:
        text = f"{left_text} is {_format_value(left)}, but {right_text} is {_format_value(right)}."
    elif left.operations:
        text = f"{left_text} is {_correct_value(left, right)}, not {right_text}."
    else:
        text = f"{right_text} is {_correct_value(right, left)}, not {left_text}."
    return Comment(
        quote=draft[start : right.end],
        text=text,
        severity="high",
        start=start,
        end=right.end,
        source="arithmetic",
        rule="arithmetic/false-equation",
        evidence="confirmed",
    )


def _quote_start(left: Expression, right: Expression, draft: str) -> int:
    """Include the dollar sign if both sides have one."""
    has_dollars = draft.endswith("$", 0, left.start) and draft.endswith("$", 0, right.start)
    is_formula = draft.startswith("$", right.end)
    if not has_dollars or is_formula:
        return left.start
    if draft.endswith(r"\$", 0, left.start):
        return left.start - 2
    return left.start - 1


def _collapse_spaces(text: str) -> str:
    return " ".join(text.split())


def _correct_value(calculation: Expression, claim: Expression) -> str:
    """Format a value in the notation of the false claim."""
    if not claim.percents:
        return _format_value(calculation)
    # In 1/4 × 100 = 20%, the calculation is already in percent.
    error = abs(calculation.value - claim.value)
    error_in_percent = abs(calculation.value - claim.value * 100)
    if error < error_in_percent:
        return _format_value(calculation, as_percent=True)
    return _format_value(calculation) + "%"


def _format_value(expression: Expression, *, as_percent: bool = False) -> str:
    """Format a value for a reader.

    The result is a short decimal, else a fraction with its rounding, else a rounding.
    """
    value = expression.value
    unit = ""
    if as_percent:
        value *= 100
        unit = "%"
    decimal = _EXACT.divide(value.numerator, value.denominator)
    is_short = abs(decimal.adjusted()) < _MAX_EXPONENT
    if expression.exact and is_short and Fraction(decimal) == value:
        return f"{decimal.normalize():f}{unit}"
    rounded = f"about {_ROUNDED.plus(decimal):g}{unit}"
    is_simple = value.denominator < _MAX_DENOMINATOR and abs(value.numerator) < _MAX_NUMERATOR
    if expression.exact and is_simple:
        return f"{value}{unit} ({rounded})"
    return rounded
