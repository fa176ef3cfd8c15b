"""Numerals in plain text and LaTeX: thousands, repeating decimals, decimal commas, and what only looks like a sum."""

import asyncio
from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from selfcritic.agent.checkers.arithmetic.checker import arithmetic

reproducible = settings(derandomize=True, deadline=None)

THOUSANDS = ["", ",", "{,}", r"\,", r",\!", r"\!,\!", r"{,}\!"]
"""Separators that are read."""
AMBIGUOUS_THOUSANDS = [
    r",\,",
    r",\ ",
    r",\;",
    ",~",
    r"\ ",
    r"\;",
    r"\:",
    "~",
    " ",
    "\u202f",
    "'",
    "_",
    ".",
]
"""Separators that also separate two numbers; the equation is skipped or true in one reading."""
REPETENDS = [r"\overline{{{}}}", r"\bar{{{}}}", r"\overline {{{}}}"]

TRUE = [
    r"$512\cdot 625 = 320,\!000$, and $250 \times 8 = 2,\!000$.",
    r"So $\frac{5}{11} = 0.\overline{45}$, and $\frac{1}{3} = 0.\bar{3}$.",
    r"$512\cdot 625 = 320{\,}000$",
    r"$512\cdot 625 = 320\text{,}000$",
    r"$\frac{1}{6} = 0.1\bar6 = 0.1\overline 6$",
    r"$\frac{1}{7} = 0.\dot{1}4285\dot{7}$",
    r"$\frac{1}{3} = 0.\dot3 = 0.{\overline{3}} = 0.\mathring{3} = .\overline{3}$",
    r"$0.\overline{3} \times 3 = 1$",
    "1/3 = 0.(3) and 1/6 = 0.1(6) and 0.5(20) = 10",
    "1/3 = 0.333... = 0.333…",
    r"$1/3 = 0.333\ldots$ and $2/3 = 0.67\dots$",
    "0.333... × 3 = 1",
    "1/3 = 0.3 repeating",
    "1/3 = 0.3\u0305",
    "512 · 625 = 320, 000",
    "3,125 · 8 = 25 and 3,125 · 8 = 25,000",
    r"$3{,}125 \cdot 8 = 25$ and $3{,}14 \cdot 2 = 6{,}28$",
    "2 · 3,50 € = 7,00 € and 1,5 + 2,5 = 4 and 1.250,50 + 1 = 1.251,50",
    "2.500 · 2 = 5.000 and 512 · 625 = 320.000",
    "50% of 80 = 40, 100% - 30% = 70%, 80 + 10% = 88, 1/4 = 25%",
    "33 1/3% of 90 = 30 and 33.33% of 90 = 30",
    "3 ft = 36 in, 1 h 30 min = 90 min, 5 m × 3 m = 15 m²",
    "22/7 = 3.14 to two decimals, 200/3 is about 67, 200 / 3 = 66.7",
    "2 + 3 = 5 = 10/2 = 15/3",
    "2024-01-15 = Monday, from 2019-2024 = 6 years, 1/2/2024 = a Tuesday",
    "9/11 = 2001",
    "Version 3.11.7-3.11.2 = 5 releases",
    "Pages 10–15 = 6 pages, 9-5 = 8 hours, 24/7 = always",
    "10:30 + 1:15 = 11:45 and 16:9 = 1.78 and the score 3-2 = a win",
    r"\sqrt{2} = 1.414\ldots and 1 + 2 + ... + 10 = 55",
    "1e3 + 1 = 1001",
    "|3 - 5| = 2 and ⌊7/2⌋ = 3 and 5! = 120",
]

FALSE = {
    r"$512\cdot 625 = 310,\!000$": r"512\cdot 625 is 320000, not 310,\!000.",
    r"$\frac{5}{11} = 0.\overline{54}$": r"\frac{5}{11} is 5/11 (about 0.454545), not 0.\overline{54}.",
    r"$\frac{1}{6} = 0.1\overline{5}$": r"\frac{1}{6} is 1/6 (about 0.166667), not 0.1\overline{5}.",
    r"$0.\overline{3} \times 3 = 2$": r"0.\overline{3} \times 3 is 1, not 2.",
    "1/3 = 0.(4)": "1/3 is 1/3 (about 0.333333), not 0.(4).",
    "1/3 = 0.353...": "1/3 is 1/3 (about 0.333333), not 0.353....",
    r"$3{,}14 \cdot 2 = 6{,}38$": r"3{,}14 \cdot 2 is 6.28, not 6{,}38.",
    "3,125 × 8 = 26,000": "3,125 × 8 is 25000, not 26,000.",
    "22/7 ≈ 3.24": "22/7 is 22/7 (about 3.14286), not 3.24.",
    "10 - 15 = -6": "10 - 15 is -5, not -6.",
}


def check(draft: str) -> list[str]:
    return [comment.text for comment in asyncio.run(arithmetic("", draft))]


def group_digits(number: int, separator: str) -> str:
    return f"{number:,}".replace(",", separator)


@pytest.mark.parametrize("text", TRUE)
def test_accepts_true_equations_and_what_is_no_equation(text: str):
    assert check(text) == []


@pytest.mark.parametrize(("text", "comment"), FALSE.items(), ids=FALSE)
def test_finds_a_false_equation(text: str, comment: str):
    assert check(text) == [comment]


@given(
    st.integers(min_value=2, max_value=9_999),
    st.integers(min_value=2, max_value=9_999),
    st.sampled_from(THOUSANDS),
    st.integers(min_value=1, max_value=9),
)
@example(512, 625, r",\!", 1)
@reproducible
def test_reads_separators_of_thousands(a: int, b: int, separator: str, error: int):
    product = group_digits(a * b, separator)
    wrong = group_digits(a * b + error, separator)
    assert check(rf"${a} \times {b} = {product}$") == []
    assert len(check(rf"${a} \times {b} = {wrong}$")) == 1


@given(
    st.integers(min_value=2, max_value=9_999),
    st.integers(min_value=2, max_value=9_999),
    st.sampled_from(AMBIGUOUS_THOUSANDS),
)
@example(512, 625, r",\,")
@reproducible
def test_accepts_ambiguous_separators_of_thousands(a: int, b: int, separator: str):
    assume(a * b >= 1_000)
    assert check(rf"${a} \times {b} = {group_digits(a * b, separator)}$") == []


def expand(numerator: int, denominator: int) -> tuple[str, str]:
    """Return the decimals of a proper fraction before its repetend, and the repetend."""
    digits = ""
    remainders: list[int] = []
    remainder = numerator
    while remainder not in remainders:
        remainders.append(remainder)
        digit, remainder = divmod(10 * remainder, denominator)
        digits += str(digit)
    start = remainders.index(remainder)
    return digits[:start], digits[start:]


@given(
    st.integers(min_value=1, max_value=60),
    st.integers(min_value=2, max_value=61),
    st.sampled_from(REPETENDS),
)
@example(5, 11, r"\overline{{{}}}")
@reproducible
def test_reads_repeating_decimals_exactly(numerator: int, denominator: int, form: str):
    assume(numerator < denominator)
    decimals, repetend = expand(numerator, denominator)
    assume(len(repetend) <= 30 and repetend != "0")
    right = rf"$\frac{{{numerator}}}{{{denominator}}} = 0.{decimals}{form.format(repetend)}$"
    assert check(right) == []
    wrong_repetend = repetend[:-1] + str((int(repetend[-1]) + 1) % 10)
    assume(set(wrong_repetend) != {"0"})
    wrong = rf"$\frac{{{numerator}}}{{{denominator}}} = 0.{decimals}{form.format(wrong_repetend)}$"
    assert len(check(wrong)) == 1


@given(
    st.integers(min_value=1, max_value=60),
    st.integers(min_value=2, max_value=61),
    st.integers(min_value=2, max_value=9),
    st.sampled_from(["...", "…", r"\ldots", r"\dots"]),
)
@reproducible
def test_accepts_each_decimal_that_ends_in_an_ellipsis(
    numerator: int, denominator: int, places: int, ellipsis: str
):
    assume(numerator < denominator)
    shifted = Fraction(numerator * 10**places, denominator)
    for digits in {int(shifted), round(shifted)}:
        whole, decimals = divmod(digits, 10**places)
        numeral = f"{whole}.{decimals:0{places}d}{ellipsis}"
        assert check(rf"${numerator} / {denominator} = {numeral}$") == []


@given(
    st.integers(min_value=1, max_value=999_999),
    st.integers(min_value=2, max_value=9),
)
@reproducible
def test_accepts_decimal_commas(thousandths: int, factor: int):
    product = f"{thousandths * factor / 1000:.3f}"
    numeral = f"{thousandths / 1000:.3f}"
    for comma in (",", "{,}"):
        left = numeral.replace(".", comma)
        right = product.replace(".", comma)
        assert check(rf"${left} \cdot {factor} = {right}$") == []
        whole, _, decimals = product.partition(".")
        shortened = f"{whole}{comma}{decimals}".rstrip("0").removesuffix(comma)
        assert check(rf"${left} \cdot {factor} = {shortened}$") == []
