"""Test the arithmetic checker on examples and on random text."""

import asyncio
import inspect
import re
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selfcritic.agent.checkers.arithmetic.checker import arithmetic
from selfcritic.agent.schemas import Comment

reproducible = settings(derandomize=True, deadline=None)

FALSE = {
    "2 + 2 = 5": "2 + 2 is 4, not 5.",
    "2 + ~~2~~ 3 = 6": "2 + ~~2~~ 3 is 5, not 6.",
    "12 × 12 = 145": "12 × 12 is 144, not 145.",
    "−5 + 3 = 2": "−5 + 3 is -2, not 2.",
    "5 - 8 = 3": "5 - 8 is -3, not 3.",
    "(5 + 3) × 2 = 15": "(5 + 3) × 2 is 16, not 15.",
    "3(4 + 5) = 28": "3(4 + 5) is 27, not 28.",
    "2 + 3 * 4 = 20": "2 + 3 * 4 is 14, not 20.",
    "24 / 4 / 2 = 12": "24 / 4 / 2 is 3, not 12.",
    "9 = 4 + 4": "4 + 4 is 8, not 9.",
    "1,000 + 1 = 1,002": "1,000 + 1 is 1001, not 1,002.",
    "1{,}000 + 1 = 1{,}002": "1{,}000 + 1 is 1001, not 1{,}002.",
    r"\frac{3}{4} = 0.8": r"\frac{3}{4} is 0.75, not 0.8.",
    r"\frac12 + \frac13 = \frac25": r"\frac12 + \frac13 is 5/6 (about 0.833333), but \frac25 is 0.4.",
    r"\frac{2}{5} \times 60 = 12": r"\frac{2}{5} \times 60 is 24, not 12.",
    r"6 \div 2 \cdot 3 = 1": r"6 \div 2 \cdot 3 is 9, not 1.",
    r"2^{10} - 1 = 1024": r"2^{10} - 1 is 1023, not 1024.",
    "2**10 = 1000": "2**10 is 1024, not 1000.",
    "5² + 1 = 25": "5² + 1 is 26, not 25.",
    r"\sqrt{49} = 8": r"\sqrt{49} is 7, not 8.",
    r"\sqrt{50} = 6\sqrt{2}": r"\sqrt{50} is about 7.07107, but 6\sqrt{2} is about 8.48528.",
    "sqrt(2) = 1.5": "sqrt(2) is about 1.41421, not 1.5.",
    r"\frac{7!}{3!4!} = 30": r"\frac{7!}{3!4!} is 35, not 30.",
    r"\binom{6}{2} = 12": r"\binom{6}{2} is 15, not 12.",
    "7 / 2 = 3": "7 / 2 is 3.5, not 3.",
    "1/3 = 0.34": "1/3 is 1/3 (about 0.333333), not 0.34.",
    r"100 \times 3.14 \approx 341": r"100 \times 3.14 is 314, not 341.",
    "25% of 80 = 25": "25% of 80 is 20, not 25.",
    "1/4 × 100 = 20%": "1/4 × 100 is 25%, not 20%.",
    "1/4 = 20%": "1/4 is 25%, not 20%.",
    "Round it: 25 × 12 = 301": "25 × 12 is 300, not 301.",
    "20% + 5% = 30%": "20% + 5% is 25%, not 30%.",
    "$3.50 × 4 = $15": "$3.50 × 4 is 14, not 15.",
    r"\$0.05 \times 350,000 = \$15,000": r"\$0.05 \times 350,000 is 17500, not 15,000.",
    "1.5 million × 2 = 4 million": "1.5 million × 2 is 3000000, not 4 million.",
    "5 apples + 3 apples = 9 apples": "5 apples + 3 apples is 8, not 9 apples.",
    r"4 \text{ kids} \times 3 \text{ cups per kid} = 11 \text{ cups}": (
        r"4 \text{ kids} \times 3 \text{ cups per kid} is 12, not 11 \text{ cups}."
    ),
    r"6 \text{ movies/week} \times 4 \text{ weeks} = 23 \text{ movies}": (
        r"6 \text{ movies/week} \times 4 \text{ weeks} is 24, not 23 \text{ movies}."
    ),
    "4 times 5 equals 25": "4 times 5 is 20, not 25.",
    "20 divided by 4 equals 6": "20 divided by 4 is 5, not 6.",
    "3 x 4 = 13": "3 x 4 is 12, not 13.",
    "10 + 5 =\n16": "10 + 5 is 15, not 16.",
    "10 + 5\n  = 16": "10 + 5 is 15, not 16.",
}

# Text, and the quote in it.
QUOTED = {
    "So he has 4 - 1 = 2 pieces of gum left.": "4 - 1 = 2 pieces",
    "In total, 120 + 45 + 35 = 210 apples.": "120 + 45 + 35 = 210 apples",
    "The box (5 × 3 = 16) is full.": "5 × 3 = 16",
    "x = 5 + 3 = 9": "5 + 3 = 9",
    "3 + 4 = 7 = 2 × 4": "7 = 2 × 4",
    "3 + 4 = 8 = 2 × 4": "3 + 4 = 8",
    "3 + 4 = 7, 3 + 5 = 9": "3 + 5 = 9",
    "1. 5 + 3 = 9": "5 + 3 = 9",
    "- 5 + 3 = 9": "5 + 3 = 9",
    "* 5 * 3 = 16": "5 * 3 = 16",
    "**5 + 3 = 9**": "5 + 3 = 9",
    "`5 + 3 = 9`": "5 + 3 = 9",
    r"\boxed{5 + 3 = 9}": "5 + 3 = 9",
    "$7^2 = 48$": "7^2 = 48",
    r"A &= 3 + 4 \\ &= 7 \cdot 2 \\ &= 15": r"7 \cdot 2 \\ &= 15",
    "😀 2 + 2 = 5\r\nfine": "2 + 2 = 5",
    r"He buys \(3 \times 4 = 13\) pens.": r"3 \times 4 = 13",
    "5 + 3 = 9 apples and 2 + 2 = 4 pears": "5 + 3 = 9 apples",
    "5 + 3 = 8 and 2 + 2 = 5": "2 + 2 = 5",
    "The sum is 1 + 2 + 4 = 8": "1 + 2 + 4 = 8",
    "48/2 = <<48/2=23>>23": "48/2=23",
    "$$x = 5 + 3 = 9.$$": "5 + 3 = 9",
    "He had 3 pens, so now he has 3 + 4 = 8 pens": "3 + 4 = 8 pens",
}

TRUE = r"""
2 + 2 = 4
1/3 = 0.33
2/3 = 0.66
2/3 ≈ 0.67
100 / 7 = 14
100/7 = 14.29
1/3 = 33%
2/3 × 100 = 66.67%
1/15 = 7%
18.75 × 0.1 = 1.88
22 / 7 = 3.142857
52 × 0.15 ≈ 8
25% of 80 = 20
1/4 × 100 = 25%
20% + 5% = 25%
0.67 × 3 = 2
33.33 × 3 = 100
16.67% of 60 = 10
1/3 × 100 = 0.33 × 100
0.1 + 0.2 = 0.30000000000000004
√2 = 1.414
\sqrt{50} = 5\sqrt{2}
1.05^10 = 1.63
3 \times 10^{-2} = 0.03
90^\circ - 30^\circ = 60^\circ
5 \text{ cm} \times 4 \text{ cm} = 20 \text{ cm}^2
$1.5 million × 2 = $3 million
1/2 of 50 = 25
\frac{1}{3} \text{ of } 30 = 10
\frac{6!}{2!4!} = 15
- 5 + 3 = -2
"""

SKIPPED = r"""
~~2 + 2 = 5~~
The sum is ~~2 + 2 = 5~~ 2 + 2 = 4.
2 + 2 = ~~5~~ 4
2 + ~~3~~ 2 = 4
<del>2 + 2 = 5</del>
<s class="old">2 + 2 = 5</s> 4
x + 5 = 8
2x + 3x = 10
2ab + 3bc + 2ca = 4
2 \theta + 1 = 9
f(3) + 4 = 9
\sin(30^\circ) + 1 = 2
44_7 + 33_7 = 110_7
1 + 2 + ... + 10 = 55
1 + 2 + \ldots + 10 = 55
|3 - 5| = 2
C(6, 2) = 15
(1, 2) + (3, 4) = (4, 6)
\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} = 5
\sum_{i=1}^{3} i = 6
5^2:1^2 = 25:1
10:30 + 2:00 = 12:30
2024-01-05 = 3
7 // 2 = 3
7 % 3 = 1
5 == 6
1 + 1 == 3
5 * 2 <= 3 + 4 = 9
\pi \cdot 5^2 = 78.5
3⁴ = 81
x₁ + 5 = 8
4 \pm 2 = 7
2 + 2 = 5?
1 + 1 = 3!
2 1/2 + 1 = 3.5
2\frac{1}{2} + 1 = 3.5
6/2(1+2) = 1
-3^2 = 9
3,5 + 1 = 4,5
1.000 + 500 = 1.500
pages 10-15 = 6 pages
Half of 20 + 4 = 14
3 groups of 4 + 2 = 14
The product of 3 and 4 + 2 = 14
the square root of 9 + 16 = 5
The mean of 4 + 6 = 5
Step 2 (5 + 3) = 8
17 ÷ 5 = 3 remainder 2
17 / 5 = 3 with 2 left over
17 / 5 = 3 full boxes
20 / 3 = 7, rounded
To the nearest ten, 29 × 12 = 350
3 dozen + 4 = 40
5 × 25 cents = $1.25
5 pens at 20 cents each cost 5 × 20 = $1.00
6 feet = 72 inches
3 hours + 30 minutes = 3.5 hours
2 weeks = 2 × 7 = 14 days
30 × 2 minutes = 1 hour
1 pound = 3500 calories
3 days = 97 * 3
9 + 5 = 2 PM
Modulo 7, 5 + 4 = 2
9 + 5 = 2 (mod 12)
In binary, 1 + 1 = 10
If 2 + 2 = 5, then I am the pope.
2 + 2 = 5 is false.
He wrote 2 + 2 = 5
It is not the case that 2 + 2 = 5
2 + 2 ≠ 5
5 + 3 = 8 × 2 = 16
2 × 3 × 4 = 2 × 3 = 6, and 6 × 4 = 24
$100 - 20% = $80
$100 + 8% = $108
√16 + 9 = 5
1/3 of the students = 10 students
25% of the students = 10 students
1 - 1/3 = 2/3 = 20 students
5 tens + 3 ones = 53
two-thirds of 9 + 3 = 8
7/2 = 3 and 1/2 = 3.5
7 out of 10 × 100 = 70%
x = 1 + 2 = 3 or x = 1 - 2 = -1
48/2 = <<48/2=24>>24
x = 2 + 3 = 5 = 10/2
0.25 = 25%
"""


def check(draft: str) -> list[Comment]:
    return asyncio.run(arithmetic("How many?", draft))


def lines(text: str) -> list[str]:
    return text.strip().split("\n")


@pytest.mark.parametrize("equation", FALSE)
def test_quotes_a_false_equation_and_gives_the_correct_value(equation: str):
    (comment,) = check(equation)
    assert comment.text == FALSE[equation]
    assert (comment.source, comment.evidence, comment.severity) == (
        "arithmetic",
        "confirmed",
        "high",
    )
    assert equation[comment.start : comment.end] == comment.quote


@pytest.mark.parametrize("text", QUOTED)
def test_quotes_only_the_equation(text: str):
    (comment,) = check(text)
    assert comment.quote == QUOTED[text]
    assert text[comment.start : comment.end] == comment.quote


@pytest.mark.parametrize("equation", lines(TRUE))
def test_accepts_a_true_equation(equation: str):
    assert check(equation) == []


@pytest.mark.parametrize("equation", lines(TRUE))
def test_parses_each_true_equation(equation: str):
    """Replaces the right side by a wrong number: a finding proves that the equation is not skipped."""
    assert check(equation + "\n7 + 1 = 9")[0].quote == "7 + 1 = 9"
    left_side = re.split("[=≈]", equation)[0]
    assert check(left_side + "= 987654321.5")


@pytest.mark.parametrize("text", lines(SKIPPED))
def test_skips_ambiguous_text(text: str):
    assert check(text) == []


def test_reports_a_false_equation_with_a_short_latex_fraction():
    [comment] = check("5 + 3 = \\frac42")
    assert comment.quote == "5 + 3 = \\frac42"


@pytest.mark.parametrize(
    "text",
    [
        "~~~\n{}\n~~~",
        "~~ {} ~~",
        "~~\n\n{} ~~",
        "~~left {}",
        "~{}~",
        "~~old~~ {} ~~old~~",
        "<s>{}",
        "<del>{}</s>",
    ],
)
def test_other_tildes_and_tags_retract_nothing(text: str):
    assert [comment.quote for comment in check(text.format("2 + 2 = 5"))] == ["2 + 2 = 5"]


def test_retracted_lines_are_skipped():
    assert check("~~First,\n2 + 2 = 5~~\nThen 4.") == []


def test_joins_lines_of_one_equation():
    assert check("10 +\n5 × 2 = 20") == []
    assert check("A = 3 + 4\n\n= 9") == []


def test_finds_all_false_equations_in_order():
    text = "First 2 + 2 = 5.\n\n\\[\n3 \\times 3 = 10\n\\]\n\nThen 4 + 4 = 8, and 5 + 5 = 11!"
    assert [comment.quote for comment in check(text)] == ["2 + 2 = 5", "3 \\times 3 = 10"]


def test_implements_the_checker_protocol():
    assert inspect.iscoroutinefunction(arithmetic)
    assert check("") == []


SIGNS = {"+": Fraction.__add__, "-": Fraction.__sub__, "*": Fraction.__mul__}
naturals = st.integers(min_value=0, max_value=10**6)


@reproducible
@given(naturals, st.sampled_from(sorted(SIGNS)), naturals, st.integers(min_value=-50, max_value=50))
def test_evaluates_sums_and_products(a: int, sign: str, b: int, error: int):
    value = SIGNS[sign](Fraction(a), Fraction(b)) + error
    comments = check(f"It is {a} {sign} {b} = {value} in all.")
    assert bool(comments) == (error != 0)


@reproducible
@given(
    st.integers(min_value=1, max_value=10**4),
    st.integers(min_value=1, max_value=10**4),
    st.integers(1, 6),
)
def test_accepts_each_rounding_of_a_quotient(a: int, b: int, places: int):
    assert check(f"{a} / {b} = {a / b:.{places + 1}f}") == []
    assert check(rf"\frac{{{a}}}{{{b}}} \approx {a / b:.{places}f}") == []


CHARACTERS = "0123456789+-*/^=().,%$ \n{}[]!?x&²≈"
FRAGMENTS = [" 12 ", "3.5", " = ", " of ", " apples ", " half ", "million", "**"]
LATEX_FRAGMENTS = [
    r"\(",
    r"\)",
    r"\\",
    r"\left(",
    r"\right)",
    r"\frac{1}{2}",
    r"\sqrt",
    r"\text{ cm}",
    r"\times ",
    r"\binom{3}{2}",
]
fragments = st.sampled_from([*CHARACTERS, *FRAGMENTS, *LATEX_FRAGMENTS])
decoded_bytes = st.binary().map(lambda raw: raw.decode("latin-1"))


@reproducible
@given(st.one_of(st.lists(fragments, max_size=60).map("".join), st.text(), decoded_bytes))
@example("\ud800 2 + 2 = 5")
def test_quotes_match_their_offsets_in_any_text(text: str):
    for comment in check(text):
        assert comment.start is not None
        assert text[comment.start : comment.end] == comment.quote
        assert comment.quote.strip()


@reproducible
@given(st.lists(fragments, max_size=40).map("".join))
def test_accepts_an_equation_of_equal_sides(side: str):
    if not {"=", "≈"} & set(side):
        assert check(f"{side} = {side}") == []
