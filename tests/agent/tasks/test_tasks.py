"""What holds for every family, over all sizes, many seeds and any text."""

import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Addition, Alphabetize, Task, ThreeSat

TASKS: tuple[type[Task], ...] = (Addition, Alphabetize, ThreeSat)  # functions runs code: test_functions.py
SEEDS = range(120)
ROUNDS = 20

every_family = pytest.mark.parametrize("family", TASKS, ids=lambda family: family.name)


def draw(family: type[Task], seed: int) -> tuple[Task, Random]:
    rng = Random(seed)
    return family.generate(rng, rng.choice(family.sizes)), rng


def mend_all(task: Task, answer: str) -> str:
    for flaw in task.flaws(answer):
        answer = task.apply_comment(answer, flaw.comment)
    return answer


@every_family
def test_a_generated_question_is_recognised_as_the_same_task(family: type[Task]):
    for size in family.sizes:
        for seed in range(5):
            task = family.generate(Random(seed), size)
            assert family.parse(task.question) == task
            assert family.generate(Random(seed), size) == task
            assert task.id.startswith(f"{family.name}-")


@every_family
def test_the_example_is_a_task_with_a_right_solution(family: type[Task]):
    task = family.parse(family.example)
    assert task is not None
    assert task.is_correct(task.solution())
    assert task.flaws(task.solution()) == []


@every_family
def test_a_size_outside_the_range_is_an_error_that_names_it(family: type[Task]):
    for size in (family.sizes.start - 1, family.sizes.stop):
        with pytest.raises(InputError, match=f"from {family.sizes[0]} to {family.sizes[-1]}"):
            family.generate(Random(0), size)


@every_family
def test_no_family_takes_the_tasks_of_another(family: type[Task]):
    for other in TASKS:
        for seed in range(20 if other is not family else 0):
            assert family.parse(draw(other, seed)[0].question) is None


@every_family
@pytest.mark.parametrize(
    "text",
    [
        "",
        "Why is the sky blue?",
        "What is 7 times 8?",
        "What is 12 - 5 + 3?",
        "Write a Python function f(xs). Add 3 to each. Return the sum.",
        "Write a function that sorts these words alphabetically: pear, apple",
        "Write a function that adds 12 and 30",
        "Bob takes tea. Ann takes milk. Who is happier?",
    ],
)
def test_foreign_texts_are_refused(family: type[Task], text: str):
    assert family.parse(text) is None


@every_family
@pytest.mark.parametrize(
    "unit",
    [
        " ", "\n", "*", "9", "1 + ", "1,", "a ", "a,", "a'", "and ", "or\n", ". ", ": ", "pear, apple\n", "sort words ",
        "alphabetize: ", "Ann takes ", "Ann takes tea or ", "Ann takes tea or Bob takes milk\n", "to Ann, ",
    ],
)  # fmt: skip
def test_a_megabyte_is_read_in_linear_time(family: type[Task], unit: str):
    text = unit * (1_000_000 // len(unit))
    begun = time.process_time()
    try:
        task = family.parse(text)
    except InputError:
        task = None
    assert task is None or task.question == text
    assert time.process_time() - begun < 2


@every_family
@given(data=st.data())
def test_any_text_may_be_an_answer_and_any_comment_may_be_made_on_it(family: type[Task], data: st.DataObject):
    task, rng = draw(family, data.draw(st.integers(0, 10)))
    pieces = st.one_of(
        st.text(), st.sampled_from([task.solution(), task.question, "12,345", "pear", "\n- ", ": ", "-0.5"])
    )
    answer = "".join(data.draw(st.lists(pieces, max_size=4)))
    claims = [flaw.comment.text for flaw in task.flaws(answer)] + [task.false_comment(answer, rng).text]
    text = data.draw(st.one_of(st.text(), st.sampled_from(claims)))
    comment = Comment(quote=data.draw(st.one_of(st.text(), st.just(answer))), text=text)
    assert comment.quote in answer or not task.is_valid(answer, comment)
    assert isinstance(task.apply_comment(answer, comment), str)
    assert not task.is_correct(task.inject_flaw(answer, rng).answer)
    check_comments(task, answer, rng)


def check_comments(task: Task, answer: str, rng: Random) -> None:
    flaws = task.flaws(answer)
    assert (not flaws) == task.is_correct(answer)
    for comment in [flaw.comment for flaw in flaws]:
        assert task.is_valid(answer, comment), comment
        assert answer[comment.start : comment.end] == comment.quote
        assert comment.quote or not answer.strip()
    ungrounded = task.false_comment(answer, rng)
    assert not task.is_valid(answer, ungrounded), ungrounded
    assert answer[ungrounded.start : ungrounded.end] == ungrounded.quote


@every_family
@pytest.mark.parametrize("answer", ["", "  \n ", "I am sorry, but no.", "\u2028"])
def test_an_answer_that_cannot_be_read_has_one_flaw_which_can_be_mended(family: type[Task], answer: str):
    task, rng = draw(family, 1)
    [flaw] = task.flaws(answer)
    assert flaw.kind == "form"
    assert task.is_correct(task.apply_comment(answer, flaw.comment))
    check_comments(task, answer, rng)
    ungrounded = task.false_comment(answer, rng)
    assert task.apply_comment(answer, ungrounded) != answer
    assert not task.is_correct(task.apply_comment(answer, ungrounded))


@every_family
def test_a_slip_makes_a_right_answer_wrong_and_the_gold_comments_mend_it(family: type[Task]):
    for seed in SEEDS:
        task, rng = draw(family, seed)
        slip = task.inject_flaw(task.solution(), rng)
        assert not task.is_correct(slip.answer)
        assert slip.description.endswith(".")
        check_comments(task, slip.answer, rng)
        for flaw in task.flaws(slip.answer):
            assert slip.answer.find(flaw.comment.quote) == flaw.comment.start
        assert task.is_correct(mend_all(task, slip.answer))
        assert task.inject_flaw(task.solution(), Random(seed)) == task.inject_flaw(task.solution(), Random(seed))


@every_family
def test_two_slips_are_mended_round_by_round(family: type[Task]):
    for seed in SEEDS:
        task, rng = draw(family, seed)
        answer = task.inject_flaw(task.inject_flaw(task.solution(), rng).answer, rng).answer
        check_comments(task, answer, rng)
        for _ in range(ROUNDS):
            answer = mend_all(task, answer)
        assert task.is_correct(answer)


@every_family
def test_bad_advice_followed_makes_the_answer_another_and_a_right_one_wrong(family: type[Task]):
    for seed in SEEDS:
        task, rng = draw(family, seed)
        for answer in (task.solution(), task.inject_flaw(task.solution(), rng).answer):
            advised = task.apply_comment(answer, task.false_comment(answer, rng))
            assert advised != answer
            assert not (task.is_correct(answer) and task.is_correct(advised))


@every_family
@given(quote=st.text(min_size=1), text=st.text(max_size=3))
def test_what_cannot_be_followed_changes_nothing(family: type[Task], quote: str, text: str):
    task, rng = draw(family, 2)
    answer = task.inject_flaw(task.solution(), rng).answer
    gold = task.flaws(answer)[0].comment
    strangers = [gold.model_copy(update={"text": f"Hm {text}"})]
    strangers += [Comment(quote=quote, text=gold.text)] if quote not in answer else []
    for comment in strangers:
        assert task.apply_comment(answer, comment) == answer
        assert not task.is_valid(answer, comment)
