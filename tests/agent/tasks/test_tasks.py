"""Tests of every task type, over all sizes, many seeds and any text."""

import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Addition, Alphabetize, Task, ThreeSat

TASK_TYPES: tuple[type[Task], ...] = (
    Addition,
    Alphabetize,
    ThreeSat,
)  # functions/ tests Functions, which runs code
SEEDS = range(120)
ROUNDS = 20

every_task_type = pytest.mark.parametrize(
    "task_type", TASK_TYPES, ids=lambda task_type: task_type.name
)


def generate(task_type: type[Task], seed: int) -> tuple[Task, Random]:
    rng = Random(seed)
    return task_type.generate(rng, rng.choice(task_type.sizes)), rng


def apply_gold_comments(task: Task, answer: str) -> str:
    for flaw in task.flaws(answer):
        answer = task.apply_comment(answer, flaw.comment)
    return answer


def check_comments(task: Task, answer: str, rng: Random) -> None:
    """Check that gold comments are valid, false ones are not, and both quote the answer."""
    flaws = task.flaws(answer)
    assert (not flaws) == task.is_correct(answer)
    for flaw in flaws:
        comment = flaw.comment
        assert task.is_valid(answer, comment), comment
        assert answer[comment.start : comment.end] == comment.quote
        assert comment.quote or not answer.strip()
    false_comment = task.false_comment(answer, rng)
    assert not task.is_valid(answer, false_comment), false_comment
    assert answer[false_comment.start : false_comment.end] == false_comment.quote


@every_task_type
def test_parses_generated_questions(task_type: type[Task]):
    for size in task_type.sizes:
        for seed in range(5):
            task = task_type.generate(Random(seed), size)
            assert task_type.parse(task.question) == task
            assert task_type.generate(Random(seed), size) == task
            assert task.id.startswith(f"{task_type.name}-")


@every_task_type
def test_example_has_a_correct_solution(task_type: type[Task]):
    task = task_type.parse(task_type.example)
    assert task is not None
    assert task.is_correct(task.solution())
    assert task.flaws(task.solution()) == []


@every_task_type
def test_rejects_sizes_out_of_range(task_type: type[Task]):
    for size in (task_type.sizes.start - 1, task_type.sizes.stop):
        with pytest.raises(InputError, match=f"from {task_type.sizes[0]} to {task_type.sizes[-1]}"):
            task_type.generate(Random(0), size)


@every_task_type
def test_rejects_questions_of_other_task_types(task_type: type[Task]):
    for other_type in TASK_TYPES:
        if other_type is task_type:
            continue
        for seed in range(20):
            task, _ = generate(other_type, seed)
            assert task_type.parse(task.question) is None


@every_task_type
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
def test_rejects_other_questions(task_type: type[Task], text: str):
    assert task_type.parse(text) is None


@every_task_type
@pytest.mark.parametrize(
    "unit",
    [
        " ", "\n", "*", "9", "1 + ", "1,", "a ", "a,", "a'", "and ", "or\n", ". ", ": ", "pear, apple\n", "sort words ",
        "alphabetize: ", "Ann takes ", "Ann takes tea or ", "Ann takes tea or Bob takes milk\n", "to Ann, ",
    ],
)  # fmt: skip
def test_parses_a_megabyte_in_linear_time(task_type: type[Task], unit: str):
    text = unit * (1_000_000 // len(unit))
    start = time.process_time()
    try:
        task = task_type.parse(text)
    except InputError:
        task = None
    assert task is None or task.question == text
    assert time.process_time() - start < 2


@every_task_type
@given(data=st.data())
def test_accepts_any_answer_and_any_comment(task_type: type[Task], data: st.DataObject):
    task, rng = generate(task_type, data.draw(st.integers(0, 10)))
    samples = st.sampled_from(
        [task.solution(), task.question, "12,345", "pear", "\n- ", ": ", "-0.5"]
    )
    answer = "".join(data.draw(st.lists(st.one_of(st.text(), samples), max_size=4)))
    claims = [flaw.comment.text for flaw in task.flaws(answer)]
    claims.append(task.false_comment(answer, rng).text)
    text = data.draw(st.one_of(st.text(), st.sampled_from(claims)))
    comment = Comment(quote=data.draw(st.one_of(st.text(), st.just(answer))), text=text)
    assert comment.quote in answer or not task.is_valid(answer, comment)
    assert isinstance(task.apply_comment(answer, comment), str)
    assert not task.is_correct(task.inject_flaw(answer, rng).answer)
    check_comments(task, answer, rng)


@every_task_type
@pytest.mark.parametrize("answer", ["", "  \n ", "I am sorry, but no.", "\u2028"])
def test_unreadable_answer_has_one_flaw_that_its_comment_fixes(task_type: type[Task], answer: str):
    task, rng = generate(task_type, 1)
    [flaw] = task.flaws(answer)
    assert flaw.kind == "form"
    assert task.is_correct(task.apply_comment(answer, flaw.comment))
    check_comments(task, answer, rng)
    misled = task.apply_comment(answer, task.false_comment(answer, rng))
    assert misled != answer
    assert not task.is_correct(misled)


@every_task_type
def test_gold_comments_fix_an_injected_flaw(task_type: type[Task]):
    for seed in SEEDS:
        task, rng = generate(task_type, seed)
        injected = task.inject_flaw(task.solution(), rng)
        assert not task.is_correct(injected.answer)
        assert injected.description.endswith(".")
        check_comments(task, injected.answer, rng)
        for flaw in task.flaws(injected.answer):
            assert injected.answer.find(flaw.comment.quote) == flaw.comment.start
        assert task.is_correct(apply_gold_comments(task, injected.answer))


@every_task_type
def test_injection_repeats_with_its_seed(task_type: type[Task]):
    for seed in SEEDS:
        task, _ = generate(task_type, seed)
        first = task.inject_flaw(task.solution(), Random(seed))
        assert task.inject_flaw(task.solution(), Random(seed)) == first


@every_task_type
def test_gold_comments_fix_two_injected_flaws_in_several_rounds(task_type: type[Task]):
    for seed in SEEDS:
        task, rng = generate(task_type, seed)
        answer = task.solution()
        for _ in range(2):
            answer = task.inject_flaw(answer, rng).answer
        check_comments(task, answer, rng)
        for _ in range(ROUNDS):
            answer = apply_gold_comments(task, answer)
        assert task.is_correct(answer)


@every_task_type
def test_false_comment_changes_the_answer_and_breaks_a_correct_one(task_type: type[Task]):
    for seed in SEEDS:
        task, rng = generate(task_type, seed)
        for answer in (task.solution(), task.inject_flaw(task.solution(), rng).answer):
            misled = task.apply_comment(answer, task.false_comment(answer, rng))
            assert misled != answer
            assert not (task.is_correct(answer) and task.is_correct(misled))


@every_task_type
@given(quote=st.text(min_size=1), text=st.text(max_size=3))
def test_comment_that_cannot_be_applied_changes_nothing(
    task_type: type[Task], quote: str, text: str
):
    task, rng = generate(task_type, 2)
    answer = task.inject_flaw(task.solution(), rng).answer
    gold = task.flaws(answer)[0].comment
    comments = [gold.model_copy(update={"text": f"Hm {text}"})]
    if quote not in answer:
        comments.append(Comment(quote=quote, text=gold.text))
    for comment in comments:
        assert task.apply_comment(answer, comment) == answer
        assert not task.is_valid(answer, comment)
