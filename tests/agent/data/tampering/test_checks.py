"""Outcomes of flaws: silent, crashed, timed out and survived."""

import random

import pytest

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.data.tampering.checks import check_original, create_oracle
from selfcritic.agent.errors import InputError
from selfcritic.agent.tasks import TASKS, Functions

TESTS = """
def check(candidate):
    assert candidate(1) == 2
    assert candidate(3) == 4

check(add_one)
"""


def record(answer: str, **fields: object) -> AnswerRecord:
    values = {
        "id": "a",
        "task": "t",
        "question": "Add one.",
        "answer": answer,
        "language": "python",
        "metadata": {"tests": TESTS, "entry_point": "add_one"},
    }
    return AnswerRecord.model_validate({**values, **fields})


@pytest.mark.parametrize(
    ("body", "outcome", "message"),
    [
        ("return x + 1", "survived", ""),
        ("return x + 2", "silent", "add_one(1) is 3"),
        ("return x + y", "crashed", "NameError: name 'y' is not defined"),
        ("assert x > 1; return x + 1", "crashed", "AssertionError"),
        ("raise SystemExit(3)", "crashed", "SystemExit: 3"),
        ("import os; os._exit(3)", "crashed", "ends the process with exit code 3"),
        ("import time; time.sleep(60)", "timed_out", "does not end within 1 seconds"),
    ],
)
def test_classifies_what_a_flaw_does(body: str, outcome: str, message: str):
    answer = f"def add_one(x):\n    {body}\n"
    check = create_oracle(record(answer), seconds=1.0).check(answer)
    assert (check.outcome, check.message) == (outcome, message)
    if outcome in ("silent", "timed_out"):
        assert check.test == "check(add_one)"


def test_reports_values_instead_of_the_messages_of_assertions():
    tests = "assert add_one(1) == 2, 'Error'\n"
    oracle = create_oracle(record("", metadata={"tests": tests}), seconds=1.0)
    check = oracle.check("def add_one(x):\n    return x\n")
    assert (check.test, check.message) == ("assert add_one(1) == 2", "add_one(1) is 1")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"metadata": {}}, "The answer has no tests"),
        ({"metadata": {"tests": "  "}}, "The answer has no tests"),
        ({"metadata": {"tests": "x = ("}}, "The tests are not Python"),
        ({"metadata": {"tests": "x = 1"}}, "test"),
        ({"task_type": "sudoku"}, "There is no task type 'sudoku'"),
        ({"task_type": "addition"}, "The question is not a task of type 'addition'"),
    ],
)
def test_explains_what_cannot_be_graded(fields: dict[str, object], message: str):
    with pytest.raises(InputError, match=message):
        create_oracle(record("def add_one(x):\n    return x + 1\n", **fields), seconds=1.0)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (" \n", "There is no answer"),
        ("def add_one(x):\n    return x\n", "The answer is not correct: the test `check"),
        (
            "import time\ndef add_one(x):\n    time.sleep(60)\n",
            "too slow.*does not end.*Raise --seconds",
        ),
    ],
)
def test_starts_from_correct_answers_only(answer: str, message: str):
    broken = record(answer)
    with pytest.raises(InputError, match=message):
        check_original(broken, create_oracle(broken, seconds=1.0))


def test_grades_tasks_with_their_oracle():
    rng = random.Random(1)
    for task_type in TASKS:
        task = task_type.generate(rng, task_type.sizes[1])
        solution = task.solution()
        oracle = create_oracle(
            record(solution, question=task.question, task_type=task_type.name), seconds=1.0
        )
        assert oracle.check(solution).outcome == "survived"
        flawed = oracle.check(task.inject_flaw(solution, rng).answer)
        assert flawed.outcome == "silent"
        assert flawed.message


def test_functions_that_crash_are_not_silent():
    task = Functions.parse(Functions.example)
    assert task is not None
    oracle = create_oracle(record("", question=task.question, task_type="functions"), seconds=1.0)
    check = oracle.check("```python\ndef f(xs):\n    return xs[99]\n```")
    assert check.outcome == "crashed"
    assert "IndexError" in check.message
