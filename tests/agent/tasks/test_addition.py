"""Test the addition task against digits computed here."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Addition

PLACES = [
    "units",
    "tens",
    "hundreds",
    "thousands",
    "ten thousands",
    "hundred thousands",
    "millions",
    "10^7",
    "10^8",
]
numbers = st.integers(0, 10**8)


@pytest.mark.parametrize(
    ("question", "addends"),
    [
        ("What is 123 + 456?", (123, 456)),
        ("Please add 12,345 and 99", (12345, 99)),
        ("12+7", (12, 7)),
        ("Sum of 3, 4 and 5", (3, 4, 5)),
        ("Hello! Could you tell me how much 3,000 plus 0042 is, please?\nThank you!", (3000, 42)),
        ("Add these numbers:\n12\n30\n", (12, 30)),
        ("What's the total of 1,2,3?", (1, 2, 3)),
        ("12 + 7 = ?", (12, 7)),
        ("9" * 1000 + "+1", (10**1000 - 1, 1)),
    ],
)
def test_parses_typed_questions(question: str, addends: tuple[int, ...]):
    task = Addition.parse(question)
    assert task is not None
    assert task.addends == addends
    assert task.is_correct(str(sum(addends)))


@pytest.mark.parametrize(
    "question",
    [
        "12 +",
        "Is 12 + 7 = 19?",
        "1.5 + 2",
        "2 + .5",
        "1 000 + 2",
        "5! + 3",
        "2(3 + 4)",
        "(1 + 2) * 3",
        "3x + 4",
        "-5 + 3",
        "12th + 1",
        "3 + 4? What is 5 + 6?",
        "Tom has 3 apples and adds 4",
        "add one and two",
        "½ + ² + 1",
        "9" * 1001 + "+1",
    ],
)
def test_returns_none_for_other_texts(question: str):
    assert Addition.parse(question) is None


@given(left=numbers, right=numbers, claimed=numbers, has_commas=st.booleans())
def test_flaws_are_wrong_digits_or_a_wrong_length(
    left: int, right: int, claimed: int, has_commas: bool
):
    task = Addition("", (left, right))
    total = str(left + right)
    digits = str(claimed)
    written = f"{claimed:,}" if has_commas else digits
    answer = f"{left} + {right} is **{written}**."

    flaws = task.flaws(answer)
    if len(total) != len(digits):
        assert [flaw.kind for flaw in flaws] == ["length"]
        assert flaws[0].comment.quote.endswith(written)
        assert flaws[0].comment.text.endswith(f"should be {total}.")
    else:
        wrong_places = [
            place for place in range(len(total)) if total[-1 - place] != digits[-1 - place]
        ]
        texts = [
            f"The {PLACES[place]} digit should be {total[-1 - place]}." for place in wrong_places
        ]
        assert [flaw.comment.text for flaw in flaws] == texts
        assert {flaw.kind for flaw in flaws} <= {"digit"}

    for flaw in flaws:
        assert task.is_valid(answer, flaw.comment)
        answer = task.apply_comment(answer, flaw.comment)
    fixed = f"{left + right:,}" if "," in written else total
    assert answer == f"{left} + {right} is **{fixed}**."


@given(claimed=st.integers(100, 999), place=st.integers(0, 3), digit=st.integers(0, 9))
def test_a_digit_comment_is_valid_only_if_true(claimed: int, place: int, digit: int):
    task = Addition("", (300, 279))
    answer = str(claimed)
    is_true = place < 3 and "579"[-1 - place] == str(digit) != answer[-1 - place]
    comment = Comment(
        quote=answer, text=f"the {PLACES[place].upper()} digit should be **{digit}**, I think"
    )
    assert task.is_valid(answer, comment) is is_true
    expected = list(answer)
    if place < 3:
        expected[-1 - place] = str(digit)
    assert task.apply_comment(answer, comment) == "".join(expected)


@pytest.mark.parametrize(
    ("answer", "text", "valid", "edited"),
    [
        ("It is 1,234.", "The sum has 3 digits: it should be 579.", True, "It is 579."),
        ("It is 1,234.", "It should be 1,579.", False, "It is 1,579."),
        ("It is 1,234.", "The sum has 4 digits: it should be 579.", False, "It is 579."),
        ("It is 1,234.", "There is no sum here: it should be 579.", False, "It is 579."),
        ("It is 579.", "The sum has 3 digits: it should be 579.", False, "It is 579."),
        ("It is -579.", "There is no sum here: it should be 579.", True, "579"),
        ("It is 579.5", "There is no sum here: it should be 579.", True, "579"),
        ("It is 570", "The ones digit should be 9.", True, "It is 579"),
        ("It is 579", "The units digit should be 9.", False, "It is 579"),
        ("It is 570", "The units digit should be 90.", False, "It is 570"),
        ("It is 570", "The 10^0 digit should be 9.", True, "It is 579"),
        ("It is 570", "The 10^9999 digit should be 9.", False, "It is 570"),
    ],
)
def test_validates_and_applies_comments(answer: str, text: str, valid: bool, edited: str):
    task = Addition("", (123, 456))
    comment = Comment(quote=answer, text=text)
    assert task.is_valid(answer, comment) is valid
    assert task.apply_comment(answer, comment) == edited


def test_a_quote_must_contain_the_digit():
    task = Addition("", (123, 456))
    text = "The units digit should be 9."
    valid_quotes = []
    for quote in ("123", "is", "57", "570", "0", ""):
        if task.is_valid("123 + 456 is 570", Comment(quote=quote, text=text)):
            valid_quotes.append(quote)
    assert valid_quotes == ["570", "0"]
    assert not task.is_valid("0 is 570", Comment(quote="0", text=text, start=0, end=1))
    assert task.is_valid("0 is 570", Comment(quote="0", text=text, start=7, end=8))


@pytest.mark.parametrize(
    ("answer", "is_correct"),
    [
        ("579.0", True),
        ("0579", False),
        ("**579**.", True),
        ("5 7 9", False),
    ],
)
def test_the_last_number_is_the_answer(answer: str, is_correct: bool):
    assert Addition("", (123, 456)).is_correct(answer) is is_correct


def test_injects_every_kind_of_flaw():
    task = Addition("", (4387, 2965))
    flaws = [task.inject_flaw("7,352", Random(seed)) for seed in range(200)]
    for kind in ("was forgotten", "off by one", "are swapped", "was dropped", "was written twice"):
        assert any(kind in flaw.description for flaw in flaws)
    carry = "The carry into the thousands was forgotten."
    assert {flaw.answer for flaw in flaws if flaw.description == carry} == {"6,352"}
