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

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from selfcritic.agent.evidence.notation import Token, words_of
from selfcritic.agent.evidence.vocabulary import COUNTING

MAX_TOKENS = 1_000
_MAX_BITS = 2_048
_MAX_DEPTH = 30
_MAX_DIGITS = 60
_MAX_FACTORIAL = 170
_ROOT_BITS = 128
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

_DIGITS = re.compile(r"[0-9]")
_SIXTHS = [Fraction(n, 6) for n in (1, 2, 4, 5)]


@dataclass(frozen=True)
class Reading:
    """One of the ways in which people write numbers."""

    percent: Fraction = Fraction(1, 100)
    """What "%" multiplies by: by 1 where it is written as a unit, as in 1/4 × 100 = 25%."""
    sixths: bool = False
    """0.33 and 0.167 stand for 1/3 and 1/6, which they are roundings of."""
    dots: bool = False
    """1.500 is one thousand five hundred."""


PLAIN = Reading()


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


class _Refused(Exception):  # noqa: N818 - no error: the text is none of ours
    """Not an expression that is wholly understood."""


def parse(tokens: Sequence[Token], reading: Reading = PLAIN) -> Expression | None:
    """Read all of the tokens as one expression; None where they are not wholly understood."""
    if not tokens or len(tokens) > MAX_TOKENS:
        return None
    try:
        return _Parser(tokens, reading).whole()
    except (_Refused, ZeroDivisionError):
        return None


class _Parser:
    def __init__(self, tokens: Sequence[Token], reading: Reading) -> None:
        self.tokens = tokens
        self.reading = reading
        self.at = 0
        self.depth = 0
        self.found = Expression(Fraction(), tokens[0].start, tokens[-1].end)

    def whole(self) -> Expression:
        self.found.value = self._sum()
        if self.at < len(self.tokens):
            raise _Refused
        # Of the words behind it, the first: "3 pieces", not "3 pieces of gum left".
        last = max(at for at, token in enumerate(self.tokens) if token.kind != "word")
        self.found.end = self.tokens[min(last + 1, len(self.tokens) - 1)].end
        return self.found

    def _kind(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead].kind if self.at + ahead < len(self.tokens) else "end"

    def _take(self, kind: str) -> Token:
        if self._kind() != kind:
            raise _Refused
        self.at += 1
        return self.tokens[self.at - 1]

    def _operation(self, value: Fraction) -> Fraction:
        """Count an operation and bound what it came to."""
        self.found.operations += 1
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MAX_BITS:
            raise _Refused
        return value

    def _sum(self) -> Fraction:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _Refused
        total = self._product()
        while (sign := self._kind()) in ("plus", "minus"):
            self._note_leading(total)
            self.at += 1
            self.found.adds = True
            term = self._product()
            total = self._operation(total + term if sign == "plus" else total - term)
        self.depth -= 1
        return total

    def _product(self) -> Fraction:
        total = self._factor()
        divided = False
        while (sign := self._sign_of_product()) is not None:
            self._note_leading(total)
            if sign == "beside" and divided:
                raise _Refused  # 6/2(1+2)
            self.at += sign != "beside"
            factor = self._factor()
            divided = divided or sign == "divide"
            self.found.divides = self.found.divides or divided
            total = self._operation(total / factor if sign == "divide" else total * factor)
        return total

    def _sign_of_product(self) -> str | None:
        """What multiplies or divides here, if anything: a sign, "of", or one factor right beside another."""
        kind, token = self._kind(), self.tokens[min(self.at, len(self.tokens) - 1)]
        if kind in ("times", "divide"):
            return kind
        before = self.tokens[self.at - 1]
        if kind == "word" and token.text.lower() == "of" and self._kind(1) in ("number", "open", "frac", "digits"):
            return "of" if before.kind in ("percent", "rbrace", "digits") or self.found.divides else self._refuse()
        if kind in ("number", "open") and before.kind == "factorial":
            return "beside"
        if kind in ("open", "sqrt") and before.kind in ("number", "close", "rbrace"):
            return "beside" if not token.spaced or before.kind != "number" else self._refuse()
        return None

    def _refuse(self) -> str:
        raise _Refused

    def _note_leading(self, value: Fraction) -> None:
        if self.found.operations == 0 and self.found.leading is None:
            self.found.leading = value

    def _factor(self) -> Fraction:
        if self._kind() == "minus":
            self.at += 1
            first = self.tokens[self.at : self.at + 2]
            if first and first[-1].kind in ("power", "raised"):
                raise _Refused  # -3^2
            if self._kind() == "minus":
                raise _Refused
            return -self._factor()
        return self._with_units(self._power())

    def _power(self) -> Fraction:
        base = self._primary()
        if self._kind() == "factorial":
            self._note_leading(base)
            self.at += 1
            base = self._operation(Fraction(math.factorial(_whole_number(base))))
        if self._kind() == "raised":
            return self._raise(base, Fraction("²³".index(self._take("raised").text) + 2))
        if self._kind() != "power":
            return base
        self._note_leading(base)
        self.at += 1
        negative = self._kind() == "minus"
        self.at += negative
        exponent = self._primary()
        if self._kind() in ("power", "raised"):
            raise _Refused
        return self._raise(base, -exponent if negative else exponent)

    def _raise(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent == Fraction(1, 2):
            return self._operation(self._root(base))
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if exponent.denominator != 1 or abs(exponent) > _MAX_BITS or bits * abs(exponent) > 2 * _MAX_BITS:
            raise _Refused
        return self._operation(base ** int(exponent))

    def _root(self, value: Fraction) -> Fraction:
        if value < 0:
            raise _Refused
        above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if above**2 == value.numerator and below**2 == value.denominator:
            return Fraction(above, below)
        self.found.exact = False
        scaled = math.isqrt((value.numerator << 2 * _ROOT_BITS) // value.denominator)
        if scaled == 0:
            raise _Refused
        return Fraction(scaled, 1 << _ROOT_BITS)

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
            return self._operation(Fraction(math.comb(_whole_number(above), _whole_number(below))))
        if kind == "sqrt":
            self._take("sqrt")
            return self._operation(self._root(self._number() if self._kind() == "number" else self._any_group()))
        return self._any_group()

    def _any_group(self) -> Fraction:
        return self._group("lbrace", "rbrace") if self._kind() == "lbrace" else self._group("open", "close")

    def _group(self, opening: str, closing: str) -> Fraction:
        self._take(opening)
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
            raise _Refused  # two and a half, or twice a half?
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
                value *= PLAIN.percent if self._kind() == "word" and self._is_of() else self.reading.percent
            elif kind == "word" and not self._is_of():
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
        after = self._kind(1)
        return self.tokens[self.at].text.lower() == "of" and after in ("number", "open", "frac", "digits")

    def _unit(self) -> None:
        words = words_of(self._take("word"))
        if not COUNTING.isdisjoint(words):
            raise _Refused
        self.found.units += words


def _whole_number(value: Fraction) -> int:
    if value.denominator != 1 or not 0 <= value <= _MAX_FACTORIAL:
        raise _Refused
    return value.numerator
