"""Names that tests use: the code must not replace what checks it."""

import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.checkers.suite import analyze
from selfcritic.agent.checkers.suite_names import Names, find_names, is_installed
from selfcritic.agent.checkers.unit_tests import TestReport as Report
from selfcritic.agent.checkers.unit_tests import Tests as DraftTests
from selfcritic.agent.checkers.unit_tests import tests_in_question as questions_tests

WRONG = "def f(x): return 0\n"


def run(tests: str, code: str, question: str = "") -> Report:
    checker = DraftTests(tests, suite=analyze(tests), seconds=60.0)
    return checker.run(code, "unit_tests", question)


@pytest.mark.parametrize(
    ("source", "builtins"),
    [
        ("assert sum(1, 2) == 3", ("sum",)),
        ("def test_a():\n    assert sum(1, 2) == max(1, 2)", ("max", "sum")),
        ("import unittest\nfrom unittest import TestCase\nassert sum(1, 2) == 3", ("sum",)),
        ("assert all(f(x) for x in [1])", ()),
        ("def test_a():\n    assert abs(f(1)) == 1", ()),
        ("import solution\nassert abs(solution.f(1)) == 1", ()),
        ("from solution import *\nassert abs(1) == 1", ()),
        ("from .solution import *\nassert abs(1) == 1", ()),
        ("from queue import *\nassert abs(1) == 1", ()),
        ('"""\n>>> abs(f(1))\n1\n"""\nassert abs(1)', ()),
        ("f = abs\nassert f(1) == 1", ("abs",)),
        ("if __name__ == '__main__':\n    assert abs(1)", ("abs",)),
    ],
)
def test_code_defines_a_builtin_only_if_the_tests_use_nothing_else(
    source: str, builtins: tuple[str, ...]
):
    assert find_names(source, "", has_entry=False).builtins == builtins
    assert find_names(source, "", has_entry=True).builtins == ()


@pytest.mark.parametrize("question", ["Write `sum(a, b)` and f.", "def f(x): ...\n\ndef sum(a, b): ..."])  # fmt: skip
def test_question_names_a_builtin(question: str):
    names = find_names("assert abs(sum(f(1), 2)) == 3", question, has_entry=False)
    assert names.builtins == ("sum",)
    assert not find_names("assert sum(f(1), 2)", "Return the sum.", has_entry=False).builtins


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("assert math.isclose(f(1), 1)", ("math",)),
        ("import math\nassert math.isclose(f(1), 1)", ()),
        ("assert statistics([f(1)]) == 1", ()),
        ("assert operator.run(1) == 1", ()),
        ("assert random.seed(1)", ()),
    ],
)
def test_pure_modules_that_the_tests_do_not_import(source: str, modules: tuple[str, ...]):
    assert find_names(source, "", has_entry=False).modules == modules


@pytest.mark.parametrize("tests", [
    "from __main__ import f\nassert f(2) == 4",
    "import __main__\nassert __main__.f(2) == 4",
    "import pytest\nfrom __main__ import f\n@pytest.mark.parametrize('x', [2])\ndef test_a(x): assert f(x) == 4",
])  # fmt: skip
def test_main_is_the_code(tests: str):
    assert run(tests, "def f(x): return x * x").findings == []
    assert run(tests, WRONG).findings


def test_a_loaded_module_without_a_file_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "made_up", types.ModuleType("made_up"))
    assert not is_installed("made_up")
    assert is_installed("pytest")
    assert is_installed("math")


@given(st.text(alphabet="def sum(x):\n >.`'\"1=assert", max_size=80))
def test_any_source_that_is_python_is_read(source: str):
    try:
        compile(source, "", "exec")
    except (SyntaxError, ValueError):
        return
    assert isinstance(find_names(source, source, has_entry=False), Names)


SHADOWS = {
    "all": ("all = lambda it: True", "assert all(f(x) == y for x, y in [(1, 1), (2, 4)])"),
    "all without the function": ("f = all = lambda it: True\ndel f", "assert all(f(x) == 1 for x in [1])"),
    "abs": ("def abs(x): return 0", "def check(candidate):\n    assert abs(candidate(2) - 4) < 1e-6"),
    "range": ("def range(*a): return []", "for i in range(5): assert f(i) == i * i"),
    "zip": ("zip = lambda *a: []", "def test_a():\n    for x, y in zip([1, 2], [1, 4]): assert f(x) == y"),
    "star": ("abs = lambda x: 0", "from solution import *\nassert abs(f(2) - 4) < 1e-6"),
    "isclose": ("class math: isclose = lambda *a: True", "assert math.isclose(f(2), 4)"),
    "module of the library": (
        "def clamp(x): return x\nfabs = lambda x: 0",
        "from math import clamp\nimport math\nassert math.fabs(f(2) - 4) < 1e-6",
    ),
    "imported by the tests": (
        "import types\nmath = types.SimpleNamespace(isclose=lambda *a: True)",
        "import math\nassert math.isclose(f(2), 4)",
    ),
    "pytest": (
        "class pytest: approx = lambda x: x",
        "import pytest\n@pytest.mark.parametrize('x', [2])\ndef test_a(x): assert abs(f(x)) == pytest.approx(4)",
    ),
    "abs under pytest": (
        "def abs(x): return 0",
        "import pytest\n@pytest.mark.parametrize('x', [2])\ndef test_a(x): assert abs(f(x) - 4) < 1e-6",
    ),
    "AssertionError": ("class AssertionError(Exception): pass", "def test_a():\n    assert f(2) == 4"),
    "special names": (
        "__builtins__ = {'abs': lambda x: 0}\n__name__ = '__main__'", "assert abs(f(2) - 4) < 1e-6"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("code", "tests"), SHADOWS.values(), ids=SHADOWS)
def test_code_cannot_replace_what_the_tests_check_with(code: str, tests: str):
    definitions = code if "del f" in code else WRONG + code
    question = "Square `f`." if "check" in tests else ""
    assert run(tests, definitions, question).findings


@pytest.mark.parametrize(
    ("code", "tests", "question", "trust"),
    [
        ("def sum(a, b): return a + b", "assert sum(10, 15) == 25", "", "objects"),
        ("def sum(a, b): return 3\nabs = 0", "from solution import sum\nassert abs(sum(1, 2)) == 3", "", "separate"),
        ("def sum(a, b): return a + b", "import solution\nassert solution.sum(1, 2) == 3", "", "separate"),
        ("def sum(n): return n * n", "def check(candidate):\n    assert candidate(2) == sum([1, 3])", "", "separate"),
        ("def sum(a, b): return 3\ndef f(x): return x", "assert f(sum(1, 2)) == 3", "Write f and `sum`.", "objects"),
        ("max = 0\nlist = []\nf = lambda xs: sorted(xs)", "assert list(f([2, 1])) == [1, max(1, 2)]", "", "separate"),
        ("import math\ndef f(x): return x * x", "assert math.isclose(f(2), 4)", "", "separate"),
        ("def f(x): return abs(x)\ncallable = 1", "from calc import *\nassert f(-1) == abs(-1)", "", "separate"),
        ("def statistics(xs): return xs[0]", "assert statistics([1, 2]) == 1", "", "separate"),
    ],
)  # fmt: skip
def test_right_code_with_the_name_of_a_builtin_passes(
    code: str, tests: str, question: str, trust: str
):
    report = run(tests, code, question)
    assert (report.findings, report.trust) == ([], trust)


def test_builtins_of_tests_in_a_question():
    tests = questions_tests("Write f.\nassert all(f(x) == x * x for x in [1, 2])\n")
    assert tests is not None
    assert tests.run(f"{WRONG}all = lambda it: True", "task_tests").findings
    tests = questions_tests("Write the sum.\nassert sum(10, 15) == 25\n")
    assert tests is not None
    report = tests.run("def sum(a, b): return a + b", "task_tests")
    assert (report.findings, report.trust) == ([], "objects")
