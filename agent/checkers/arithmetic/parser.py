"""Parse and evaluate arithmetic expressions exactly.

    sum     := product (("+" | "-") product)*
    product := factor (("×" | "/" | "of") factor | factor-in-parentheses | root)*
    factor  := "-" factor | power unit*
    power   := primary "!"? ("^" exponent)?
    primary := number | fraction | binomial | root | "(" sum ")" | "{" sum "}"
    unit    := "%" | word | "/" word | "(" word+ ")"

`parse` returns None for a text outside this grammar, for an ambiguous one (2 1/2, 6/2(1+2), -3^2) and for a value that
grows too large. The parser evaluates only fractions of bounded size; it never executes code.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from selfcritic.agent.checkers.arithmetic.bounded import (
    Unsupported,
    binomial,
    bounded,
    factorial,
    power,
    root,
)
from selfcritic.agent.checkers.arithmetic.cursor import TokenCursor, starts_repetend
from selfcritic.agent.checkers.arithmetic.expressions import PLAIN, Expression, NumberFormat
from selfcritic.agent.checkers.arithmetic.numerals import read_numeral, repeating_value
from selfcritic.agent.checkers.arithmetic.tokenizer import Token, get_words
from selfcritic.agent.checkers.arithmetic.vocabulary import NUMBER_WORDS

MAX_TOKENS = 1_000
_MAX_DEPTH = 30
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SUPERSCRIPTS = {"²": 2, "³": 3}

_OPERANDS = ("number", "open", "frac", "digits")
_DIGIT = re.compile(r"[0-9]")


def parse(tokens: Sequence[Token], number_format: NumberFormat = PLAIN) -> Expression | None:
    """Parse all tokens as one expression, or return None."""
    if not tokens or len(tokens) > MAX_TOKENS:
        return None
    try:
        return _Parser(tokens, number_format).parse()
    except (Unsupported, ZeroDivisionError):
        return None


class _Parser(TokenCursor):
    """A recursive descent parser that evaluates while it reads.

    Each `_parse_*` method reads one rule of the grammar, moves `position` past it and returns its value. It raises
    `Unsupported` if the rule does not match.
    """

    def __init__(self, tokens: Sequence[Token], number_format: NumberFormat) -> None:
        super().__init__(tokens)
        self.number_format = number_format
        self.depth = 0
        self.expression = Expression(Fraction(), tokens[0].start, tokens[-1].end)

    def parse(self) -> Expression:
        self.expression.value = self._parse_sum()
        if not self.is_at_end():
            raise Unsupported
        if self.expression.is_cut and self.expression.operations:
            raise Unsupported  # 3 × 0.333…
        self.expression.end = self._end_without_description()
        return self.expression

    def _end_without_description(self) -> int:
        """Return the offset after the first of the trailing words.

        "3 pieces of gum left" ends after "pieces".
        """
        last = max(index for index, token in enumerate(self.tokens) if token.kind != "word")
        first_word = min(last + 1, len(self.tokens) - 1)
        return self.tokens[first_word].end

    def _is_multiplying_of(self) -> bool:
        """Return whether "of" multiplies here, as in 1/4 of 20."""
        return self.words() == ["of"] and self.kind(1) in _OPERANDS

    def _operation_result(self, value: Fraction) -> Fraction:
        self.expression.operations += 1
        return bounded(value)

    def _record_leading(self, value: Fraction) -> None:
        if self.expression.operations == 0 and self.expression.leading is None:
            self.expression.leading = value

    def _parse_sum(self) -> Fraction:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Unsupported
        total = self._parse_product()
        while self.kind() in ("plus", "minus"):
            self._record_leading(total)
            self.expression.adds = True
            left_is_percent = self.previous_kind() == "percent"
            sign = self.kind()
            self.skip()
            term = self._parse_product()
            right_is_percent = self.previous_kind() == "percent"
            if left_is_percent != right_is_percent:
                raise Unsupported  # $100 + 8% is $108
            if sign == "minus":
                term = -term
            total = self._operation_result(total + term)
        self.depth -= 1
        return total

    def _parse_product(self) -> Fraction:
        total = self._parse_factor()
        has_divided = False
        operator = self._product_operator()
        while operator is not None:
            self._record_leading(total)
            if operator == "beside" and has_divided:
                raise Unsupported  # 6/2(1+2)
            if operator != "beside":
                self.skip()
            if operator == "divide":
                has_divided = True
            if has_divided:
                self.expression.divides = True
            factor = self._parse_factor()
            product = total / factor if operator == "divide" else total * factor
            total = self._operation_result(product)
            operator = self._product_operator()
        return total

    def _product_operator(self) -> str | None:
        """Return "times", "divide", "of" or "beside" (adjacent factors), or None."""
        kind = self.kind()
        previous = self.previous_kind()
        if kind in ("times", "divide"):
            return kind
        if self._is_multiplying_of():
            if previous in ("percent", "rbrace", "digits") or self.expression.divides:
                return "of"
            raise Unsupported  # 3 groups of 4
        if kind in ("number", "open") and previous == "factorial":
            return "beside"
        if kind in ("open", "sqrt") and previous in ("number", "close", "rbrace"):
            if previous == "number" and self.is_spaced():
                raise Unsupported  # 3 (4 + 5)
            return "beside"
        return None

    def _parse_factor(self) -> Fraction:
        if self.kind() != "minus":
            value = self._parse_power()
            return self._parse_units(value)
        self.skip()
        if self.kind() == "minus" or self.kind(1) in ("power", "raised"):
            raise Unsupported  # -3^2
        return -self._parse_factor()

    def _parse_power(self) -> Fraction:
        base = self._parse_primary()
        if self.kind() == "factorial":
            self._record_leading(base)
            self.skip()
            base = self._operation_result(factorial(base))
        if self.kind() == "raised":
            superscript = self.expect("raised").text
            exponent = Fraction(_SUPERSCRIPTS[superscript])
            return self._operation_result(power(base, exponent))
        if self.kind() == "power":
            self._record_leading(base)
            self.skip()
            return self._parse_exponent(base)
        return base

    def _parse_exponent(self, base: Fraction) -> Fraction:
        is_negative = self.kind() == "minus"
        if is_negative:
            self.skip()
        exponent = self._parse_primary()
        if self.kind() in ("power", "raised"):
            raise Unsupported  # 2^3^2
        if exponent == Fraction(1, 2) and not is_negative:
            return self._take_root(base)
        if is_negative:
            exponent = -exponent
        return self._operation_result(power(base, exponent))

    def _take_root(self, value: Fraction) -> Fraction:
        result, is_exact = root(value)
        if not is_exact:
            self.expression.exact = False
        return self._operation_result(result)

    def _parse_primary(self) -> Fraction:
        match self.kind():
            case "number":
                return self._parse_number()
            case "digits":
                return self._parse_short_fraction()
            case "frac":
                return self._parse_fraction()
            case "binomial":
                return self._parse_binomial()
            case "sqrt":
                return self._parse_root()
            case _:
                return self._parse_group()

    def _parse_short_fraction(self) -> Fraction:
        r"""Parse \frac12."""
        text = self.expect("digits").text
        numerator, denominator = _DIGIT.findall(text)
        return self._divide(Fraction(numerator), Fraction(denominator))

    def _parse_fraction(self) -> Fraction:
        r"""Parse \frac{1}{2}."""
        self.expect("frac")
        numerator = self._parse_braces()
        denominator = self._parse_braces()
        return self._divide(numerator, denominator)

    def _divide(self, numerator: Fraction, denominator: Fraction) -> Fraction:
        self.expression.divides = True
        return self._operation_result(numerator / denominator)

    def _parse_binomial(self) -> Fraction:
        self.expect("binomial")
        n = self._parse_braces()
        k = self._parse_braces()
        return self._operation_result(binomial(n, k))

    def _parse_root(self) -> Fraction:
        self.expect("sqrt")
        if self.kind() != "number":
            return self._take_root(self._parse_group())
        if self.kind(1) not in ("end", "times", "word"):
            raise Unsupported  # √16 + 9
        return self._take_root(self._parse_number())

    def _parse_group(self) -> Fraction:
        if self.kind() == "lbrace":
            return self._parse_braces()
        self.expect("open")
        value = self._parse_sum()
        self.expect("close")
        return value

    def _parse_braces(self) -> Fraction:
        self.expect("lbrace")
        value = self._parse_sum()
        self.expect("rbrace")
        return value

    def _parse_number(self) -> Fraction:
        text = self.expect("number").text
        if self.kind() in ("frac", "digits", "number"):
            raise Unsupported  # 2 1/2: a mixed number or a product
        numeral = read_numeral(text, self.number_format)
        self.expression.numbers.append(numeral.digits)
        self.expression.repeats |= numeral.repeats
        self.expression.is_cut |= numeral.is_cut
        value = numeral.value
        if self.number_format.parentheses_repeat and starts_repetend(self.tokens, self.position):
            value = self._parse_repetend(numeral.digits)
        if self.kind() == "scale":
            scale = self.expect("scale").text
            value *= _SCALES[scale]
        return value

    def _parse_repetend(self, prefix: str) -> Fraction:
        """Parse the (6) of 0.1(6)."""
        self.expect("open")
        repetend = self.expect("number").text
        self.expect("close")
        self.expression.repeats = True
        return repeating_value(prefix, repetend)

    def _parse_units(self, value: Fraction) -> Fraction:
        """Skip the units after a value and apply percent signs."""
        while True:
            kind = self.kind()
            if kind == "percent":
                value *= self._parse_percent()
            elif kind == "word" and not self._is_multiplying_of():
                self._parse_unit_word()
            elif kind == "divide" and self.kind(1) == "word":
                self.skip()
                self._parse_unit()
            elif kind == "open" and self.kind(1) == "word":
                self._parse_unit_group()
            else:
                return value

    def _parse_percent(self) -> Fraction:
        self.expect("percent")
        self.expression.percents = True
        return PLAIN.percent if self._is_multiplying_of() else self.number_format.percent

    def _parse_unit_word(self) -> None:
        is_of = self.words()[:1] == ["of"]
        if is_of and self._has_fraction():
            raise Unsupported  # 2/3 of the class
        self._parse_unit()

    def _has_fraction(self) -> bool:
        return self.expression.divides or self.expression.percents or self.expression.decimals > 0

    def _parse_unit_group(self) -> None:
        self.expect("open")
        while self.kind() == "word":
            self._parse_unit()
        self.expect("close")

    def _parse_unit(self) -> None:
        words = get_words(self.expect("word"))
        if not NUMBER_WORDS.isdisjoint(words):
            raise Unsupported
        self.expression.units += words
