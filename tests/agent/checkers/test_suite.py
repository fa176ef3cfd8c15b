"""What runs a file of tests, and where."""

import importlib.util

import pytest

from selfcritic.agent.checkers.suite import analyze
from selfcritic.agent.errors import InputError

FUNCTION = "def test_a():\n    assert f(1) == 1\n"


@pytest.mark.parametrize(
    ("source", "engine"),
    [
        ("assert f(1) == 1", "plain"),
        (FUNCTION, "plain"),
        ("class TestA:\n    def test_a(self): assert f(1)", "plain"),
        ("import unittest\nclass A(unittest.TestCase):\n    def setUp(self): pass\n    def test_a(self): f()", "plain"),
        ("def check(candidate):\n    assert candidate(1)", "plain"),
        ("import pytest\n" + FUNCTION, "pytest"),
        ("def test_a(tmp_path): assert f(tmp_path)", "pytest"),
        ("def setup_module(module): pass\n" + FUNCTION, "pytest"),
        ("class TestA:\n    def setup_method(self): pass\n    def test_a(self): f()", "pytest"),
        ('"""\n>>> f(1)\n1\n"""', "pytest"),
    ],
)  # fmt: skip
def test_engine_of_a_file(source: str, engine: str):
    assert analyze(source).engine == engine


@pytest.mark.parametrize(
    ("source", "mode"),
    [
        (FUNCTION, "separate"),
        ("import math, pytest\nfrom solution import f\n" + FUNCTION, "separate"),
        ("import pytest\ndef test_a(capsys):\n    f()", "separate"),
        ("assert f(1) is None", "separate"),
        ("import sys\n" + FUNCTION, "together"),
        ("from unittest.mock import patch\n" + FUNCTION, "together"),
        ("import unittest.mock\n" + FUNCTION, "together"),
        ("def test_a(monkeypatch): monkeypatch.setattr(solution, 'x', 1)", "together"),
        ("async def test_a():\n    assert await f(1)", "together"),
        ("class Fake(Base): pass\n" + FUNCTION, "together"),
        ("class Fake: pass\n" + FUNCTION, "together"),
        ("x = []\nassert f(x) is x", "together"),
        ("assert type(f(1)) == int", "together"),
        ("assert eval('f(1)')", "together"),
    ],
)
def test_mode_of_a_file(source: str, mode: str):
    assert analyze(source).mode == mode


@pytest.mark.parametrize(
    ("source", "needs_entry"),
    [
        ("def check(candidate):\n    assert candidate(1)", True),
        (
            "METADATA = {}\ndef check(f):\n    assert f(1)\nif __name__ == '__main__':\n    check(add)",
            True,
        ),
        ("def check(candidate):\n    assert candidate(1)\ncheck(add)", False),
        ("def check():\n    assert f(1)\n" + FUNCTION, False),
    ],
)
def test_check_of_humaneval_needs_a_function(source: str, needs_entry: bool):
    assert analyze(source).needs_entry == needs_entry


def test_fixtures_of_the_file_and_of_pytest_are_known():
    source = "import pytest\n@pytest.fixture\ndef data(tmp_path): return 1\n"
    source += (
        "@pytest.mark.parametrize('x, y', [(1, 2)])\ndef test_a(data, x, y, request): assert f(x)\n"
    )
    assert analyze(source).engine == "pytest"


def test_tests_that_need_pytest_are_refused_without_it(monkeypatch: pytest.MonkeyPatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pytest" else find_spec(name)
    )
    with pytest.raises(InputError, match=r"need pytest .*pip install pytest"):
        analyze("def test_a(tmp_path): assert f(tmp_path)")
    assert analyze(FUNCTION).engine == "plain"
