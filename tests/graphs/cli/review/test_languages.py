"""Questions and checkers by file type."""

import pytest

from selfcritic.graphs.cli.review.documents import Document
from selfcritic.graphs.cli.review.languages import default_checkers, default_question, is_code


@pytest.mark.parametrize(
    ("name", "title", "expects_code", "checkers"),
    [
        ("x.py", "(Python)", True, ["syntax", "lint"]),
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
