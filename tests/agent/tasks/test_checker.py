"""The tests that a question contains, as a checker."""

import asyncio
import random

import pytest

from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks import Functions
from selfcritic.agent.tasks.checker import task_tests

SQUARE = "def square(x):\n    return x * x\n"
SPECIFICATION = Functions.example


def run(draft: str, question: str) -> list[Comment]:
    comments = asyncio.run(task_tests(question, draft))
    assert all(comment.quote == draft[comment.start : comment.end] for comment in comments)
    return comments


def test_code_is_tested_against_the_specification_of_a_task():
    task = Functions.parse(SPECIFICATION)
    assert task is not None
    solution = task.solution()
    assert run(solution, SPECIFICATION) == []
    assert run(f"So:\n```python\n{solution}\n```", SPECIFICATION) == []

    wrong_value = run(solution.replace("out + 2", "out + 3"), SPECIFICATION)
    assert {comment.source for comment in wrong_value} == {"task_tests"}
    assert all(comment.quote == "def f(xs):" for comment in wrong_value)
    assert all("gives" in comment.text for comment in wrong_value)

    wrong_type = run(solution.replace("out + 2", "out + 2.0"), SPECIFICATION)
    assert any(".0, not " in comment.text for comment in wrong_type)


def test_tests_of_a_task_agree_with_its_oracle():
    rng = random.Random(3)
    for size in (1, 3, 5):
        task = Functions.generate(rng, size)
        flawed = task.inject_flaw(task.solution(), rng).answer
        assert run(task.solution(), task.question) == []
        assert run(flawed, task.question) != []


@pytest.mark.parametrize(
    "question",
    [
        "Write square. For example:\n\n>>> square(3)\n9\n",
        "Write it:\n```python\ndef square(x):\n    '''Square x.\n    >>> square(3)\n    9\n    '''\n```\n",
        "Write it:\n```\n>>> square(3)\n9\n```\nThank you.",
        "Write it.\n    >>> square(3)\n    9\nand so on.",
        "Write it so that `assert square(3) == 9` holds:\n\nassert square(3) == 9\nassert square(\n",
        "Write it so that\n`assert square(3) == 9`\n",
    ],
)
def test_examples_and_assertions_in_a_question_are_run(question: str):
    assert run(SQUARE, question) == []
    (comment,) = run(SQUARE.replace("* x", "* 2"), question)
    assert comment.quote == "def square(x):"
    assert "6" in comment.text


@pytest.mark.parametrize(
    ("example", "value", "passes"),
    [
        ("{1, 2}", "{2, 1}", True),
        ('"a"', "'a'", True),
        ("[1,2]", "[1, 2]", True),
        ("1", "True", False),
        ("1", "1.0", False),
        ("[1, ...]", "[1, 2, 3]", True),
        ("None", "None", True),
        ("'a b'", "'a  c'", False),
    ],
)
def test_example_passes_for_doctest_output_or_an_equal_value(
    example: str, value: str, passes: bool
):
    draft = f"def f(x):\n    return {value}\n"
    comments = run(draft, f">>> f(1)\n{example}\n")
    assert (comments == []) == passes


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What is 2 + 2?",
        "Write a Python function f(xs). Sing.",
        "I assert that it is so.",
        ">>> import os\n",
        ">>>f(2)\n4",
    ],
)
def test_question_without_tests_has_no_findings(question: str):
    assert run("def f(xs):\n    return 1 / 0\n", question) == []
