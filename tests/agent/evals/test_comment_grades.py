"""Test what a task knows about comments on an answer."""

import random

import pytest

from selfcritic.agent.evals.comment_grades import CommentGrade, CommentGrader
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Alphabetize, ThreeSat

ANSWER = "cherry, apple, banana, date"


def _grader() -> CommentGrader:
    task = Alphabetize.parse(f"Sort these words alphabetically: {ANSWER}")
    assert task is not None
    return CommentGrader(task, ANSWER)


def _comment(quote: str, text: str) -> Comment:
    start = ANSWER.index(quote)
    return Comment(quote=quote, text=text, start=start, end=start + len(quote))


def test_a_comment_names_the_flaws_that_it_fixes():
    grader = _grader()
    [flaw] = grader.flaws
    assert flaw.text == '"cherry" is out of order: it belongs right after "banana".'
    assert grader.grade(flaw) == CommentGrade(
        is_valid=True, named=frozenset({0}), subject=frozenset({0})
    )


def test_a_true_comment_beside_the_shortest_correction_names_no_flaw():
    beside = _comment("banana", '"banana" is out of order: it belongs right after "apple".')
    assert _grader().grade(beside) == CommentGrade(is_valid=True)


def test_a_false_comment_is_invalid():
    false = _comment("date", '"date" was not among the words given.')
    assert _grader().grade(false) == CommentGrade(is_valid=False)


def test_a_comment_may_fix_more_than_it_describes():
    """Swapping one variable of a formula can satisfy several clauses."""
    for seed in range(50):
        rng = random.Random(seed)
        task = ThreeSat.generate(rng, 4)
        answer = task.inject_flaw(task.solution(), rng).answer
        grader = CommentGrader(task, answer)
        for index, flaw in enumerate(grader.flaws):
            grade = grader.grade(flaw)
            assert grade.subject == {index}
            if len(grade.named) > 1:
                return
    pytest.fail("no comment fixed two clauses")
