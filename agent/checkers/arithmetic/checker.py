"""Check the equations in a text by exact evaluation of both sides.

An equation is checked only if both sides parse completely as numbers. To avoid false findings, the checker skips an
equation that

- contains an unknown,
- is true in at least one reading,
- may involve rounding or unit conversion,
- is struck through,
- may quote someone else's mistake.
"""

import asyncio
import itertools
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from selfcritic.agent.checkers.arithmetic.cursor import starts_repetend
from selfcritic.agent.checkers.arithmetic.equations import is_equal, units_differ
from selfcritic.agent.checkers.arithmetic.expressions import PLAIN, Expression, NumberFormat
from selfcritic.agent.checkers.arithmetic.parser import parse
from selfcritic.agent.checkers.arithmetic.report import create_comment
from selfcritic.agent.checkers.arithmetic.statements import Equation, find_equations
from selfcritic.agent.checkers.arithmetic.tokenizer import Token
from selfcritic.agent.checkers.arithmetic.vocabulary import (
    HYPOTHETICAL,
    NEGATION,
    NONSTANDARD_ARITHMETIC,
    ROUNDING,
    WHOLE_NUMBERS,
)
from selfcritic.agent.schemas import Comment

_MAX_FINDINGS = 1_000
_CONTEXT_WINDOW = 200  # characters on each side of an equation
_YEAR = re.compile(r"(?:1[5-9]|20)[0-9]{2}")
_STRUCK_THROUGH = re.compile(
    r"(?<!~)~~(?![~\s])(?:[^~\n]|~(?!~)|\n(?![^\S\n]*\n))++(?<!\s)~~(?!~)"
    r"|<(del|s|strike)(?:\s[^<>]*)?>[^<]*+</\1>",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?]\s")


async def arithmetic(question: str, draft: str, /) -> list[Comment]:  # noqa: ARG001 - the signature of a checker
    """Find false equations in a draft.

    Runs in linear time. Returns at most the first 1,000 findings, or an empty list if the draft may use other
    arithmetic, such as modular.
    """
    return await asyncio.to_thread(_find_errors, draft)  # 5 MB of text take seconds


def _find_errors(draft: str) -> list[Comment]:
    if NONSTANDARD_ARITHMETIC.search(draft):
        return []
    comments: list[Comment] = []
    for equation in find_equations(_blank_struck_through(draft)):
        comment = _check_equation(equation, draft)
        if comment is None:
            continue
        comments.append(comment)
        if len(comments) == _MAX_FINDINGS:
            break
    return comments


def _blank_struck_through(draft: str) -> str:
    """Replace text that Markdown or HTML strikes through by as many blanks."""
    return _STRUCK_THROUGH.sub(lambda match: " " * len(match[0]), draft)


def _check_equation(equation: Equation, draft: str) -> Comment | None:
    """Return a comment if the equation is false in every reading."""
    left = parse(equation.left)
    right = parse(equation.right)
    if left is None or right is None:
        return None
    has_operation = left.operations > 0 or right.operations > 0
    if not has_operation or left.value == right.value:
        return None
    if _is_ambiguous(equation, right):
        return None

    before, after = _surroundings(left, right, draft)
    if _is_not_asserted(before, after) or units_differ(left, right, before + after):
        return None
    if _holds_in_any_reading(equation, left, right, before + after):
        return None

    if _starts_with_dash(equation.left) and not before.strip():
        left = parse(equation.left[1:]) or left  # The dash is a bullet.
    return create_comment(left, right, draft)


def _is_ambiguous(equation: Equation, right: Expression) -> bool:
    if equation.right[-1].kind == "factorial":
        return True  # "It is 8!" may be an exclamation.
    if _is_range(equation.left):
        return True  # "pages 10-15" is not a subtraction.
    if _is_date(equation):
        return True
    # 2 × 3 × 4 = 2 × 3 = 6, and 6 × 4 = 24: bad style, but the calculation is correct.
    return right.operations > 0 and _starts_with(equation.left, equation.right)


def _is_range(tokens: Sequence[Token]) -> bool:
    kinds = [token.kind for token in tokens]
    if kinds != ["number", "minus", "number"]:
        return False
    return not any(token.spaced for token in tokens[1:])


def _is_date(equation: Equation) -> bool:
    """Detect a date, as in 9/11 = 2001."""
    kinds = [token.kind for token in equation.left]
    is_pair = kinds == ["number", "divide", "number"] and not equation.left[1].spaced
    right = [token.text for token in equation.right]
    return is_pair and len(right) == 1 and _YEAR.fullmatch(right[0]) is not None


def _starts_with(tokens: Sequence[Token], prefix: Sequence[Token]) -> bool:
    texts = [token.text for token in tokens[: len(prefix)]]
    return texts == [token.text for token in prefix]


def _surroundings(left: Expression, right: Expression, draft: str) -> tuple[str, str]:
    """Return the texts before the equation and after its left side.

    The first begins at the start of the sentence. Both are limited to the context window.
    """
    window_start = max(left.start - _CONTEXT_WINDOW, 0)
    _, _, line = draft[window_start : left.start].rpartition("\n")
    sentence = _SENTENCE_END.split(line)[-1]
    after = draft[left.end : right.end + _CONTEXT_WINDOW]
    return sentence, after


def _is_not_asserted(before: str, after: str) -> bool:
    """Return whether the text may deny, assume or quote the equation."""
    if NEGATION.search(before + after):
        return True
    return HYPOTHETICAL.search(before) is not None


def _holds_in_any_reading(
    equation: Equation, left: Expression, right: Expression, surroundings: str
) -> bool:
    approximate = equation.is_approximate
    if not approximate and _may_be_rounded(left, right):
        approximate = ROUNDING.search(surroundings) is not None
    whole = WHOLE_NUMBERS.search(surroundings) is not None
    for left_reading, right_reading in _readings(equation, left, right):
        if is_equal(left_reading, right_reading, approximate=approximate, whole=whole):
            return True
    return False


def _may_be_rounded(left: Expression, right: Expression) -> bool:
    has_fraction = left.value.denominator > 1 or right.value.denominator > 1
    ends_in_zero = bool(right.numbers) and right.numbers[-1].endswith("0")
    return has_fraction or ends_in_zero


def _readings(
    equation: Equation, left: Expression, right: Expression
) -> Iterator[tuple[Expression, Expression]]:
    """Yield both sides in every reading, the plain one first."""
    variants = [equation.left]
    if _starts_with_dash(equation.left):
        variants.append(equation.left[1:])
    for left_tokens in variants:
        for left_format, right_format in _number_formats(equation, left, right):
            left_reading = parse(left_tokens, left_format)
            right_reading = parse(equation.right, right_format)
            if left_reading and right_reading:
                yield left_reading, right_reading


def _starts_with_dash(tokens: Sequence[Token]) -> bool:
    """Return whether the first minus sign may be a bullet."""
    return tokens[0].kind == "minus" and tokens[1].spaced


def _number_formats(
    equation: Equation, left: Expression, right: Expression
) -> Iterator[tuple[NumberFormat, NumberFormat]]:
    """Yield the possible number formats of both sides."""
    numerals = [token for token in (*equation.left, *equation.right) if token.kind == "number"]
    decimals = max(left.decimals, right.decimals)
    sixths_options = [False]
    if decimals >= 2:
        sixths_options.append(True)
    dot_options = [False]
    if decimals >= 3:
        dot_options.append(True)
    left_percents = _percent_options(left)
    right_percents = _percent_options(right)
    comma_options = [False]
    if any("," in token.text for token in numerals):
        comma_options.append(True)
    repeat_options = [False]
    if _has_repetend(equation.left) or _has_repetend(equation.right):
        repeat_options.append(True)
    left_percents = _percent_options(left)
    right_percents = _percent_options(right)
    options = itertools.product(
        sixths_options, dot_options, comma_options, repeat_options, left_percents, right_percents
    )
    for sixths, dot, comma, repeat, left_percent, right_percent in options:
        left_format = NumberFormat(left_percent, sixths, dot, comma, repeat)
        right_format = NumberFormat(right_percent, sixths, dot, comma, repeat)
        yield left_format, right_format


def _has_repetend(tokens: Sequence[Token]) -> bool:
    return any(starts_repetend(tokens, index) for index in range(len(tokens)))


def _percent_options(side: Expression) -> list[Fraction]:
    options = [PLAIN.percent]
    if side.percents:
        options.append(Fraction(1))
    return options
