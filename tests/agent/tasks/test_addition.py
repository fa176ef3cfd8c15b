"""Addition, held against arithmetic done here digit by digit."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Addition

PLACES = ["units", "tens", "hundreds", "thousands", "ten thousands", "hundred thousands", "millions", "10^7", "10^8"]
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
def test_typed_questions_are_read(question: str, addends: tuple[int, ...]):
    task = Addition.parse(question)
    assert task is not None
    assert task.addends == addends
    assert task.is_correct(str(sum(addends)))


@pytest.mark.parametrize(
    "question",
    [
        *("12 +", "Is 12 + 7 = 19?", "1.5 + 2", "2 + .5", "1 000 + 2", "5! + 3", "2(3 + 4)", "(1 + 2) * 3", "3x + 4"),
        *("-5 + 3", "12th + 1", "3 + 4? What is 5 + 6?", "Tom has 3 apples and adds 4", "add one and two", "½ + ² + 1"),
        "9" * 1001 + "+1",
    ],
)
def test_what_is_no_sum_of_whole_numbers_is_refused(question: str):
    assert Addition.parse(question) is None


@given(one=numbers, other=numbers, said=numbers, commas=st.booleans())
def test_flaws_are_the_wrong_digits_or_the_wrong_length(one: int, other: int, said: int, commas: bool):
    right, written = str(one + other), f"{said:,}" if commas else str(said)
    answer = f"{one} + {other} is **{written}**."
    task = Addition("", (one, other))
    flaws = task.flaws(answer)
    if len(right) != len(str(said)):
        assert [flaw.kind for flaw in flaws] == ["length"]
        assert flaws[0].comment.quote.endswith(written)
        assert flaws[0].comment.text.endswith(f"should be {right}.")
    else:
        wrong = [place for place in range(len(right)) if right[-1 - place] != str(said)[-1 - place]]
        texts = [f"The {PLACES[place]} digit should be {right[-1 - place]}." for place in wrong]
        assert [flaw.comment.text for flaw in flaws] == texts
        assert {flaw.kind for flaw in flaws} <= {"digit"}
    for flaw in flaws:
        assert task.is_valid(answer, flaw.comment)
        answer = task.apply_comment(answer, flaw.comment)
    assert answer == f"{one} + {other} is **{f'{one + other:,}' if ',' in written else right}**."


@given(said=st.integers(100, 999), place=st.integers(0, 3), digit=st.integers(0, 9))
def test_a_comment_on_a_digit_is_valid_exactly_when_true(said: int, place: int, digit: int):
    task = Addition("", (300, 279))
    true = place < 3 and "579"[-1 - place] == str(digit) != str(said)[-1 - place]
    comment = Comment(quote=str(said), text=f"the {PLACES[place].upper()} digit should be **{digit}**, I think")
    assert task.is_valid(str(said), comment) is true
    expected = list(str(said))
    if place < 3:
        expected[-1 - place] = str(digit)
    assert task.apply_comment(str(said), comment) == "".join(expected)


@pytest.mark.parametrize(
    ("answer", "text", "valid", "mended"),
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
def test_comments_are_judged_and_followed(answer: str, text: str, valid: bool, mended: str):
    task, comment = Addition("", (123, 456)), Comment(quote=answer, text=text)
    assert task.is_valid(answer, comment) is valid
    assert task.apply_comment(answer, comment) == mended


def test_a_quote_must_hold_the_digit():
    task = Addition("", (123, 456))
    claim = "The units digit should be 9."
    quotes = ("123", "is", "57", "570", "0", "")
    valid = [quote for quote in quotes if task.is_valid("123 + 456 is 570", Comment(quote=quote, text=claim))]
    assert valid == ["570", "0"]
    assert not task.is_valid("0 is 570", Comment(quote="0", text=claim, start=0, end=1))
    assert task.is_valid("0 is 570", Comment(quote="0", text=claim, start=7, end=8))


@pytest.mark.parametrize(("answer", "right"), [("579.0", True), ("0579", False), ("**579**.", True), ("5 7 9", False)])
def test_the_last_number_is_the_answer(answer: str, right: bool):
    assert Addition("", (123, 456)).is_correct(answer) is right


def test_every_kind_of_slip_is_made():
    task = Addition("", (4387, 2965))
    slips = [task.inject_flaw("7,352", Random(seed)) for seed in range(200)]
    for kind in ("was forgotten", "off by one", "are swapped", "was dropped", "was written twice"):
        assert any(kind in slip.description for slip in slips)
    carry = "The carry into the thousands was forgotten."
    assert {slip.answer for slip in slips if slip.description == carry} == {"6,352"}
