"""Test the oracles: grades, bugs, and what they enter in the rating form."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcritic.agent.critic.format import render
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample, Rating, RatingForm
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.oracles import choose_oracle
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import TASKS, Task

QUESTION = "Sort these words alphabetically: pear, apple, orange, kiwi"
CODE = "def add(a, b):\n    return a - b\n"
TESTS = "def check(candidate):\n    assert candidate(2, 3) == 5\n"


def record_of(answer: str, **fields: object) -> AnswerRecord:
    values = {"id": "r", "task": "t", "question": QUESTION, "answer": answer, **fields}
    return AnswerRecord.model_validate(values)


def critique_of(answer: str, *comments: tuple[str, str]) -> CritiqueSample:
    text = render([Comment(quote=quote, text=text) for quote, text in comments])
    critique = ground(text or "The answer is fine.", answer)
    return CritiqueSample(id="c", critic="m", **critique.model_dump())


def rate(record: AnswerRecord, critique: CritiqueSample) -> Rating | None:
    ratings = asyncio.run(choose_oracle(record).rate(record, critique))
    assert len(ratings) <= 1
    return ratings[0] if ratings else None


def form_of(record: AnswerRecord, critique: CritiqueSample) -> RatingForm:
    rating = rate(record, critique)
    assert rating is not None
    assert rating.form is not None
    return rating.form


def grade(record: AnswerRecord, answer: str) -> bool | None:
    return asyncio.run(choose_oracle(record).grade(record, answer))


def test_task_oracle_grades_and_lists_all_flaws():
    record = record_of("apple, pear, kiwi, orange, fig", task_type="alphabetize")
    bugs = asyncio.run(choose_oracle(record).find_bugs(record))
    assert bugs is not None
    assert [bug.id for bug in bugs] == ["foreign-1", "misplaced-2"]
    assert all(record.answer[bug.start : bug.end] == bug.quote for bug in bugs)
    assert grade(record, record.answer) is False
    assert grade(record, "apple, kiwi, orange, pear") is True


def test_task_oracle_rates_each_bug():
    record = record_of("apple, pear, kiwi, orange, fig", task_type="alphabetize")
    foreign = ("fig", '"fig" was not among the words given.')
    form = form_of(record, critique_of(record.answer, foreign))
    assert form.bug_inclusion == {"foreign-1": 7, "misplaced-2": 1}
    assert (form.comprehensiveness, form.hallucinated_problem, form.nitpick) == (1, 1, 1)
    assert form.overall == 5
    assert form.conciseness is None

    misplaced = ("pear", '"pear" is out of order: it belongs right after "orange".')
    both = critique_of(record.answer, foreign, misplaced)
    assert form_of(record, both).comprehensiveness == 7
    assert form_of(record, both).overall == 7


def test_task_oracle_matches_a_comment_that_quotes_another_word_of_the_same_flaw():
    bug = Bug(id="order", description="The last two words were swapped.", quote="orange")
    record = record_of("apple, kiwi, pear, orange", task_type="alphabetize", bugs=[bug])
    comment = ("pear", '"pear" is out of order: it belongs right after "orange".')
    form = form_of(record, critique_of(record.answer, comment))
    assert form.bug_inclusion == {"order": 7}


def test_task_oracle_does_not_credit_a_bug_because_another_one_nearby_is_fixed():
    """The foreign word "fig" is where "orange" is missing: both flaws may have the same quote."""
    answer = "apple, kiwi, fig, pear"
    record = record_of(answer, task_type="alphabetize")
    bugs = asyncio.run(choose_oracle(record).find_bugs(record))
    assert bugs is not None
    assert len(bugs) == 2
    with_bugs = record_of(answer, task_type="alphabetize", bugs=bugs)
    form = form_of(with_bugs, critique_of(answer, ("fig", '"fig" was not among the words given.')))
    assert {bug.partition("-")[0]: score for bug, score in form.bug_inclusion.items()} == {
        "foreign": 7,
        "missing": 1,
    }


def test_task_oracle_does_not_credit_an_unrelated_bug():
    bugs = [
        Bug(id="order", description="The last two words were swapped.", quote="pear, orange"),
        Bug(id="other", description="This word is misspelled.", quote="apple"),
    ]
    record = record_of("apple, kiwi, pear, orange", task_type="alphabetize", bugs=bugs)
    comment = ("pear", '"pear" is out of order: it belongs right after "orange".')
    form = form_of(record, critique_of(record.answer, comment))
    assert form.bug_inclusion == {"order": 7, "other": 1}


def test_task_oracle_finds_nitpicks():
    """Only "cherry" must move; "banana" is out of order because of it."""
    answer = "cherry, apple, banana, date"
    question = f"Sort these words alphabetically: {answer}"
    record = record_of(answer, question=question, task_type="alphabetize")
    flaw = ("cherry", '"cherry" is out of order: it belongs right after "banana".')
    beside = ("banana", '"banana" is out of order: it belongs right after "apple".')
    both = form_of(record, critique_of(answer, flaw, beside))
    assert (both.comprehensiveness, both.nitpick, both.hallucinated_problem) == (7, 7, 1)
    assert form_of(record, critique_of(answer, flaw)).nitpick == 1
    critique = critique_of(answer, flaw)
    twice = [*critique.comments, *critique.comments]
    repeated = critique.model_copy(update={"comments": twice})
    assert form_of(record, repeated).nitpick == 7
    alone = form_of(record, critique_of(answer, beside))
    assert (alone.comprehensiveness, alone.nitpick) == (1, 7)


@pytest.mark.parametrize(
    "comment",
    [
        ("kiwi", '"kiwi" was not among the words given.'),  # false
        ("banana", '"banana" was not among the words given.'),  # not in the answer
    ],
)
def test_task_oracle_finds_invented_problems(comment: tuple[str, str]):
    record = record_of("apple, kiwi, pear, orange", task_type="alphabetize")
    rating = rate(record, critique_of(record.answer, comment))
    assert rating is not None
    assert rating.form is not None
    assert rating.is_helpful is False
    assert rating.form.hallucinated_problem == 7
    assert rating.form.overall == 1


def test_critique_of_a_correct_answer_is_rated_by_its_silence():
    record = record_of("apple, kiwi, orange, pear", task_type="alphabetize", bugs=[])
    silent = form_of(record, critique_of(record.answer))
    assert (silent.bug_inclusion, silent.comprehensiveness, silent.overall) == ({}, None, 7)
    noisy = critique_of(record.answer, ("kiwi", '"kiwi" was not among the words given.'))
    assert form_of(record, noisy).overall == 1


@settings(max_examples=20)
@given(st.sampled_from(TASKS), st.integers(0, 10_000))
def test_gold_comments_include_all_bugs_and_false_ones_none(task_type: type[Task], seed: int):
    rng = random.Random(seed)
    task = task_type.generate(rng, rng.choice(task_type.sizes[2:6]))
    answer = task.inject_flaw(task.solution(), rng).answer
    record = record_of(answer, question=task.question, task_type=task.name)
    gold = [flaw.comment for flaw in task.flaws(answer)]
    critique = CritiqueSample(id="c", critic="gold", text=render(gold), comments=gold)
    rating = rate(record, critique)
    assert rating is not None
    assert rating.form is not None
    assert rating.is_helpful is True
    assert (rating.form.comprehensiveness, rating.form.hallucinated_problem) == (7, 1)
    assert rating.form.nitpick == 1

    wrong = [task.false_comment(answer, rng)]
    critique = CritiqueSample(id="c", critic="false", text=render(wrong), comments=wrong)
    rating = rate(record, critique)
    assert rating is not None
    assert rating.form is not None
    assert rating.is_helpful is False
    assert set(rating.form.bug_inclusion.values()) == {1}
    assert rating.form.hallucinated_problem == 7


def test_question_of_another_task_type_is_refused():
    with pytest.raises(InputError, match="'addition', but its question is of the task type 'al"):
        choose_oracle(record_of("apple", task_type="addition"))
    with pytest.raises(InputError, match="is of no task type"):
        choose_oracle(record_of("apple", question="Why?", task_type="addition"))


def test_hidden_tests_grade_answers():
    metadata = {"tests": TESTS, "entry_point": "add"}
    record = record_of(CODE, question="Add two numbers.", metadata=metadata)
    assert grade(record, CODE) is False
    assert grade(record, CODE.replace("-", "+")) is True
    assert rate(record, critique_of(CODE, ("return a - b", "Adds nothing."))) is None

    passed = record.model_copy(update={"is_correct": True})
    rating = rate(passed, critique_of(CODE, ("return a - b", "Adds nothing.")))
    assert rating is not None
    assert rating.form is not None
    assert (rating.is_helpful, rating.rater_type) == (False, "tests")
    assert rating.form.hallucinated_problem is None  # passing tests prove no absence of flaws


def test_known_bugs_are_matched_by_their_quotes():
    bug = Bug(id="b1", description="Subtracts.", quote="return a - b")
    record = record_of(CODE, bugs=[bug], origin="inserted")
    hit = rate(record, critique_of(CODE, ("return a - b", "Should add.")))
    assert hit is not None
    assert hit.form is not None
    assert hit.is_helpful is True
    assert (hit.form.bug_inclusion, hit.form.hallucinated_problem, hit.form.overall) == (
        {"b1": 7},
        1,
        7,
    )

    other = rate(record, critique_of(CODE, ("def add(a, b):", "Lacks type hints.")))
    assert other is not None
    assert other.form is not None
    assert other.is_helpful is False
    assert other.form.bug_inclusion == {"b1": 1}
    assert (other.form.nitpick, other.form.hallucinated_problem, other.form.overall) == (
        None,
        None,
        None,
    )

    clean = record.model_copy(update={"bugs": []})
    assert (
        form_of(clean, critique_of(CODE, ("return a - b", "Should add."))).hallucinated_problem == 7
    )


def test_bugs_without_a_place_and_unknown_bugs_give_no_rating():
    critique = critique_of(CODE, ("return a - b", "Should add."))
    lost = record_of(CODE, bugs=[Bug(id="b1", description="It is slow.")])
    assert rate(lost, critique) is None
    assert rate(record_of(CODE), critique) is None
    assert grade(record_of(CODE, is_correct=False), CODE) is False
    assert grade(record_of(CODE, is_correct=False), "other") is None
