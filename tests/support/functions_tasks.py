"""Functions tasks, and an independent interpreter of their specifications.

The interpreter applies one sentence at a time to the whole list. It recognizes a sentence by keywords.
"""

import math
import random
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from selfcritic.agent.tasks.functions.task import Functions

T = TypeVar("T")

HEADER = "Write a Python function f(xs). "
REFERENCE = """\
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
"""The solution of `TASK`."""


def parse_task(text: str) -> Functions:
    task = Functions.parse(text)
    assert task is not None
    return task


TASK = parse_task(Functions.example)


def generate_tasks(count: int, seed: int = 0) -> list[Functions]:
    """Generate tasks of sizes 1 to 6 in turn."""
    rng = random.Random(seed)
    return [Functions.generate(rng, 1 + index % 6) for index in range(count)]


def call(code: str, xs: list[int]) -> Any:
    """Run code that defines `f`, and return `f(xs)`."""
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - reference code
    return names["f"](xs)


def interpret(question: str, xs: list[int]) -> Any:
    """Return the result that a specification requires for a list."""
    empty_value: Any = None
    has_empty_value = False
    return_sentence = ""
    for sentence in question.lower().rstrip(".").split(". ")[1:]:
        if "is left" in sentence:
            has_empty_value = True
            empty_value = None if "none" in sentence else _first_number(sentence)
        elif sentence.startswith("return"):
            return_sentence = sentence
        else:
            xs = _apply_step(sentence, xs, _first_number(sentence))
    if not xs and has_empty_value:
        return empty_value
    return _result(return_sentence, xs)


def _first_number(sentence: str) -> int:
    numbers = re.findall(r"-?\d+", sentence)
    return int(numbers[0]) if numbers else 0


def _apply_step(sentence: str, xs: list[int], k: int) -> list[int]:
    match sentence.split():
        case ["skip" | "leave", *_] if "first" in sentence:
            return [x for index, x in enumerate(xs) if index >= k]
        case ["skip" | "leave", *_]:
            return [x for index, x in enumerate(xs) if index < len(xs) - k]
        case ["go", *_]:
            return list(reversed(xs))
        case ["look" | "use", *_, "numbers"] if f"first {k} numbers" in sentence:
            return xs[:k]
        case ["look" | "use", *_, "numbers"] if f"last {k} numbers" in sentence:
            backwards = list(reversed(xs))
            return list(reversed(backwards[:k]))
        case [*_] if "every second" in sentence:
            return [x for index, x in enumerate(xs) if index % 2 == 0]
        case ["keep" | "use", *_]:
            return [x for x in xs if _matches(sentence, x, k)]
        case ["ignore" | "drop", *_]:
            return [x for x in xs if not _matches(sentence, x, k)]
    return [_transform(sentence, x, k) for x in xs]


def _matches(sentence: str, x: int, k: int) -> bool:
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
    return _find_keyword(tests, sentence)


def _transform(sentence: str, x: int, k: int) -> int:
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
    return _find_keyword(values, sentence)


def _result(sentence: str, xs: list[int]) -> Any:
    results: dict[str, Callable[[], Any]] = {
        "without repeats": lambda: [x for index, x in enumerate(xs) if x not in xs[:index]],
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
    result = _find_keyword(results, sentence)()
    k = _first_number(sentence)
    endings: dict[str, Callable[[], Any]] = {
        "plus": lambda: result + k,
        "minus": lambda: result - k,
        "times": lambda: result * k,
        "negated": lambda: -result,
        "at most": lambda: k if result > k else result,
        "at least": lambda: k if result < k else result,
        "reverse": lambda: list(reversed(result)),
        "ascending": lambda: sorted(result),
        "descending": lambda: sorted(result, key=lambda x: -x),
        "cut": lambda: result[:k],
        "": lambda: result,
    }
    return _find_keyword(endings, sentence)()


def _find_keyword(values: Mapping[str, T], sentence: str) -> T:
    """Return the value of the first key that occurs in the sentence."""
    return next(value for keyword, value in values.items() if keyword in sentence)
