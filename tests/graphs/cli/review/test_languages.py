"""Questions and checkers by file type."""

import pytest

from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.languages import (
    applies,
    default_checkers,
    default_question,
    detect_language,
    is_code,
)


@pytest.mark.parametrize(
    ("name", "title", "expects_code", "checkers"),
    [
        ("x.py", "(Python)", True, ["syntax", "lint"]),
        ("x.pyi", "(Python)", True, ["syntax", "lint"]),
        ("x.pyw", "(Python)", True, ["syntax", "lint"]),
        ("BUILD", "(Starlark)", True, []),
        ("sub/BUILD.bazel", "(Starlark)", True, []),
        ("WORKSPACE", "(Starlark)", True, []),
        ("defs.bzl", "(Starlark)", True, []),
        ("SConstruct", "(SCons)", True, []),
        ("SConscript", "(SCons)", True, []),
        ("x.sage", "(Python (.sage))", True, []),
        ("x.rs", "(Rust)", True, []),
        ("x.md", "(Markdown)", False, ["arithmetic"]),
        ("notes", "notes", False, ["arithmetic"]),
    ],
)
def test_the_name_selects_question_and_checkers(
    name: str, title: str, expects_code: bool, checkers: list[str]
):
    document = Document(name=name, text="x", uri=name)
    assert title in default_question(document)
    assert is_code(document) is expects_code
    assert default_checkers(document) == checkers


@pytest.mark.parametrize("name", ["x.py", "x.rs", "x.md", "notes"])
def test_asks_about_the_change_of_a_diff(name: str):
    document = Document(name=name, text="x", uri=name, diff="+x")
    assert "change" in default_question(document)


def test_runs_no_checker_on_part_of_a_file():
    document = Document(name="x.py", text="x", uri="x.py", line_numbers=[7])
    assert default_checkers(document) == []


@pytest.mark.parametrize(
    ("name", "text", "language"),
    [
        ("bin/run", "#!/usr/bin/env python3\n", "Python"),
        ("run", "#!/usr/bin/python3.12 -I\n", "Python"),
        ("run", "#!/bin/sh\necho python\n", ""),
        ("run.sh", "#!/usr/bin/env python3\n", "Bash"),
        ("x.ipynb", "{}", "Jupyter notebook"),
        ("X.IPYNB", "{}", "Jupyter notebook"),
        ("X.PY", "", "Python"),
        ("x.Pyi", "", "Python"),
        ("X.RS", "", "Rust"),
        ("x.R", "", "S"),
    ],
)
def test_detects_the_language(name: str, text: str, language: str):
    assert detect_language(name, text) == language


def test_python_checkers_apply_to_python_and_to_text_with_code():
    documents = [Document(name, "x", name) for name in ("x.py", "x.md", "BUILD", "x.rs", "x.ipynb")]
    assert [applies("lint", document) for document in documents] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert all(applies("arithmetic", document) for document in documents)
