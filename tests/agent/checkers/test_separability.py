"""Which tests can run in a process separate from the code, and that right code passes there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.checkers.suite import analyze
from selfcritic.agent.checkers.unit_tests import TestReport as Report
from selfcritic.agent.checkers.unit_tests import Tests as DraftTests
from selfcritic.agent.checkers.unit_tests import tests_in_question as questions_tests

FUNCTION = "def test_a():\n    assert f(1) == 1\n"
CASE = "import unittest\nclass A(unittest.TestCase):\n    def test_a(self): "
SEPARABLE = [
    "import math\nassert math.isclose(f(1), 1)",
    "from collections import Counter\nassert Counter(f(1)) == {1: 1}",
    "from decimal import Decimal\nassert isinstance(f(1), Decimal)",
    "assert isinstance(f(1), (int, P)) and hasattr(f(1), 'x')",
    "import calc\nassert isinstance(calc.f(1), calc.P)",
    "import copy\nxs = [1]\nassert f(copy.deepcopy(xs)) == xs",
    "p = P(1)\np.x = 2\nassert p.x == 2",
    "import pytest\nwith pytest.raises(ValueError, match='x') as info: f(1)\nassert info.value.code == 3",
    "def test_a(tmp_path): assert f(tmp_path / 'x')",
    "def test_a(capsys):\n    f()\n    assert capsys.readouterr().out == ''",
    "def test_a(capsys):\n    f()\n    captured = capsys.readouterr()\n    assert captured.out == ''",
    "assert f(1).err == 2",
    "assert callable(f(1)) and f.__name__ == 'f'",
    CASE + "self.assertIs(f(1), None)",
    CASE + "self.assertIsInstance(f(1), P)",
    "import unittest\nclass A(unittest.TestCase):\n    def setUp(self):\n        super().setUp()\n        self.x = 1\n"
    "    def test_a(self): self.assertEqual(f(1), self.x)",
]  # fmt: skip
NOT_SEPARABLE = [
    "from unittest import mock\ndef test_a():\n    with mock.patch('draft.g', 1): assert f() == 4",
    "from unittest import mock\nassert f(mock.Mock())",
    "import draft\ndef test_a():\n    draft.RATE = 5\n    assert draft.f() == 6",
    "import draft as d\ndef test_a():\n    d.RATE += 5\n    assert d.f() == 6",
    "import draft\nassert helper(draft)",
    "from . import calc\ncalc.RATE = 5\nassert calc.f() == 5",
    "import pytest\ndef test_a():\n    with pytest.warns(UserWarning): f()",
    "import pytest\ndef test_a():\n    with pytest.deprecated_call(): f()",
    "from pytest import warns\ndef test_a():\n    with warns(UserWarning): f()",
    "import pytest\n@pytest.mark.filterwarnings('error')\ndef test_a(): f()",
    CASE + "\n        with self.assertWarns(UserWarning): f()",
    CASE + "\n        with self.assertLogs('m'): f()",
    CASE + "\n        with self.assertNoLogs('m'): f()",
    CASE + "self.assertIs(f(1), g(1))",
    CASE + "self.assertIsInstance(f(1), type)",
    "def test_a(capsys):\n    f()\n    assert capsys.readouterr().err == ''",
    "def test_a(capsys):\n    f()\n    out, err = capsys.readouterr()\n    assert out == ''",
    "def test_a(capsys):\n    f()\n    captured = capsys.readouterr()\n    assert captured.err == ''",
    "assert issubclass(B, A)",
    "match f(1):\n    case P(): assert True",
    "match f(1):\n    case [1, 2]: assert True",
    "assert f.__doc__ == 'x'",
    "import pytest\nwith pytest.raises(E) as info: f()\nassert info.value.__cause__ is None",
    "from decimal import localcontext\nwith localcontext() as c:\n    c.prec = 3\n    assert f()",
    "import decimal\ndecimal.getcontext().prec = 3\nassert f()",
    "from collections import OrderedDict\nassert isinstance(f(1), OrderedDict)",
    "import typing\nassert isinstance(f(1), typing.Iterable)",
    "from collections.abc import Iterable\nassert isinstance(f(1), Iterable)",
    "from functools import wraps\nassert f(wraps(g))",
    "import json\nassert json.dumps(f(1))",
    "p = P(1)\ndel p.x\nassert not hasattr(p, 'x')",
    "import pytest\n@pytest.fixture\ndef changed(monkeypatch): pass\ndef test_a(changed): assert f()",
    '"""\n>>> import draft\n>>> draft.x = 1\n>>> f()\n1\n"""',
    "from math import *\nimport os\nassert f(1)",
]  # fmt: skip


def run(tests: str, code: str) -> Report:
    checker = DraftTests(tests, suite=analyze(tests), seconds=60.0)
    return checker.run(code, "unit_tests")


@pytest.mark.parametrize("source", SEPARABLE)
def test_tests_that_only_use_what_works_with_proxies(source: str):
    assert analyze(source).mode == "separate"


@pytest.mark.parametrize("source", NOT_SEPARABLE)
def test_tests_that_need_the_code_in_their_process(source: str):
    assert analyze(source).mode == "together"


@given(st.text(alphabet="import draft.x\n()=:[]isnce", max_size=60))
def test_any_source_has_a_mode(source: str):
    text = source + "\n" + FUNCTION
    try:
        compile(text, "", "exec")
    except (SyntaxError, ValueError):
        return
    assert analyze(text).mode in ("separate", "together")


ERRORS = "class A(Exception): pass\nclass B(A): pass\ndef f(): raise B('x')\n"
STATE = "RATE = 1\ndef f():\n    global RATE\n    RATE += 1\n    return RATE\n"
MANAGER = """
from contextlib import contextmanager, suppress
class Guard:
    def __enter__(self): return self
    def __exit__(self, kind, error, trace):
        self.text = str(error)
        return kind is not None and issubclass(kind, ValueError)
class Own(ValueError): pass
def ignore(): return suppress(Own)
"""
VALUES = """
class S(list): pass
class N:
    def __init__(self, n): self.n = n
    def __iadd__(self, other):
        self.n += other
        return self
    def __divmod__(self, other): return divmod(self.n, other)
    def __bytes__(self): return b'x'
    def __getitem__(self, key): return [1, 2, 3][key]
def name(g): return g.__name__ + (g.__doc__ or '')
def suffix(path): return path.suffix
"""
RIGHT = {
    "base class of an error": (ERRORS, "import pytest\ndef test_a():\n    with pytest.raises(A): f()", "separate"),
    "except": (ERRORS, "try:\n    f()\nexcept A as e:\n    assert str(e) == 'x'", "separate"),
    "error of the library": (
        "import json\ndef f(): json.loads('{')",
        "from json import JSONDecodeError\ntry:\n    f()\nexcept JSONDecodeError as e:\n    assert e.pos == 1",
        "separate",
    ),
    "current value": (STATE, "import draft\ndraft.f()\nassert draft.RATE == 2", "separate"),
    "assigned name": (STATE, "import calc\ncalc.RATE = 5\nassert calc.f() == 6", "together"),
    "patched name": (
        STATE + "def g(): return RATE",
        "from unittest.mock import patch\nimport calc\nwith patch('calc.RATE', 7): assert calc.g() == 7", "together",
    ),
    "context managers": (
        MANAGER,
        "with Guard() as guard: raise ValueError('x')\nassert guard.text == 'x'\nwith ignore(): raise Own('x')\n"
        "with Guard(): pass\ntry:\n    with Guard() as guard: raise KeyError\nexcept KeyError:\n    assert True",
        "separate",
    ),
    "copies": (VALUES, "import copy\nn = N([1])\nm = copy.deepcopy(n)\nm.n.append(2)\nassert n.n == [1]", "separate"),
    "operators": (
        VALUES,
        "n = N(5)\nn += 2\nassert n.n == 7\nassert divmod(n, 4) == (1, 3)\nassert bytes(n) == b'x'", "separate",
    ),
    "slices": (VALUES, "assert N(1)[1:] == [2, 3]\ns = S([1, 2])\nassert s[:1] == [1]", "separate"),
    "names of functions": (
        VALUES, "def g(): 'd'\nassert name(g) == 'gd'\nassert name(lambda: 1) == '<lambda>'", "separate"
    ),
    "callable": (VALUES, "assert callable(suffix) and not callable(N(1))\nassert callable(len)", "separate"),
    "paths": (VALUES, "def test_a(tmp_path): assert suffix(tmp_path / 'a.txt') == '.txt'", "separate"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "tests", "mode"), RIGHT.values(), ids=RIGHT)
def test_right_code_passes(code: str, tests: str, mode: str):
    assert analyze(tests).mode == mode
    assert run(tests, code).findings == []


def test_tests_in_a_question_may_need_the_code_in_their_process():
    code = "from collections import OrderedDict\nclass C(OrderedDict): pass\ndef f(): return C()\n"
    tests = questions_tests("Write f.\nassert f() == {}\n")
    assert tests is not None
    assert tests.suite.mode == "separate"
    tests = questions_tests("Write f.\nassert issubclass(type(f()), C)\n")
    assert tests is not None
    report = tests.run(code, "task_tests")
    assert (report.findings, report.trust) == ([], "together")
