"""Arithmetic expressions parsed and evaluated exactly, by a grammar that knows numbers and nothing else.

    sum     := product (("+" | "-") product)*
    product := factor (("×" | "/" | "of") factor | factor-in-parentheses | root)*
    factor  := "-" factor | power unit*
    power   := primary "!"? ("^" exponent)?
    primary := number | fraction | binomial | root | "(" sum ")" | "{" sum "}"
    unit    := "%" | word | "/" word | "(" word+ ")"

What the grammar does not cover, what can be read in two ways (2 1/2, 6/2(1+2), -3^2) and what grows too large is
refused as a whole: `parse` returns None. Nothing is ever evaluated but fractions of bounded size.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from selfcritic.agent.checkers.arithmetic.bounded import Unsupported, binomial, bounded, factorial, power, root
from selfcritic.agent.checkers.arithmetic.tokenizer import Token, words_of
from selfcritic.agent.checkers.arithmetic.vocabulary import COUNTING

MAX_TOKENS = 1_000
_MAX_DEPTH = 30
_MAX_DIGITS = 60
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

_OPERANDS = ("number", "open", "frac", "digits")
_DIGITS = re.compile(r"[0-9]")
_SIXTHS = [Fraction(n, 6) for n in (1, 2, 4, 5)]


@dataclass(frozen=True)
class NumberFormat:
    """One of the ways in which people write numbers."""

    percent: Fraction = Fraction(1, 100)
    """What "%" multiplies by: by 1 where it is written as a unit, as in 1/4 × 100 = 25%."""
    sixths: bool = False
    """0.33 and 0.167 stand for 1/3 and 1/6, which they are roundings of."""
    dots: bool = False
    """1.500 is one thousand five hundred."""


PLAIN = NumberFormat()


@dataclass
class Expression:
    """What an expression comes to, and how it was written."""

    value: Fraction
    start: int
    end: int
    numbers: list[str] = field(default_factory=list)
    """Its numerals, without separators of thousands."""
    operations: int = 0
    leading: Fraction | None = None
    """The number that it begins with, where an operation follows."""
    units: list[str] = field(default_factory=list)
    """The words behind its numbers, in their order."""
    adds: bool = False
    divides: bool = False
    exact: bool = True
    """False with a root that is no fraction; the value is then right to 100 bits or more."""
    percents: bool = False

    @property
    def decimals(self) -> int:
        """The most digits behind a point in it."""
        return max((len(number.partition(".")[2]) for number in self.numbers), default=0)


def parse(tokens: Sequence[Token], reading: NumberFormat = PLAIN) -> Expression | None:
    """Read all of the tokens as one expression; None where they are not wholly understood."""
    if not tokens or len(tokens) > MAX_TOKENS:
        return None
    try:
        return _Parser(tokens, reading).whole()
    except (Unsupported, ZeroDivisionError):
        return None


class _Parser:
    def __init__(self, tokens: Sequence[Token], reading: NumberFormat) -> None:
        self.tokens = tokens
        self.reading = reading
        self.at = 0
        self.depth = 0
        self.found = Expression(Fraction(), tokens[0].start, tokens[-1].end)

    def whole(self) -> Expression:
        self.found.value = self._sum()
        if self.at < len(self.tokens):
            raise Unsupported
        # Of the words behind it, the first: "3 pieces", not "3 pieces of gum left".
        last = max(at for at, token in enumerate(self.tokens) if token.kind != "word")
        self.found.end = self.tokens[min(last + 1, len(self.tokens) - 1)].end
        return self.found

    def _kind(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead].kind if self.at + ahead < len(self.tokens) else "end"

    def _take(self, kind: str) -> Token:
        if self._kind() != kind:
            raise Unsupported
        self.at += 1
        return self.tokens[self.at - 1]

    def _operation(self, value: Fraction) -> Fraction:
        """Count an operation and bound what it came to."""
        self.found.operations += 1
        return bounded(value)

    def _sum(self) -> Fraction:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Unsupported
        total = self._product()
        while (sign := self._kind()) in ("plus", "minus"):
            self._note_leading(total)
            self.at += 1
            self.found.adds = True
            percents = self.tokens[self.at - 2].kind == "percent"
            term = self._product()
            if percents != (self.tokens[self.at - 1].kind == "percent"):
                raise Unsupported  # $100 + 8% is $108
            total = self._operation(total + term if sign == "plus" else total - term)
        self.depth -= 1
        return total

    def _product(self) -> Fraction:
        total = self._factor()
        divided = False
        while (sign := self._sign_of_product()) is not None:
            self._note_leading(total)
            if sign == "beside" and divided:
                raise Unsupported  # 6/2(1+2)
            self.at += sign != "beside"
            divided = divided or sign == "divide"
            self.found.divides = self.found.divides or divided
            factor = self._factor()
            total = self._operation(total / factor if sign == "divide" else total * factor)
        return total

    def _sign_of_product(self) -> str | None:
        """What multiplies or divides here, if anything: a sign, "of", or one factor right beside another."""
        kind, token = self._kind(), self.tokens[min(self.at, len(self.tokens) - 1)]
        if kind in ("times", "divide"):
            return kind
        before = self.tokens[self.at - 1]
        if self._is_of():
            return "of" if before.kind in ("percent", "rbrace", "digits") or self.found.divides else self._refuse()
        if kind in ("number", "open") and before.kind == "factorial":
            return "beside"
        if kind in ("open", "sqrt") and before.kind in ("number", "close", "rbrace"):
            return "beside" if not token.spaced or before.kind != "number" else self._refuse()
        return None

    def _refuse(self) -> str:
        raise Unsupported

    def _note_leading(self, value: Fraction) -> None:
        if self.found.operations == 0 and self.found.leading is None:
            self.found.leading = value

    def _factor(self) -> Fraction:
        if self._kind() == "minus":
            self.at += 1
            if self._kind() == "minus" or self._kind(1) in ("power", "raised"):
                raise Unsupported  # -3^2
            return -self._factor()
        return self._with_units(self._power())

    def _power(self) -> Fraction:
        base = self._primary()
        if self._kind() == "factorial":
            self._note_leading(base)
            self.at += 1
            base = self._operation(factorial(base))
        if self._kind() == "raised":
            return self._operation(power(base, Fraction("²³".index(self._take("raised").text) + 2)))
        if self._kind() != "power":
            return base
        self._note_leading(base)
        self.at += 1
        negative = self._kind() == "minus"
        self.at += negative
        exponent = self._primary()
        if self._kind() in ("power", "raised"):
            raise Unsupported
        if exponent == Fraction(1, 2) and not negative:
            return self._root(base)
        return self._operation(power(base, -exponent if negative else exponent))

    def _root(self, value: Fraction) -> Fraction:
        rooted, exact = root(value)
        self.found.exact = self.found.exact and exact
        return self._operation(rooted)

    def _primary(self) -> Fraction:
        kind = self._kind()
        if kind == "number":
            return self._number()
        if kind == "digits":
            above, below = _DIGITS.findall(self._take("digits").text)
            return self._divided(Fraction(int(above)), Fraction(int(below)))
        if kind == "frac":
            self._take("frac")
            return self._divided(self._group("lbrace", "rbrace"), self._group("lbrace", "rbrace"))
        if kind == "binomial":
            self._take("binomial")
            above, below = self._group("lbrace", "rbrace"), self._group("lbrace", "rbrace")
            return self._operation(binomial(above, below))
        if kind == "sqrt":
            self._take("sqrt")
            if self._kind() != "number":
                return self._root(self._any_group())
            if self._kind(1) not in ("end", "times", "word"):
                raise Unsupported  # √16 + 9
            return self._root(self._number())
        return self._any_group()

    def _any_group(self) -> Fraction:
        return self._group("lbrace", "rbrace") if self._kind() == "lbrace" else self._group("open", "close")

    def _group(self, first_line_span: str, closing: str) -> Fraction:
        self._take(first_line_span)
        value = self._sum()
        self._take(closing)
        return value

    def _divided(self, above: Fraction, below: Fraction) -> Fraction:
        self.found.divides = True
        return self._operation(above / below)

    def _number(self) -> Fraction:
        token = self._take("number")
        digits = re.sub(r"[^0-9.]", "", token.text)
        if len(digits) > _MAX_DIGITS or self._kind() in ("frac", "digits", "number"):
            raise Unsupported  # two and a half, or twice a half?
        if self.reading.dots and re.fullmatch(r"[1-9][0-9]{0,2}\.[0-9]{3}", digits):
            digits = digits.replace(".", "")
        self.found.numbers.append(digits)
        value = Fraction(digits)
        if self.reading.sixths and (places := len(digits.partition(".")[2])) >= 2:
            whole = value.__floor__()
            value = next((whole + n for n in _SIXTHS if -0.5 <= (whole + n - value) * 10**places < 1), value)
        if self._kind() == "scale":
            value *= _SCALES[self._take("scale").text]
        return value

    def _with_units(self, value: Fraction) -> Fraction:
        """Pass over what is counted; "%" counts, too."""
        while True:
            kind = self._kind()
            if kind == "percent":
                self.at += 1
                self.found.percents = True
                value *= PLAIN.percent if self._is_of() else self.reading.percent
            elif kind == "word" and not self._is_of():
                if words_of(self.tokens[self.at])[:1] == ["of"] and self._is_part():
                    raise Unsupported  # 2/3 of the class
                self._unit()
            elif kind == "divide" and self._kind(1) == "word":
                self.at += 1
                self._unit()
            elif kind == "open" and self._kind(1) == "word":
                self.at += 1
                while self._kind() == "word":
                    self._unit()
                self._take("close")
            else:
                return value

    def _is_of(self) -> bool:
        """Whether "of" multiplies here: 1/4 of 20."""
        return self._kind() == "word" and words_of(self.tokens[self.at]) == ["of"] and self._kind(1) in _OPERANDS

    def _is_part(self) -> bool:
        """Whether a fraction was read, so that "of" says of what."""
        return self.found.divides or self.found.percents or self.found.decimals > 0

    def _unit(self) -> None:
        words = words_of(self._take("word"))
        if not COUNTING.isdisjoint(words):
            raise Unsupported
        self.found.units += words
