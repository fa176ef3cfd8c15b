"""Test the oracle of the functions task: correctness, flaws, injected flaws and false comments."""

import functools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.base import Flaw
from selfcritic.agent.tasks.functions.task import Functions
from tests.support.functions_tasks import REFERENCE, TASK, generate_tasks


def apply_all(task: Functions, answer: str, flaws: list[Flaw]) -> str:
    """Apply the gold comments in order."""
    comments = [flaw.comment for flaw in flaws]
    return functools.reduce(task.apply_comment, comments, answer)


@pytest.mark.parametrize(
    "answer",
    [
        REFERENCE,
        f"Here it is:\n```python\n{REFERENCE}\n```\nIt skips the first two.",
        f"```\n{REFERENCE}",
        f"```py\nf([1])\n```\nis how to call\n~~~\n{REFERENCE}\n~~~",
        "def f(xs):\n    kept = [x * x for x in xs[2:] if x > 3]\n    return sum(kept) + 2 if kept else 0",
        "f = lambda xs: (sum(k) + 2) if (k := [x * x for x in xs[2:] if x > 3]) else 0",
        REFERENCE + "\n\nprint(f([1, 2, 3, 4]))\n",
        REFERENCE.replace("\n", "  \r\n"),
        f"import math\n# é\n{REFERENCE}\n\nif __name__ == '__main__':\n    raise SystemExit(f([]))",
        REFERENCE.replace(
            "    out = 0", "    global g\n    out = 0\n    xs = [*xs]; g = xs"
        ).replace("    n = 0", "    n = 0", 1),
    ],
)
def test_accepts_correct_answers(answer: str):
    assert TASK.is_correct(answer)
    assert TASK.flaws(answer) == []
    assert not TASK.is_valid(answer, Comment(quote=answer[:5], text="Should be `return 0`."))


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "\n",
        "I do not know.",
        "def f(xs):",
        "def f(xs):\n    while True: pass",
        "def f(xs):\n    raise SystemExit(0)",
        "import os\ndef f(xs):\n    os._exit(0)",
        REFERENCE.replace("return 0", "return False"),
        REFERENCE.replace("return 0", "return 0.0"),
        REFERENCE.replace("def f", "def g"),
        REFERENCE.replace("x * x", "x ** 2.0"),
        REFERENCE.replace("xs[2:]", "xs[3:]"),
        REFERENCE + "\u3000",
        REFERENCE + "\n# \0",
        "#" * 20_001 + "\n" + REFERENCE,
        "class R(int): pass\n" + REFERENCE.replace("out + 2", "R(out + 2)"),
        f"```\n{REFERENCE}\n```\n```\n{REFERENCE.replace('+ 2', '+ 3')}  # the better one\n```",
    ],
)
def test_fixing_the_flaws_of_a_wrong_answer_makes_it_correct(answer: str):
    assert not TASK.is_correct(answer)
    flaws = TASK.flaws(answer)
    assert flaws
    for flaw in flaws:
        assert answer[flaw.comment.start : flaw.comment.end] == flaw.comment.quote
        assert TASK.is_valid(answer, flaw.comment)
    fixed = apply_all(TASK, answer, flaws)
    if "better" not in answer:
        assert TASK.is_correct(fixed)


@pytest.mark.slow
def test_fixing_injected_flaws_makes_an_answer_correct():
    rng = random.Random(11)
    for index, task in enumerate(generate_tasks(40, seed=2)):
        answer = task.solution()
        if index % 2:
            answer = f"Here you are:\n```python\n{answer}\n```\nDone."
        for _ in range(2):
            answer = task.inject_flaw(answer, rng).answer
            flaws = task.flaws(answer)
            assert flaws
            for flaw in flaws:
                comment = flaw.comment
                assert answer[comment.start : comment.end] == comment.quote
                assert answer.index(comment.quote) == comment.start
                assert task.is_valid(answer, comment)
            assert task.is_correct(apply_all(task, answer, flaws)), (task.question, answer)
            assert not task.is_valid(answer, task.false_comment(answer, rng))


def test_injected_flaws_vary_and_are_described():
    rng = random.Random(3)
    flaws = [TASK.inject_flaw(REFERENCE, rng) for _ in range(60)]
    assert len({flaw.answer for flaw in flaws}) > 15
    assert len({flaw.description.split(":")[0] for flaw in flaws}) > 6
    for flaw in flaws:
        assert "`" in flaw.description
        assert "specification says" in flaw.description


def test_false_comments_look_like_gold_comments_and_mostly_break_the_code():
    rng = random.Random(4)
    num_broken = 0
    for task in generate_tasks(40, seed=3):
        comment = task.false_comment(task.solution(), rng)
        assert comment.text.startswith("Should be `")
        if not task.is_correct(task.apply_comment(task.solution(), comment)):
            num_broken += 1
    assert num_broken > 32


functions = st.text("def f(xs):\n\t return`~#\\\"'01", max_size=80).map("def f(xs):\n ".__add__)


@settings(max_examples=60)
@given(st.text() | functions, st.integers())
def test_handles_any_text_as_an_answer(answer: str, seed: int):
    rng = random.Random(seed)
    is_correct = TASK.is_correct(answer)
    assert bool(TASK.flaws(answer)) is not is_correct
    assert not TASK.is_correct(TASK.inject_flaw(answer, rng).answer)
    comment = TASK.false_comment(answer, rng)
    assert answer[comment.start : comment.end] == comment.quote
    assert not TASK.is_valid(answer, comment)
    assert isinstance(TASK.apply_comment(answer, comment), str)


@pytest.mark.parametrize(
    "answer", ["x" * 10**6, "```\n" * 250_000, "def f(xs):\n" * 90_000, "def f(xs): " + "(" * 9000]
)
def test_handles_a_huge_answer_quickly(answer: str):
    start = time.monotonic()
    (flaw,) = TASK.flaws(answer)[-1:]
    assert TASK.is_valid(answer, flaw.comment)
    TASK.inject_flaw(answer, random.Random(0))
    TASK.false_comment(answer, random.Random(0))
    assert time.monotonic() - start < 5
