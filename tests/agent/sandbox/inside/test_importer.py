"""Layouts from which tests import the code."""

import pytest

from selfcritic.agent.checkers.suite import analyze
from selfcritic.agent.checkers.unit_tests import TestReport as Report
from selfcritic.agent.checkers.unit_tests import Tests as DraftTests

CODE = "RATE = 2\nclass Shape:\n    def area(self): return 4\ndef area(x): return RATE * x\n"
TEST = "def test_a():\n    assert {call} == {value}\n"


def run(tests: str, code: str = CODE) -> Report:
    checker = DraftTests(tests, suite=analyze(tests), seconds=60.0)
    return checker.run(code, "unit_tests")


IMPORTS = [
    ("from package.area import area", "area(3)"),
    ("import package.deep.area as a", "a.area(3)"),
    ("import package.area", "package.area.area(3)"),
    ("from package import area", "area(3)"),
    ("from package import area", "area.area(3)"),
    ("from package import calc", "calc.area(3)"),
    ("from package import calc as c, area", "c.area(3) + area(0)"),
    ("from package import Shape, calc", "Shape.area(1) + calc.area(1)"),
    ("from .area import area", "area(3)"),
    ("from ..package.area import area", "area(3)"),
    ("from ...deep.area import area", "area(3)"),
    ("from . import area", "area.area(3)"),
    ("from . import area, calc", "calc.area(3) + area(0)"),
    ("from .code import area", "area(3)"),
    ("from package.calc import *", "area(3)"),
    ("from package.calc import area\nfrom package import other", "other.area(2) + area(1)"),
]


FIRST_LINES = [
    "",
    pytest.param("import sys\n", marks=pytest.mark.slow),
    pytest.param("import pytest\n", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("first_line", FIRST_LINES, ids=["separate", "together", "pytest"])
@pytest.mark.parametrize(("statement", "call"), IMPORTS)
def test_code_can_be_in_a_package(statement: str, call: str, first_line: str):
    tests = f"{first_line}{statement}\ndef test_a():\n    assert {call} == 6\n"
    assert run(tests).findings == []
    wrong = CODE.replace("RATE = 2", "RATE = 5")
    assert run(tests, wrong).findings


@pytest.mark.parametrize(
    ("tests", "error"),
    [
        ("from package import missing\nassert missing(1) == 1", "cannot import name 'missing'"),
        (
            "from package.calc import missing\nassert missing(1) == 1",
            "cannot import name 'missing'",
        ),
        ("from . import missing\nassert missing(1) == 1", "raises TypeError"),
        ("import other_module_of_library.x as x\nassert x.missing(1)", "raises AttributeError"),
    ],
)
def test_missing_names_are_findings(tests: str, error: str):
    assert any(error in finding.text for finding in run(tests).findings)


@pytest.mark.parametrize("first_line", ["", "import pytest\n"])
def test_tests_can_use_the_path_of_their_file(first_line: str):
    tests = (
        "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))\n"
        "from calc import area\ndef test_a():\n    assert area(3) == 6\n"
    )
    assert run(first_line + tests).findings == []


@pytest.mark.parametrize(
    "package", ["from src import calc", "import src.calc as calc", "from . import calc"]
)
def test_names_in_a_package_can_be_replaced(package: str):
    tests = f"{package}\ndef test_a():\n    calc.RATE = 5\n    assert calc.area(3) == 15\n"
    report = run(tests)
    assert (report.findings, report.trust) == ([], "together")


def test_names_in_a_package_can_be_patched():
    tests = (
        "from unittest.mock import patch\nfrom src.calc import area\n"
        "@patch('src.calc.RATE', 5)\ndef test_a():\n    assert area(3) == 15\n"
    )
    assert run(tests).findings == []
