"""Severity of type errors: correct code is not rejected, wrong code is."""

import asyncio
import importlib.util

import pytest

from selfcritic.agent.checkers import typecheck
from selfcritic.agent.checkers.python_idioms import is_idiom
from selfcritic.agent.checkers.python_source import as_code
from selfcritic.agent.checkers.python_stdlib import defines_name
from selfcritic.agent.checkers.registry import run_checkers

needs_pyright = pytest.mark.skipif(
    not importlib.util.find_spec("basedpyright"), reason="basedpyright is not installed"
)

CORRECT = """\
from __future__ import annotations

import codecs
import threading
import unittest
from turtle import TK

if False:
    from typing import IO

log: IO[str] | None = None
table = codecs.make_identity_dict(range(256))
lock = threading.Lock()
reset = lock._at_fork_reinit


def add(a, b):
    return a + b


class Token:
    @property
    def is_word(self):
        return True


class Space(Token):
    is_word = False


class Date:
    __doc__ = "A date."


Date.min = Date()
first = Date.min


def rank(values: list[int]) -> list[float]:
    ranks = [0] * len(values)
    for index, value in enumerate(values):
        ranks[index] = value / 2
    return ranks


def largest_divisor(n: int) -> int:
    for i in reversed(range(n)):
        if n % i == 0:
            return i


def closest(numbers: list[float]) -> tuple[float, float]:
    pair = None
    for number in numbers:
        pair = (number, number)
    return pair


def parse(lines):
    # type: (Sequence[str]) -> str
    return lines[0]


__doc__ += Token.__doc__
unittest.main(exit=2)
"""

WRONG = """\
import math
import random
from os import path_join


def area(radius: float) -> float:
    result = math.pi * radius**2


class Counter:
    def __init__(self):
        self.total = 0


def count(counter: Counter) -> int:
    return counter._totals + random.randit(1, 2)


def label(n: int) -> str:
    return n


area("2")


def names(count: int) -> list[str]:
    items = [1, count]
    return items
"""


def objections(draft: str) -> list[tuple[str, str | None]]:
    """Return the code and severity of findings that reject a draft."""
    findings = asyncio.run(run_checkers({"typecheck": typecheck}, "Is it right?", draft))[0]
    return [(comment.quote, comment.severity) for comment in findings if comment.severity != "low"]


@pytest.mark.slow
@needs_pyright
def test_idioms_of_code_without_annotations_do_not_reject_it():
    assert objections(CORRECT) == []


@pytest.mark.slow
@needs_pyright
def test_wrong_code_is_rejected():
    assert objections(WRONG) == [
        ("path_join", "medium"),
        ("float", "medium"),
        ("_totals", "medium"),
        ("randit", "medium"),
        ("return n", "medium"),
        ('area("2")', "medium"),
        ("items", "medium"),
    ]


@pytest.mark.parametrize(
    ("code", "is_correct"),
    [
        ("def f(n: int) -> int:\n    if n:\n        return n\n", True),
        ('class P:\n    def f(self) -> int:\n        """Return a number."""\n', True),
        ("def f(n: int) -> int:\n    n = n + 1\n", False),
        ("def f(n: int) -> int:\n    if n:\n        return\n    n = 1\n", False),
        ("def f(n: int) -> int:\n    n = 1\n\nx y\n", True),
    ],
)
def test_missing_return_is_an_idiom_unless_nothing_is_returned(code: str, *, is_correct: bool):
    message = 'Function with declared return type "int" must return value on all code paths'
    row = code[: code.index("def")].count("\n")
    assert is_idiom(message, row, as_code(code)) is is_correct


def test_private_attribute_is_an_idiom_unless_the_code_defines_its_class():
    code = as_code("class Lock:\n    pass\n")
    message = 'Cannot access attribute "_x" for class "{}"\n  Attribute "_x" is unknown'
    assert is_idiom(message.format("RLock"), 0, code)
    assert is_idiom(message.format("type[RLock]"), 0, code)
    assert not is_idiom(message.format("Lock"), 0, code)


@pytest.mark.parametrize(
    ("module", "name", "is_defined"),
    [
        ("codecs", "make_identity_dict", True),
        ("turtle", "TK", True),
        ("collections", "Mapping", False),
        ("random", "randit", False),
        ("math", "sqroot", False),
        ("os.path", "joyn", False),
        ("no_such_module", "name", False),
    ],
)
def test_names_without_a_stub_are_read_from_the_source(module: str, name: str, *, is_defined: bool):
    assert defines_name(module, name) is is_defined
