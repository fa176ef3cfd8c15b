"""The family "functions": its English, its reference code against an independent reading, its oracle and its words."""

import functools
import math
import random
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment
from selfcritic.agent.tasks.functions.specification import FORMS, LONGEST
from selfcritic.agent.tasks.functions.task import Functions

HEADER = "Write a Python function f(xs). "
RIGHT = """\
def f(xs):
    out = 0
    n = 0
    for x in xs[2:]:
        if x <= 3:
            continue
        x = x * x
        out += x
        n += 1
    if n == 0:
        return 0
    return out + 2"""


def task_of(text: str) -> Functions:
    task = Functions.parse(text)
    assert task is not None
    return task


TASK = task_of(Functions.example)


def tasks(count: int, seed: int = 0) -> list[Functions]:
    """Tasks of all sizes in turn."""
    rng = random.Random(seed)
    return [Functions.generate(rng, 1 + n % 6) for n in range(count)]


def call(code: str, xs: list[int]) -> Any:
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the reference code
    return names["f"](xs)


def plainly(task: Functions) -> str:
    """The specification as `generate` would write it."""
    return HEADER + " ".join(f"{clause.phrase}." for clause in task.specification.clauses)


# An independent reading of a specification: whole lists, one sentence at a time, by its key words.


def evaluate(question: str, xs: list[int]) -> Any:
    nothing: Any = None
    returned = ""
    for sentence in question.lower().rstrip(".").split(". ")[1:]:
        numbers = [int(number) for number in re.findall(r"-?\d+", sentence)]
        if "is left" in sentence:
            nothing = ("none" not in sentence and numbers[0], "given")
        elif sentence.startswith("return"):
            returned = sentence
        else:
            xs = step(sentence, xs, numbers[0] if numbers else 0)
    if not xs and nothing:
        return nothing[0]
    return result(returned, xs)


def step(sentence: str, xs: list[int], k: int) -> list[int]:
    match sentence.split():
        case ["skip" | "leave", *_]:
            return [x for at, x in enumerate(xs) if (at >= k if "first" in sentence else at < len(xs) - k)]
        case ["go", *_]:
            return list(reversed(xs))
        case ["look" | "use", *_, "numbers"] if f"{k} numbers" in sentence:
            return xs[:k] if "first" in sentence else list(reversed(list(reversed(xs))[:k]))
        case [*_] if "every second" in sentence:
            return [x for at, x in enumerate(xs) if at % 2 == 0]
        case ["keep" | "use", *_]:
            return [x for x in xs if holds(sentence, x, k)]
        case ["ignore" | "drop", *_]:
            return [x for x in xs if not holds(sentence, x, k)]
    return [change(sentence, x, k) for x in xs]


def holds(sentence: str, x: int, k: int) -> bool:
    tests = {
        "even": x % 2 == 0,
        "odd": x % 2 == 1,
        "positive": x >= 1,
        "negative": x <= -1,
        "not divisible": k != 0 and math.fmod(x, k) != 0,
        "divisible": k != 0 and math.fmod(x, k) == 0,
        "greater": x - k > 0,
        "above": x - k > 0,
        "less": k - x > 0,
        "below": k - x > 0,
        "at least": not x < k,
        "at most": not x > k,
        "different": x != k,
        "other": x != k,
        "equal": x == k,
    }
    return next(test for words, test in tests.items() if words in sentence)


def change(sentence: str, x: int, k: int) -> int:
    values = {
        "square": x**2,
        "double": x + x,
        "negate": 0 - x,
        "add": x + k,
        "subtract": x - k,
        "multiply": k * x,
        "absolute": max(x, -x),
        "remainder": x - k * math.floor(x / k) if k else 0,
    }
    return next(value for word, value in values.items() if word in sentence)


def result(sentence: str, xs: list[int]) -> Any:
    ways: dict[str, Callable[[], Any]] = {
        "without repeats": lambda: [x for at, x in enumerate(xs) if x not in xs[:at]],
        "list": lambda: list(xs),
        "sum": lambda: sum(xs),
        "total": lambda: sum(xs),
        "product": lambda: math.prod(xs),
        "count": lambda: len(xs),
        "number of": lambda: len(xs),
        "largest": lambda: max(xs),
        "greatest": lambda: max(xs),
        "smallest": lambda: min(xs),
        "last one": lambda: xs[-1],
    }
    out = next(way for words, way in ways.items() if words in sentence)()
    k = int(([*re.findall(r"-?\d+", sentence), "0"])[0])
    ends: dict[str, Callable[[], Any]] = {
        "plus": lambda: out + k,
        "minus": lambda: out - k,
        "times": lambda: out * k,
        "negated": lambda: -out,
        "at most": lambda: k if out > k else out,
        "at least": lambda: k if out < k else out,
        "reverse": lambda: list(reversed(out)),
        "ascending": lambda: sorted(out),
        "descending": lambda: sorted(out, key=lambda x: -x),
        "cut": lambda: out[:k],
    }
    return next((end for words, end in ends.items() if words in sentence), lambda: out)()


def test_the_reference_code_does_what_the_specification_says():
    rng = random.Random(5)
    for task in tasks(400):
        for xs in [[], *([rng.randint(-12, 12) for _ in range(rng.randint(1, 8))] for _ in range(12))]:
            expected = evaluate(task.question, list(xs))
            found = call(task.solution(), list(xs))
            assert (type(found), found) == (type(expected), expected), (task.question, xs)


def test_every_form_is_read_as_it_is_written():
    rng = random.Random(1)
    for form in FORMS:
        for _ in range(5):
            sentence = form.draw(rng)
            first = next(clause for other in FORMS if (clause := other.read(sentence)))
            assert first == form.read(sentence), sentence
        assert form.read(form.example) is not None


def test_generated_specifications_say_as_much_as_their_size_and_nothing_in_vain():
    for n, task in enumerate(tasks(120)):
        said = (
            task.question.count(". ") - 1 + bool(re.search(r"plus|minus|times|negated|but at|order|cut", task.question))
        )
        assert said == 1 + n % 6, task.question
        results = task.specification.run(task.inputs())
        assert len({str(result) for result in results}) > 4
        assert all(simpler.run(task.inputs()) != results for simpler in task.specification.simpler())


def test_the_example():
    assert TASK.solution() == RIGHT
    assert TASK.is_correct(RIGHT)
    assert [call(RIGHT, xs) for xs in ([], [9, 9, 4, 5, 1], [9, 9, 3])] == [0, 43, 0]


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
def test_other_ways_to_write_a_specification(text: str):
    task = task_of(text)
    assert call(task.solution(), [3, 1, 4]) == evaluate(plainly(task), [3, 1, 4])


def test_steps_are_taken_in_the_order_in_which_they_stand():
    first = task_of(HEADER + "Square each. Keep only numbers above 5. Return the list")
    second = task_of(HEADER + "Keep only numbers above 5. Square each. Return the list")
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
def test_other_texts_are_not_of_the_family(text: str):
    start = time.monotonic()
    assert Functions.parse(text) is None
    assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ("Keep only primes. Return the sum.", '"Keep only primes" is no sentence.*"Keep only even numbers"'),
        ("Skip the first 0 numbers. Return the sum", '"Skip the first 0 numbers" is no sentence'),
        ("Add 2.5 to each. Return the sum", '"Add 2" is no sentence'),
        ("Add 99999 to each. Return the sum", "no sentence"),
        ("Skip the first 2 numbers.", "once what to return"),
        ("Return the sum. Return the count.", "once what to return"),
        ("Square each. Skip the first 2 numbers. Return the sum.", 'Put "Skip the first 2 numbers" before'),
        ("Skip the first 2 numbers. Skip the last 2 numbers. Return the sum.", "a second time"),
        ("If nothing is left return 0. Return 1 if nothing is left. Return the sum.", "a second time"),
        ("Return the largest one.", "needs a number"),
        ("Square each. " * LONGEST + "Return the sum.", "shorten it to 12"),
        ("Keep only numbers greater than 3 " * 30_000, "no sentence"),
        ("and " * 250_000, "no sentence"),
        ("a. " * 300_000, "shorten"),
    ],
)
def test_a_specification_that_is_not_understood_says_why(sentences: str, message: str):
    start = time.monotonic()
    with pytest.raises(InputError, match=message) as raised:
        Functions.parse(HEADER + sentences)
    assert time.monotonic() - start < 1
    assert len(str(raised.value)) < 4000


def test_numbers_as_large_as_they_can_be_typed():
    task = task_of(HEADER + "Square each. " * 10 + "Multiply each by 9999. Return the product.")
    assert task.is_correct(task.solution().replace("out", "result"))


@pytest.mark.parametrize("size", [-1, 0, 7, 100])
def test_a_bad_size_is_refused(size: int):
    with pytest.raises(InputError, match="from 1 to 6"):
        Functions.generate(random.Random(0), size)


@pytest.mark.parametrize(
    "answer",
    [
        RIGHT,
        f"Here it is:\n```python\n{RIGHT}\n```\nIt skips the first two.",
        f"```\n{RIGHT}",
        f"```py\nf([1])\n```\nis how to call\n~~~\n{RIGHT}\n~~~",
        "def f(xs):\n    kept = [x * x for x in xs[2:] if x > 3]\n    return sum(kept) + 2 if kept else 0",
        "f = lambda xs: (sum(k) + 2) if (k := [x * x for x in xs[2:] if x > 3]) else 0",
        RIGHT + "\n\nprint(f([1, 2, 3, 4]))\n",
        RIGHT.replace("\n", "  \r\n"),
        f"import math\n# é\n{RIGHT}\n\nif __name__ == '__main__':\n    raise SystemExit(f([]))",
        RIGHT.replace("    out = 0", "    global g\n    out = 0\n    xs = [*xs]; g = xs").replace(
            "    n = 0", "    n = 0", 1
        ),
    ],
)
def test_right_answers(answer: str):
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
        RIGHT.replace("return 0", "return False"),
        RIGHT.replace("return 0", "return 0.0"),
        RIGHT.replace("def f", "def g"),
        RIGHT.replace("x * x", "x ** 2.0"),
        RIGHT.replace("xs[2:]", "xs[3:]"),
        RIGHT + "\u3000",
        RIGHT + "\n# \0",
        "#" * 20_001 + "\n" + RIGHT,
        "class R(int): pass\n" + RIGHT.replace("out + 2", "R(out + 2)"),
        f"```\n{RIGHT}\n```\n```\n{RIGHT.replace('+ 2', '+ 3')}  # the better one\n```",
    ],
)
def test_wrong_answers_have_flaws_that_can_be_mended(answer: str):
    assert not TASK.is_correct(answer)
    flaws = TASK.flaws(answer)
    assert flaws
    for flaw in flaws:
        assert answer[flaw.comment.start : flaw.comment.end] == flaw.comment.quote
        assert TASK.is_valid(answer, flaw.comment)
    mended = functools.reduce(TASK.apply_comment, (flaw.comment for flaw in flaws), answer)
    if "better" not in answer:
        assert TASK.is_correct(mended)


def test_the_words_of_each_flaw():
    answer = (
        RIGHT.replace("<= 3", "< 3")
        .replace("        x = x * x\n", "")
        .replace("    return out + 2", "    out += 1\n    return out + 2")
    )
    told = [(flaw.kind, flaw.comment.quote, flaw.comment.text) for flaw in TASK.flaws(answer)]
    assert told == [
        ("extra line", "out += 1", "This line should go: the specification does not ask for it."),
        ("missing line", "out += x", '`x = x * x` is missing before this line: "Square each".'),
        ("wrong line", "if x < 3:", 'Should be `if x <= 3:`: "Keep only numbers greater than 3".'),
    ]
    (flaw,) = TASK.flaws("Dear me.")
    assert (flaw.kind, flaw.comment.quote) == ("form", "Dear me.")
    assert flaw.comment.text == f'This is not the function asked for: write `{RIGHT}`: "Write a Python function f(xs)".'


def test_a_gap_of_several_lines_is_one_flaw():
    answer = RIGHT.replace("        if x <= 3:\n            continue\n", "")
    (flaw,) = TASK.flaws(answer)
    assert flaw.comment.text.startswith("`        if x <= 3:\n            continue` is missing before")
    assert TASK.apply_comment(answer, flaw.comment) == RIGHT
    answer = RIGHT.removesuffix("\n    if n == 0:\n        return 0\n    return out + 2")
    (flaw,) = TASK.flaws(answer)
    assert "is missing after this line" in flaw.comment.text
    assert TASK.apply_comment(answer, flaw.comment) == RIGHT


def test_a_line_that_stands_twice_is_quoted_with_what_tells_it_apart():
    task = task_of(HEADER + "Keep only even numbers. Keep only numbers above 3. Return the count")
    answer = (
        task.solution()[::-1].replace("eunitnoc", "kaerb", 1)[::-1].replace("out += 1", "out += 1  # one more break")
    )
    comment = task.flaws(answer)[1].comment
    assert answer.index(comment.quote) == comment.start
    assert task.apply_comment(answer, comment).count("continue") == 2


@pytest.mark.parametrize(
    ("quote", "text", "valid"),
    [
        ("if x < 3:", "Should be `if x <= 3:`.", True),
        (
            "if x < 3:",
            "The threshold is excluded. should be `if  x <= 3:`, since 3 itself is not greater than 3.",
            True,
        ),
        ("x < 3", "Should be `if x <= 3:`", True),
        ("if x < 3:", "Should be `if not x > 3:`", True),
        ("if x < 3:", "Should be `if x < 2:`", False),
        ("if x < 3:", "This is hard to read.", False),
        ("if x < 3:", "This line should go", False),
        ("out += x", "Should be `if x <= 3:`", False),
        ("if x <= 3:", "Should be `if x <= 3:`", False),
        ("out += x", "Should be `out -= x`", False),
        ("", "Should be `if x <= 3:`", False),
    ],
)
def test_which_comments_are_valid(quote: str, text: str, valid: bool):
    assert TASK.is_valid(RIGHT.replace("<= 3", "< 3"), Comment(quote=quote, text=text)) is valid


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("Should be `b = 3`: why", "Look:\n```\n  a = 1\n  b = 3\n  c = 3\n```\n"),
        ("Should be `    b = 3`", "Look:\n```\n  a = 1\n    b = 3\n  c = 3\n```\n"),
        ("This line should go.", "Look:\n```\n  a = 1\n  c = 3\n```\n"),
        ("`d = 4` is missing before this line", "Look:\n```\n  a = 1\n  d = 4\n  b = 2\n  c = 3\n```\n"),
        ("`d = 4` is missing after this line", "Look:\n```\n  a = 1\n  b = 2\n  d = 4\n  c = 3\n```\n"),
        ("This is not the function asked for: write `def f(xs):\n    return 1`", "def f(xs):\n    return 1"),
        ("This is nonsense.", "Look:\n```\n  a = 1\n  b = 2\n  c = 3\n```\n"),
    ],
)
def test_mend_does_what_the_comment_says(text: str, mended: str):
    answer = "Look:\n```\n  a = 1\n  b = 2\n  c = 3\n```\n"
    for comment in (
        Comment(quote="b = 2", text=text),
        Comment(quote="b = 2", text=text, start=3, end=8),
        Comment(quote="a = 1\n  b = 2\n", text=text),
    ):
        assert TASK.apply_comment(answer, comment) == mended
    assert TASK.apply_comment(answer, Comment(quote="e = 5", text=text)) == answer


def test_slips_are_wrong_and_their_gold_comments_mend_them():
    rng = random.Random(11)
    for n, task in enumerate(tasks(40, seed=2)):
        answer = f"Here you are:\n```python\n{task.solution()}\n```\nDone." if n % 2 else task.solution()
        for _ in range(2):
            answer = task.inject_flaw(answer, rng).answer
            flaws = task.flaws(answer)
            assert flaws
            for flaw in flaws:
                comment = flaw.comment
                assert answer[comment.start : comment.end] == comment.quote
                assert answer.index(comment.quote) == comment.start
                assert task.is_valid(answer, comment)
            mended = functools.reduce(task.apply_comment, (flaw.comment for flaw in flaws), answer)
            assert task.is_correct(mended), (task.question, answer)
            assert not task.is_valid(answer, task.false_comment(answer, rng))


def test_slips_vary_and_say_what_was_done():
    rng = random.Random(3)
    slips = [TASK.inject_flaw(RIGHT, rng) for _ in range(60)]
    assert len({slip.answer for slip in slips}) > 15
    assert len({slip.description.split(":")[0] for slip in slips}) > 6
    assert all("`" in slip.description and "specification says" in slip.description for slip in slips)


def test_invented_comments_are_in_the_familys_words_and_mostly_do_harm():
    rng = random.Random(4)
    harm = 0
    for task in tasks(40, seed=3):
        comment = task.false_comment(task.solution(), rng)
        assert comment.text.startswith("Should be `")
        harm += not task.is_correct(task.apply_comment(task.solution(), comment))
    assert harm > 32


@settings(max_examples=60)
@given(st.text() | st.text("def f(xs):\n\t return`~#\\\"'01", max_size=80).map("def f(xs):\n ".__add__), st.integers())
def test_any_text_may_be_an_answer(answer: str, seed: int):
    rng = random.Random(seed)
    right = TASK.is_correct(answer)
    assert bool(TASK.flaws(answer)) is not right
    assert not TASK.is_correct(TASK.inject_flaw(answer, rng).answer)
    comment = TASK.false_comment(answer, rng)
    assert answer[comment.start : comment.end] == comment.quote
    assert not TASK.is_valid(answer, comment)
    assert isinstance(TASK.apply_comment(answer, comment), str)


@pytest.mark.parametrize(
    "answer", ["x" * 10**6, "```\n" * 250_000, "def f(xs):\n" * 90_000, "def f(xs): " + "(" * 9000]
)
def test_a_huge_answer_takes_no_time(answer: str):
    start = time.monotonic()
    (flaw,) = TASK.flaws(answer)[-1:]
    assert TASK.is_valid(answer, flaw.comment)
    TASK.inject_flaw(answer, random.Random(0))
    TASK.false_comment(answer, random.Random(0))
    assert time.monotonic() - start < 5
