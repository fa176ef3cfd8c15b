"""A checker of arithmetic: the equations written in a text, each side evaluated exactly, the false ones quoted.

An equation counts only where both of its sides are wholly understood as numbers. What has an unknown in it, what can be
read in several ways of which one is true, what may be a rounding, a change of units or somebody else's mistake told, is
left alone: silence says nothing, and a finding is meant to be right.
"""

import asyncio
import itertools
import re
from collections.abc import Iterator, Sequence
from decimal import Context
from fractions import Fraction

from selfcritic.agent.checkers.arithmetic.equations import is_equal, units_differ
from selfcritic.agent.checkers.arithmetic.expressions import MAX_TOKENS, PLAIN, Expression, NumberFormat, parse
from selfcritic.agent.checkers.arithmetic.tokenizer import Token, tokens, words_of
from selfcritic.agent.checkers.arithmetic.vocabulary import (
    CONJUNCTIONS,
    COUNTING,
    HYPOTHETICAL,
    NEGATION,
    OTHER_NUMBERS,
    ROUNDING,
    VERBS,
    WHOLE,
)
from selfcritic.agent.schemas import Comment

_RELATIONS = ("equals", "approx")
_RELATION = re.compile(r"[=≈≃≅]|\\(?:approx|simeq|cong)|equal")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_SIGNS = ("plus", "minus", "times", "divide", "power")
_OPERANDS = ("number", "digits", "frac", "binomial", "sqrt", "open", "lbrace")
_LONGEST = 4 * MAX_TOKENS
_MOST = 1_000
_AROUND = 200  # characters on each side of an equation that are searched for words that change what it says


async def arithmetic(question: str, draft: str, /) -> list[Comment]:  # noqa: ARG001 - a checker is given both
    """The false equations of a draft; nothing for a draft that reckons otherwise, such as modulo a number.

    Takes time linear in the draft, whatever it holds; of more than 1,000 findings it tells the first 1,000.
    """
    return await asyncio.to_thread(_findings, draft)  # 5 MB take seconds, which others on the loop need not wait


def _findings(draft: str) -> list[Comment]:
    if OTHER_NUMBERS.search(draft):
        return []
    statements = itertools.chain.from_iterable(_statements(draft, *paragraph) for paragraph in _paragraphs(draft))
    found = (comment for statement in statements for comment in _false(statement, draft))
    return list(itertools.islice(found, _MOST))


def _paragraphs(draft: str) -> Iterator[tuple[int, int]]:
    """Where the paragraphs stand that have a sign of equality in them; the others need not be read."""
    start = 0
    for end, following in [*(blank.span() for blank in _BLANK_LINE.finditer(draft)), (len(draft), len(draft))]:
        if _RELATION.search(draft, start, end):
            yield start, end
        start = following


def _statements(draft: str, start: int, end: int) -> Iterator[list[Token]]:
    """The runs of tokens that may hold an equation: from one full stop, line end or formula's end to the next.

    Those that are too long to be one are left out.
    """
    run: list[Token] = []
    line_ended = False
    for token in tokens(draft, start, end):
        if token.kind == "newline":
            line_ended = True
            continue
        goes_on = token.kind in _RELATIONS or (run and run[-1].kind in (*_RELATIONS, *_SIGNS))
        if token.kind == "stop" or (line_ended and not goes_on):
            yield from [run] if len(run) < _LONGEST else []
            run = []
        if token.kind != "stop" and len(run) < _LONGEST:
            run.append(token)
        line_ended = False
    yield from [run] if len(run) < _LONGEST else []


def _false(statement: Sequence[Token], draft: str) -> Iterator[Comment]:
    """The false equations of a chain a = b = c, each side held against the next."""
    places = [at for at, token in enumerate(statement) if token.kind in _RELATIONS]
    for before, place, after in zip([-1, *places], places, [*places[1:], len(statement)], strict=False):
        left, right = statement[before + 1 : place], statement[place + 1 : after]
        left = _around_join(left, behind=True) if before >= 0 else left
        right = _around_join(right, behind=False) if after < len(statement) else right
        left, right = _without_prose(_behind_open(left)), _before_close(right)
        if comment := _compared(left, right, statement[place].kind == "approx", draft):
            yield comment


def _compared(
    left_tokens: Sequence[Token], right_tokens: Sequence[Token], approximate: bool, draft: str
) -> Comment | None:
    """The comment on an equation that is wholly understood and false in every reading."""
    left, right = parse(left_tokens), parse(right_tokens)
    if left is None or right is None or (left.operations == right.operations == 0) or left.value == right.value:
        return None
    if right_tokens[-1].kind == "factorial" or _is_range(left_tokens):
        return None  # "it is 8!" and "pages 10-15" may be no arithmetic
    if right.operations and _begins_with(left_tokens, right_tokens):
        return None  # 2 × 3 × 4 = 2 × 3 = 6, and 6 × 4 = 24: not well written, but no slip
    before, after = _around(left, right, draft)
    around = before + after
    if NEGATION.search(around) or HYPOTHETICAL.search(before) or units_differ(left, right, around):
        return None
    approximate = approximate or (_may_be_rounded(left, right) and ROUNDING.search(around) is not None)
    whole = WHOLE.search(around) is not None
    for one, other in _readings(left_tokens, right_tokens, left, right):
        if is_equal(one, other, approximate=approximate, whole=whole):
            return None
    bulleted = left_tokens[0].kind == "minus" and left_tokens[1].spaced and not before.strip()
    return _comment(parse(left_tokens[1:]) or left if bulleted else left, right, draft)


def _around_join(part: Sequence[Token], *, behind: bool) -> Sequence[Token]:
    """Of "8 and 2 + 2", which stands between two signs of equality, what belongs to the second or to the first."""
    at = next((at for at, token in enumerate(part) if words_of(token) and words_of(token)[0] in CONJUNCTIONS), 0)
    rest = part[at + 1 :]
    if at == 0 or len(rest) < 3 or [token.kind for token in rest] == ["number", "divide", "number"]:
        return part  # 3 and 1/2
    return rest if behind else part[:at]


def _behind_open(part: Sequence[Token]) -> Sequence[Token]:
    """What stands behind the last parenthesis that is not closed."""
    depth = 0
    for at in range(len(part) - 1, -1, -1):
        depth += (part[at].kind in ("close", "rbrace")) - (part[at].kind in ("open", "lbrace"))
        if depth < 0:
            return part[at + 1 :]
    return part


def _before_close(part: Sequence[Token]) -> Sequence[Token]:
    """What stands before the first closing parenthesis that was not opened."""
    depth = 0
    for at, token in enumerate(part):
        depth += (token.kind in ("open", "lbrace")) - (token.kind in ("close", "rbrace"))
        if depth < 0:
            return part[:at]
    return part


def _without_prose(part: Sequence[Token]) -> Sequence[Token]:
    """The expression at the end of a part: "so he pays 3 × 4" without "so he pays"; nothing where that is in doubt."""
    start = next((at for at in range(len(part) - 1, 0, -1) if _begins(part, at)), 0)
    prose = part[:start]
    if not prose or prose[-1].text.lower() in VERBS:
        return part[start:]
    words = [word for token in prose[-3:] if token.kind == "word" for word in words_of(token)]
    told = any(token.kind in (*_OPERANDS, *_SIGNS, "percent") for token in prose)
    return [] if told or not COUNTING.isdisjoint(words) else part[start:]


def _begins(part: Sequence[Token], at: int) -> bool:
    """Whether an expression begins at a token: an operand right behind a word that does not join it to another."""
    before, after = part[at - 1], part[at + 1] if at + 1 < len(part) else None
    if before.kind != "word" or part[at].kind not in _OPERANDS:
        return False
    if words_of(before) == ["of"] and at > 1 and part[at - 2].kind in ("number", "percent", "rbrace", "digits"):
        return False
    return not (part[at].kind == "open" and after is not None and after.kind == "word")


def _is_range(part: Sequence[Token]) -> bool:
    return [token.kind for token in part] == ["number", "minus", "number"] and not any(t.spaced for t in part[1:])


def _may_be_rounded(left: Expression, right: Expression) -> bool:
    return left.value.denominator * right.value.denominator > 1 or right.numbers[-1].endswith("0")


def _begins_with(part: Sequence[Token], beginning: Sequence[Token]) -> bool:
    return [token.text for token in part[: len(beginning)]] == [token.text for token in beginning]


def _around(left: Expression, right: Expression, draft: str) -> tuple[str, str]:
    """The sentence before an equation, and what follows its left side, as far as they matter."""
    before = draft[max(left.start - _AROUND, 0) : left.start].rpartition("\n")[2]
    return re.split(r"[.!?]\s", before)[-1], draft[left.end : right.end + _AROUND]


def _readings(
    left_tokens: Sequence[Token], right_tokens: Sequence[Token], left: Expression, right: Expression
) -> Iterator[tuple[Expression, Expression]]:
    """Both sides in every way in which they can be read, the plain one first."""
    decimals = max(left.decimals, right.decimals)
    bullets = (0, 1) if left_tokens[0].kind == "minus" and left_tokens[1].spaced else (0,)
    for sixths, dots, bullet in itertools.product(_may(decimals >= 2), _may(decimals >= 3), bullets):
        for of_left, of_right in itertools.product(_percents(left), _percents(right)):
            one = parse(left_tokens[bullet:], NumberFormat(of_left, sixths, dots))
            other = parse(right_tokens, NumberFormat(of_right, sixths, dots))
            if one and other:
                yield one, other


def _may(be: bool) -> tuple[bool, ...]:
    return (False, True) if be else (False,)


def _percents(side: Expression) -> tuple[Fraction, ...]:
    return (PLAIN.percent, Fraction(1)) if side.percents else (PLAIN.percent,)


def _comment(left: Expression, right: Expression, draft: str) -> Comment:
    dollars = draft[left.start - 1 : left.start] == draft[right.start - 1] == "$" != draft[right.end : right.end + 1]
    start = left.start - dollars * len(r"\$" if draft[left.start - 2 : left.start] == r"\$" else "$")
    wrong, true = (left, right) if left.operations == 0 else (right, left)
    sides = {True: draft[start : left.end], False: draft[right.start : right.end]}
    texts = [" ".join(sides[side is left].split()) for side in (true, wrong)]
    # Of 1/4 × 100 = 20%, the left side is 25%: it has been taken times 100 by hand.
    percent = wrong.percents and abs(true.value - wrong.value) < abs(true.value - wrong.value * 100)
    text = f"{texts[0]} is {_shown(true, percent=percent)}{'%' * (wrong.percents and not percent)}, not {texts[1]}."
    if wrong.operations:
        text = f"{texts[0]} is {_shown(true)}, but {texts[1]} is {_shown(wrong)}."
    return Comment(
        quote=draft[start : right.end],
        text=text,
        severity="high",
        start=start,
        end=right.end,
        source="arithmetic",
        evidence="confirmed",
    )


def _shown(side: Expression, *, percent: bool = False) -> str:
    """A value as people write it: a decimal where it ends soon, else a fraction or a rounding."""
    value = side.value * 100 if percent else side.value
    mark = "%" if percent else ""
    decimal = Context(prec=15).divide(value.numerator, value.denominator)
    if side.exact and Fraction(decimal) == value and abs(decimal.adjusted()) < 20:
        return f"{decimal.normalize():f}{mark}"
    rounded = f"about {Context(prec=6).plus(decimal):g}{mark}"
    fraction = side.exact and value.denominator < 1000 and abs(value.numerator) < 10**6
    return f"{value}{mark} ({rounded})" if fraction else rounded
