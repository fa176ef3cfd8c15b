"""Test the reference code of specifications against an independent interpreter."""

import random
import time

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.agent.tasks.functions.specification import MAX_SENTENCES
from selfcritic.agent.tasks.functions.task import Functions
from tests.support.functions_tasks import (
    HEADER,
    REFERENCE,
    TASK,
    call,
    generate_tasks,
    interpret,
    parse_task,
)


def normalized_question(task: Functions) -> str:
    """Return the specification as `generate` writes it."""
    sentences = [f"{clause.phrase}." for clause in task.specification.clauses]
    return HEADER + " ".join(sentences)


def test_reference_code_agrees_with_the_interpreter():
    rng = random.Random(5)
    for task in generate_tasks(400):
        inputs: list[list[int]] = [[]]
        for _ in range(12):
            length = rng.randint(1, 8)
            inputs.append([rng.randint(-12, 12) for _ in range(length)])
        for xs in inputs:
            expected = interpret(task.question, list(xs))
            actual = call(task.solution(), list(xs))
            assert (type(actual), actual) == (type(expected), expected), (task.question, xs)


def test_reference_code_of_the_example():
    assert TASK.solution() == REFERENCE
    assert TASK.is_correct(REFERENCE)
    assert [call(REFERENCE, xs) for xs in ([], [9, 9, 4, 5, 1], [9, 9, 3])] == [0, 43, 0]


@pytest.mark.parametrize(
    "text",
    [
        Functions.example.upper(),
        Functions.example.replace(". ", ";\n  "),
        "\n\n" + Functions.example.replace(". ", ".\n") + "\n",
        "Please write the function f(xs):\nSkip the first 2 numbers\nThen square each number. Return the total negated",
        HEADER + "Return the sum plus 2. If nothing is left, return None. Next, square each",
        HEADER + "Skip the first 1 number. Return the smallest one. Return -3 if no number is left",
    ],
)
def test_parses_variants_of_punctuation_and_order(text: str):
    task = parse_task(text)
    assert call(task.solution(), [3, 1, 4]) == interpret(normalized_question(task), [3, 1, 4])


def test_applies_steps_in_their_order():
    first = parse_task(HEADER + "Square each. Keep only numbers above 5. Return the list")
    second = parse_task(HEADER + "Keep only numbers above 5. Square each. Return the list")
    assert call(first.solution(), [-3, 2, 6]) == [9, 36]
    assert call(second.solution(), [-3, 2, 6]) == [36]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Why is the sky blue?",
        "What is 12 + 7?",
        "Sort these words: pear, apple",
        "Skip the first 2 numbers. Return the sum.",
        "Write a Python function g(x) that returns the sum.",
        "x" * 10**6,
        "function " * 120_000,
        "function" + " " * 10**6,
    ],
)
def test_returns_none_for_other_texts(text: str):
    start = time.monotonic()
    assert Functions.parse(text) is None
    assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        (
            "Keep only primes. Return the sum.",
            '"Keep only primes" is not a sentence.*"Keep only even numbers"',
        ),
        (
            "Skip the first 0 numbers. Return the sum",
            '"Skip the first 0 numbers" is not a sentence',
        ),
        ("Add 2.5 to each. Return the sum", '"Add 2" is not a sentence'),
        ("Add 99999 to each. Return the sum", "not a sentence"),
        ("Skip the first 2 numbers.", "exactly one sentence"),
        ("Return the sum. Return the count.", "exactly one sentence"),
        (
            "Square each. Skip the first 2 numbers. Return the sum.",
            'Put "Skip the first 2 numbers" before',
        ),
        (
            "Skip the first 2 numbers. Skip the last 2 numbers. Return the sum.",
            "repeats or contradicts",
        ),
        (
            "If nothing is left return 0. Return 1 if nothing is left. Return the sum.",
            "repeats or contradicts",
        ),
        ("Return the largest one.", "undefined without numbers"),
        ("Square each. " * MAX_SENTENCES + "Return the sum.", "shorten it to 12"),
        ("Keep only numbers greater than 3 " * 30_000, "not a sentence"),
        ("and " * 250_000, "not a sentence"),
        ("a. " * 300_000, "shorten"),
    ],
)
def test_explains_why_a_specification_is_invalid(sentences: str, message: str):
    start = time.monotonic()
    with pytest.raises(InputError, match=message) as raised:
        Functions.parse(HEADER + sentences)
    assert time.monotonic() - start < 1
    assert len(str(raised.value)) < 4000


def test_handles_huge_results():
    task = parse_task(HEADER + "Square each. " * 10 + "Multiply each by 9999. Return the product.")
    assert task.is_correct(task.solution().replace("out", "result"))
