"""Files of tests of many kinds on right and wrong code."""

import ast
from pathlib import Path

import pytest

from selfcritic.agent.checkers.suite import analyze
from selfcritic.agent.checkers.unit_tests import TestReport as Report
from selfcritic.agent.checkers.unit_tests import Tests as DraftTests
from selfcritic.agent.errors import CheckerError

DATA = Path(__file__).parents[2] / "data" / "remote"
CODE = (DATA / "code.txt").read_text("utf-8")
CHECKS = (DATA / "checks.txt").read_text("utf-8")
ADD = "def add(a, b):\n    return a + b\n"
WRONG_ADD = "def add(a, b):\n    return a * b + 7\n"
STACK = """
class Stack:
    def __init__(self):
        self.items = []

    def push(self, x):
        self.items.append(x)

    def pop(self):
        return self.items.pop()
"""
WRONG_STACK = STACK.replace("self.items.append(x)", "pass")


def run(tests: str, code: str, question: str = "") -> Report:
    suite = analyze(tests)
    checker = DraftTests(tests, suite=suite, seconds=60.0)
    return checker.run(code, "unit_tests", question)


def without_pytest(checks: str) -> str:
    """Return the checks that the plain runner can run."""
    statements = ["import decimal, fractions, datetime"]
    for node in ast.parse(checks).body:
        source = ast.unparse(node)
        uses_pytest = any(word in source for word in ("pytest", "tmp_path", "capsys"))
        if not uses_pytest:
            statements.append(source)
    return "\n".join(statements)


@pytest.mark.parametrize("first_line", ["", "import sys\n"], ids=["separate", "together"])
def test_right_code_of_many_kinds_passes(first_line: str):
    tests = first_line + without_pytest(CHECKS)
    report = run(tests, CODE)
    assert report.findings == []
    assert report.num_run > 60
    assert (report.trust == "together") == bool(first_line)


@pytest.mark.slow
@pytest.mark.parametrize("first_line", ["", "import sys\n"], ids=["separate", "together"])
def test_right_code_of_many_kinds_passes_under_pytest(first_line: str):
    report = run(first_line + CHECKS, CODE)
    assert report.findings == []
    assert report.num_run > 7


def test_wrong_code_of_many_kinds_fails():
    tests = without_pytest(CHECKS)
    report = run(tests, CODE.replace("i*i", "i*i+1"))
    assert "list(gen(3)) == [0, 1, 4]" in report.findings[0].text


@pytest.mark.parametrize(
    ("tests", "right", "wrong", "text"),
    [
        (
            "METADATA = {}\ndef check(candidate):\n    assert candidate(1, 2) == 3\n",
            ADD,
            WRONG_ADD,
            "The test `check(add)` fails: candidate(1, 2) is 9.",
        ),
        (
            "import unittest\nclass T(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n"
            "        cls.s = Stack()\n    def test_push(self):\n        self.s.push(1)\n"
            "        self.assertEqual(self.s.pop(), 1)\n",
            STACK,
            WRONG_STACK,
            "The test `T.test_push` raises IndexError: pop from empty list.",
        ),
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test_all(self):\n"
            "        for n in (1, 2):\n            with self.subTest(n=n): self.assertEqual(add(n, 1), n + 1)\n"
            "if __name__ == '__main__':\n    unittest.main()\n",
            ADD,
            WRONG_ADD,
            "The test `T.test_all` fails: 8 != 2",
        ),
        (
            "from code import add\ndef test_add():\n    assert add(1, 2) == 3\n",
            ADD,
            WRONG_ADD,
            "The test `test_add` fails: add(1, 2) is 9.",
        ),
    ],
    ids=["humaneval", "set-up of a class", "subtests", "file named like a module"],
)
def test_kinds_that_need_no_pytest(tests: str, right: str, wrong: str, text: str):
    assert run(tests, right).findings == []
    assert text in run(tests, wrong).findings[0].text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tests", "right", "wrong"),
    [
        (
            "import pytest\nseen = []\n@pytest.fixture(autouse=True)\ndef prepare():\n    seen.append(1)\n"
            "def test_add():\n    assert seen and add(1, 1) == 2\n",
            ADD,
            WRONG_ADD,
        ),
        (
            "import pytest\n@pytest.mark.parametrize(argnames='a,b', argvalues=[(1, 2), (2, 3)])\n"
            "def test_next(a, b):\n    assert add(a, 1) == b\n",
            ADD,
            WRONG_ADD,
        ),
        (
            "import pytest\n@pytest.mark.parametrize('a,b', [(1, 2), pytest.param(1, 3, marks=pytest.mark.xfail)])\n"
            "def test_next(a, b):\n    assert add(a, 1) == b\n",
            ADD,
            WRONG_ADD,
        ),
        (
            "class TestStack:\n    def setup_method(self):\n        self.stack = Stack()\n"
            "    def test_push(self):\n        self.stack.push(1)\n        assert self.stack.pop() == 1\n",
            STACK,
            WRONG_STACK,
        ),
        (
            "def setup_module(module):\n    global stack\n    stack = Stack()\n"
            "def test_push():\n    stack.push(1)\n    assert stack.pop() == 1\n",
            STACK,
            WRONG_STACK,
        ),
        ('"""\n>>> add(1, 2)\n3\n"""\n', ADD, WRONG_ADD),
        (
            "def test_add(monkeypatch):\n    import solution\n"
            "    monkeypatch.setattr(solution, 'x', 1, raising=False)\n    assert solution.add(1, 2) == 3\n",
            ADD,
            WRONG_ADD,
        ),
    ],
    ids=["autouse", "keywords", "xfail", "setup_method", "setup_module", "doctest", "monkeypatch"],
)
def test_kinds_that_need_pytest(tests: str, right: str, wrong: str):
    report = run(tests, right)
    assert report.findings == []
    assert report.num_run > 0
    assert run(tests, wrong).findings


def test_question_names_the_function_to_check():
    tests = "def check(candidate):\n    assert candidate(1, 2) == 3\n"
    code = "def helper(x):\n    return x\n\n\n" + ADD
    assert run(tests, code, "Write a function add(a, b).").findings == []
    with pytest.raises(CheckerError, match=r"the code has helper, add\. Name one"):
        run(tests, code, "Add two numbers.")


def test_draft_without_a_function_to_check_fails():
    (finding,) = run("def check(candidate):\n    assert candidate(1)\n", "x = 1\n").findings
    assert "KeyError" in finding.text


def test_object_that_the_code_cannot_get_is_not_held_against_it():
    with pytest.raises(CheckerError, match="pass an object of type object to the code"):
        run("assert add(object(), 1) == 2", ADD)
