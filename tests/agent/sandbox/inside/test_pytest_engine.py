"""Tests under pytest: their source is out of the code's reach."""

import pytest

from selfcritic.agent.checkers.suite import analyze
from selfcritic.agent.checkers.unit_tests import TestReport as Report
from selfcritic.agent.checkers.unit_tests import Tests as DraftTests
from selfcritic.agent.errors import CheckerError

TESTS = "import pytest\ndef test_a():\n    assert f(2) == 4\n"

ATTACKS = {
    "reading the tests": """
import os
def f(x):
    texts = [open(name).read() for name in os.listdir('.')]
    return 4 if any('== 4' in text for text in texts) else 0
""",
    "replacing the tests": """
import os, time
if os.fork() == 0:
    while True:
        if os.path.exists('test_of_draft.py'):
            open('test_of_draft.py', 'w').write('def test_a(): pass')
        time.sleep(0.001)
def f(x): return 0
""",
    "a package beside the tests": """
for name in ('__init__.py', 'conftest.py', 'test_of_draft.py', 'pytest.py'):
    open(name, 'w').write('import os; os._exit(0)')
def f(x): return 0
""",
    "removing the folder": "import os, shutil\nshutil.rmtree(os.getcwd(), True)\ndef f(x): return 0\n",
    "error named like pytest's": """
class FixtureLookupError(Exception): pass
def f(x): raise FixtureLookupError('x')
""",
}


def run(tests: str, code: str) -> Report:
    checker = DraftTests(tests, suite=analyze(tests), seconds=60.0)
    return checker.run(code, "unit_tests")


@pytest.mark.parametrize("code", ATTACKS.values(), ids=ATTACKS)
def test_code_cannot_reach_the_tests(code: str):
    report = run(TESTS, code)
    assert report.findings
    assert report.trust == "separate"


@pytest.mark.parametrize("first_line", ["", "import sys\n"], ids=["separate", "together"])
def test_errors_of_the_module_of_the_tests_are_reported_once(first_line: str):
    code = "def f(x): return x\n"
    (finding,) = run(first_line + TESTS + "assert f(1) == 2", code).findings
    assert "the module of the tests` fails: assert 1 == 2" in finding.text
    (finding,) = run(first_line + TESTS + "g(1)", code).findings
    assert "NameError: name 'g'" in finding.text


def test_missing_fixture_cannot_run():
    tests = "import pytest\n@pytest.mark.usefixtures('no')\ndef test_a():\n    assert f(2) == 4\n"
    with pytest.raises(CheckerError, match="there is no fixture for test_a"):
        run(tests, "def f(x): return 4")


def test_tests_can_read_their_own_source():
    tests = "import inspect, pytest\ndef test_a():\n    assert 'f(2)' in inspect.getsource(test_a) and f(2)\n"
    assert run(tests, "def f(x): return 4").findings == []
