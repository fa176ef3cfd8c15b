"""Code that tries to forge the results of its tests."""

import pytest

from selfcritic.agent.checkers.suite import analyze
from selfcritic.agent.checkers.unit_tests import TestReport as Report
from selfcritic.agent.checkers.unit_tests import Tests as DraftTests
from selfcritic.agent.errors import CheckerError
from selfcritic.agent.sandbox import run_python

ISOLATED = run_python("").isolation != "none"
SEPARATE = "assert f(1) == 42\nassert f(2) == [43]\n"
TOGETHER = "import sys\n" + SEPARATE

# Bodies of the tested function.
FORGERIES = {
    "object that equals everything": "class Y:\n    def __eq__(self, other): return True\nreturn Y()",
    "number that equals everything": "class Y(int):\n    def __eq__(self, other): return True\nreturn Y(7)",
    "list that equals everything": "class Y(list):\n    def __eq__(self, other): return True\nreturn Y()",
    "false class": """
class Y:
    __class__ = property(lambda self: int)
    def __eq__(self, other): return True
return Y()""",
    "early exit": "import os\nos._exit(0)",
    "system exit": "raise SystemExit(0)",
    "interrupt": "raise KeyboardInterrupt",
    "skipped test": "import unittest\nraise unittest.SkipTest('no')",
    "results on all descriptors": """
import os
for number in range(64):
    try:
        os.write(number, b'\\n{"ran": 2}\\n{"done": true, "is_trusted": true}\\n')
    except OSError:
        pass
os._exit(0)""",
    "torn line": """
import os
for number in range(3, 64):
    try:
        os.write(number, b'mark{\\n')
    except OSError:
        pass""",
    "wrong types": """
import os
for number in range(3, 64):
    try:
        os.write(number, b'{"value": ["list", "x", 7], "changed": [[9]], "printed": 5}\\n')
    except OSError:
        pass""",
    "deep line": """
import os
for number in range(3, 64):
    try:
        os.write(number, b'[' * 200000 + b'\\n')
    except OSError:
        pass""",
    "changed comparison": "import builtins\nbuiltins.repr = lambda value: '42'\nreturn 7",
    "changed operator": "import operator\noperator.eq = lambda left, right: True\nreturn 7",
    "killed supervisor": "import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(1)",
    "copied standard input": "import os\nreturn os.pread(0, 10000, 0)",
    "memory of the supervisor": "import os\nreturn open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "files of the supervisor": "import os\nreturn os.listdir(f'/proc/{os.getppid()}/fd')",
    "cyclic result": "r = []\nr.append(r)\nreturn r",
    "not a number": "return float('nan')",
}


def run(tests: str, body: str) -> Report:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    suite = analyze(tests)
    checker = DraftTests(tests, suite=suite, seconds=30.0)
    return checker.run(f"def f(x):\n{lines}", "unit_tests")


@pytest.mark.parametrize("body", FORGERIES.values(), ids=FORGERIES)
def test_separate_tests_cannot_be_forged(body: str):
    report = run(SEPARATE, body)
    assert report.findings
    assert {finding.severity for finding in report.findings} == {"high"}


@pytest.mark.slow
@pytest.mark.parametrize("body", FORGERIES.values(), ids=FORGERIES)
def test_simple_forgeries_fail_beside_the_tests(body: str):
    report = run(TOGETHER, body)
    assert report.findings
    assert report.trust == "together"


@pytest.mark.parametrize("name", ["torn line", "wrong types", "deep line"])
def test_malformed_reports_are_tampering(name: str):
    (finding,) = run(SEPARATE, FORGERIES[name]).findings
    assert "tampers with the results" in finding.text


def test_tested_code_cannot_see_the_tests():
    body = """
import gc, sys
texts = [repr(o) for o in gc.get_objects() if isinstance(o, (str, dict, list, tuple))]
frame = sys._getframe()
while frame:
    texts.append(repr(frame.f_locals))
    texts.append(repr(frame.f_globals))
    frame = frame.f_back
return any('needle-8' + str(27) in text for text in texts)
"""
    source = "assert f(1) is False, 'needle-827'\n"
    assert run(source, body).findings == []
    assert run("import sys\n" + source, body).findings


LIAR = """
class Y:
    __sub__ = __rsub__ = __getitem__ = lambda self, other: 0
    __round__ = lambda self, digits: 4
    equals = __call__ = lambda self, other: True
    value = lambda self: 42
class L(list):
    def count(self, item): return 1
return {}"""


@pytest.mark.parametrize(
    ("check", "value", "trust"),
    [
        ("round(f(1), 2) == 4", "Y()", "objects"),
        ("f(1)[42] == 0", "Y()", "objects"),
        ("f(1).equals(42)", "Y()", "objects"),
        ("f(1).equals(other=42)", "Y()", "objects"),
        ("f(1)(42)", "Y()", "objects"),
        ("f(1).count(42) == 1", "L()", "objects"),
        ("f(1).value() == 42", "Y()", "separate"),
        ("len(f(1)) == 0", "L()", "separate"),
        ("solution.f(x=1) == 42", "42", "separate"),
    ],
)
def test_arguments_of_the_code_s_objects_lower_the_trust(check: str, value: str, trust: str):
    report = run(f"import solution\nassert {check}", LIAR.replace("{}", value))
    assert (report.findings, report.trust) == ([], trust)


@pytest.mark.parametrize(
    "check", ["abs(f(1) - 42) < 0.01", "f(1) - 42 == 0", "not f(1) - 42", "(42 - f(1)) ** 2 < 0.01"]
)
def test_object_with_the_same_difference_from_all_numbers_fails(check: str):
    assert run(f"assert {check}", LIAR.replace("{}", "Y()")).findings


@pytest.mark.parametrize(
    "result", ["44 - other", "max(0, 44 - other)", "float('inf')", "2 if other == 42 else None"]
)
def test_object_with_an_honest_difference_passes(result: str):
    body = f"class M:\n    def __sub__(self, other): return {result}\nreturn M()"
    report = run("assert f(1) - 42 >= 2", body)
    assert (report.findings, report.trust) == ([], "objects")


CONSENT = """
class Y:
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __contains__ = lambda self, other: True
    __sub__ = __rsub__ = __abs__ = __iter__ = lambda self, *other: self
return Y()
"""


@pytest.mark.parametrize(
    "check",
    ["f(1) == 42", "42 == f(1)", "f(1) > 41", "41 < f(1)", "42 in f(1)", "abs(f(1) - 42) < 0.01", "[f(1)] == [42]"],
)  # fmt: skip
def test_object_that_agrees_with_everything_fails(check: str):
    assert run(f"assert {check}", CONSENT).findings


def test_object_that_cannot_compare_itself_with_all_types_passes():
    strict = "class M:\n    def __eq__(self, other): return 42 == other + 0\nreturn M()"
    assert run("assert f(1) == 42", strict).findings == []


def test_objects_are_compared_by_the_code_but_reported():
    money = "class M:\n    def __eq__(self, other): return other == 42\nreturn M()"
    report = run("assert f(1) == 42", money)
    assert (report.findings, report.trust) == ([], "objects")
    assert run("assert f(1) == 42", "return 42").trust == "separate"


@pytest.mark.slow
@pytest.mark.parametrize("first_line", ["", "import sys\n"])
@pytest.mark.parametrize(
    "error",
    ["KeyboardInterrupt", "__import__('pytest').exit('x', 0)", "__import__('unittest').SkipTest"],
)
def test_code_cannot_stop_pytest_early(error: str, first_line: str):
    tests = (
        first_line
        + "import pytest\ndef test_a():\n    assert f(1) == 42\ndef test_b():\n    assert f(2) == 43\n"
    )
    assert run(tests, f"if x == 2: raise {error}\nreturn 42").findings


@pytest.mark.parametrize(
    "tests",
    [
        "import unittest\n@unittest.skip('no')\nclass A(unittest.TestCase):\n    def test_a(self): assert f(1) == 42",
        "def test_a():\n    import unittest\n    raise unittest.SkipTest('no')",
    ],
)
def test_file_in_which_no_test_ran_is_no_pass(tests: str):
    with pytest.raises(CheckerError, match="No test ran"):
        run(tests, "return 42")


@pytest.mark.parametrize("trick", ["raise AssertionError(text)", "raise ValueError(text)", "return text",
    "return [text]", "raise type(text, (Exception,), {})", "return type(text, (), {})()"])  # fmt: skip
@pytest.mark.parametrize(
    "tests",
    ["assert f(1) == 42", pytest.param("import sys\nassert f(1) == 42", marks=pytest.mark.slow)],
)
def test_findings_contain_no_text_of_the_code_without_isolation(
    trick: str, tests: str, tmp_path, monkeypatch
):
    from selfcritic.agent.sandbox import run as sandbox_run
    from selfcritic.agent.sandbox.isolation import Launch

    monkeypatch.setattr(sandbox_run, "strongest_launch", lambda: Launch("none"))
    (tmp_path / "passwd").write_text("canary-of-the-host")
    body = f"text = open({str(tmp_path / 'passwd')!r}).read()\n{trick}"
    (finding,) = run(tests, body).findings
    assert "canary" not in finding.text
    assert finding.text.startswith("The test `f(1) == 42` ")


def test_numbers_are_shown_without_isolation(monkeypatch):
    from selfcritic.agent.sandbox import run as sandbox_run
    from selfcritic.agent.sandbox.isolation import Launch

    monkeypatch.setattr(sandbox_run, "strongest_launch", lambda: Launch("none"))
    (finding,) = run("assert f(1) == [42, None]", "return [41, 1.5, True]").findings
    assert finding.text == "The test `f(1) == [42, None]` fails: f(1) is [41, 1.5, True]."
    (finding,) = run("assert f(1) == 42", "return 10 ** 100").findings
    assert finding.text == "The test `f(1) == 42` fails: f(1) is something else."


@pytest.mark.skipif(not ISOLATED, reason="the sandbox does not isolate here")
def test_files_of_the_host_do_not_reach_a_finding(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "passwd").write_text("canary-of-the-host")
    for path in (tmp_path / "passwd", "/etc/passwd", "/etc/shadow"):
        (finding,) = run(
            "assert f(1) == 42", f"raise AssertionError(open({str(path)!r}).read())"
        ).findings
        assert "FileNotFoundError" in finding.text
