"""Find the equations in a text, as the tokens of both sides."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from selfcritic.agent.checkers.arithmetic.parser import MAX_TOKENS
from selfcritic.agent.checkers.arithmetic.tokenizer import Token, get_words, tokenize
from selfcritic.agent.checkers.arithmetic.vocabulary import (
    CONJUNCTIONS,
    LEAD_IN_WORDS,
    NUMBER_WORDS,
)

_MAX_STATEMENT_TOKENS = 4 * MAX_TOKENS
_RELATION = re.compile(r"[=≈≃≅]|\\(?:approx|simeq|cong)|equal")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")

_RELATIONS = ("equals", "approx")
_SIGNS = ("plus", "minus", "times", "divide", "power")
_OPERANDS = ("number", "digits", "frac", "binomial", "sqrt", "open", "lbrace")
_MATH_KINDS = frozenset((*_OPERANDS, *_SIGNS, "percent"))
_OPENING = ("open", "lbrace")
_CLOSING = ("close", "rbrace")


class Equation(NamedTuple):
    """The tokens of both sides of an equation."""

    left: Sequence[Token]
    right: Sequence[Token]
    is_approximate: bool


def find_equations(draft: str) -> Iterator[Equation]:
    """Yield the equations of a text in order.

    A chain a = b = c yields each pair of adjacent sides.
    """
    for start, end in _paragraphs(draft):
        for statement in _statements(draft, start, end):
            yield from _split_chain(statement)


def _paragraphs(draft: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of paragraphs with a relation sign."""
    start = 0
    for blank_line in _BLANK_LINE.finditer(draft):
        if _RELATION.search(draft, start, blank_line.start()):
            yield start, blank_line.start()
        start = blank_line.end()
    if _RELATION.search(draft, start):
        yield start, len(draft)


def _statements(draft: str, start: int, end: int) -> Iterator[list[Token]]:
    """Yield runs of tokens that may contain an equation.

    A full stop, the end of a line or the end of a formula ends a statement. Very long statements are skipped.
    """
    statement: list[Token] = []
    is_new_line = False
    for token in tokenize(draft, start, end):
        if token.kind == "newline":
            is_new_line = True
            continue
        is_stop = token.kind == "stop"
        if is_stop or (is_new_line and not _continues(statement, token)):
            if len(statement) < _MAX_STATEMENT_TOKENS:
                yield statement
            statement = []
        is_new_line = False
        if not is_stop and len(statement) < _MAX_STATEMENT_TOKENS:
            statement.append(token)
    if len(statement) < _MAX_STATEMENT_TOKENS:
        yield statement


def _continues(statement: list[Token], token: Token) -> bool:
    """Return whether a new line continues the statement."""
    if token.kind in _RELATIONS:
        return True
    if not statement:
        return False
    last = statement[-1].kind
    return last in _RELATIONS or last in _SIGNS


def _split_chain(statement: Sequence[Token]) -> Iterator[Equation]:
    sides: list[list[Token]] = [[]]
    relations: list[str] = []
    for token in statement:
        if token.kind in _RELATIONS:
            relations.append(token.kind)
            sides.append([])
        else:
            sides[-1].append(token)
    last = len(relations) - 1
    for index, relation in enumerate(relations):
        left: Sequence[Token] = sides[index]
        right: Sequence[Token] = sides[index + 1]
        if index > 0:
            _, left = _split_at_conjunction(left)
        if index < last:
            right, _ = _split_at_conjunction(right)
        left = _after_open_paren(left)
        left = _strip_prose(left)
        right = _before_close_paren(right)
        yield Equation(left, right, is_approximate=relation == "approx")


def _split_at_conjunction(side: Sequence[Token]) -> tuple[Sequence[Token], Sequence[Token]]:
    """Split the side shared by two equations, such as "8 and 2 + 2".

    Without a conjunction, both parts are the whole side.
    """
    index = _find_conjunction(side)
    if not index:
        return side, side
    after = side[index + 1 :]
    is_mixed_number = [token.kind for token in after] == ["number", "divide", "number"]  # 3 and 1/2
    if is_mixed_number or len(after) < 3:
        return side, side
    return side[:index], after


def _find_conjunction(side: Sequence[Token]) -> int | None:
    for index, token in enumerate(side):
        words = get_words(token)
        if words and words[0] in CONJUNCTIONS:
            return index
    return None


def _after_open_paren(side: Sequence[Token]) -> Sequence[Token]:
    """Return the tokens after the last unclosed parenthesis."""
    depth = 0
    for index in reversed(range(len(side))):
        if side[index].kind in _CLOSING:
            depth += 1
        elif side[index].kind in _OPENING:
            depth -= 1
        if depth < 0:
            return side[index + 1 :]
    return side


def _before_close_paren(side: Sequence[Token]) -> Sequence[Token]:
    """Return the tokens before the first unopened parenthesis."""
    depth = 0
    for index, token in enumerate(side):
        if token.kind in _OPENING:
            depth += 1
        elif token.kind in _CLOSING:
            depth -= 1
        if depth < 0:
            return side[:index]
    return side


def _strip_prose(side: Sequence[Token]) -> Sequence[Token]:
    """Remove words before an expression, such as "so he pays".

    Returns no tokens if the words may be part of the expression.
    """
    start = _find_expression(side)
    prose = side[:start]
    expression = side[start:]
    if not prose or prose[-1].text.lower() in LEAD_IN_WORDS:
        return expression
    if any(token.kind in _MATH_KINDS for token in prose):
        return []
    for token in prose[-3:]:
        if token.kind == "word" and not NUMBER_WORDS.isdisjoint(get_words(token)):
            return []
    return expression


def _find_expression(side: Sequence[Token]) -> int:
    """Return the index where the last expression starts."""
    for index in range(len(side) - 1, 0, -1):
        if _starts_expression(side, index):
            return index
    return 0


def _starts_expression(side: Sequence[Token], index: int) -> bool:
    """Return whether a token is an operand after unrelated prose."""
    token = side[index]
    previous = side[index - 1]
    if previous.kind != "word" or token.kind not in _OPERANDS:
        return False
    if index > 1 and get_words(previous) == ["of"]:
        operand = side[index - 2]
        if operand.kind in ("number", "percent", "rbrace", "digits"):
            return False
    kinds = [token.kind for token in side[index : index + 2]]
    return kinds != ["open", "word"]  # a remark in parentheses
