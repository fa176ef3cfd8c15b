"""Which comments of a review are shown, and which of them fail a build."""

import pytest

from selfcritic.graphs.cli.review.result import SeverityChoice, as_json
from tests.support.reviews import comment, reviewed

TEXT = "one two three\nfour five\nsix\n"
LOW, MEDIUM, HIGH = SeverityChoice


def said(*findings, **fields) -> list[str]:
    return [one.text for one in reviewed(TEXT, findings=list(findings), **fields).comments(LOW)]


def test_comments_come_by_place_whoever_made_them():
    review = reviewed(TEXT, "```\nsix\n```\nlast\n\n```\none\n```\nfirst", [comment(TEXT, "five", "middle")])
    assert [one.text for one in review.comments(LOW)] == ["first", "middle", "last"]


def test_what_a_checker_found_is_not_said_again():
    found = comment(TEXT, "five", "same", "high", source="lint")
    assert reviewed(TEXT, "```\nfive\n```\nsame", [found]).comments(LOW) == [found]


@pytest.mark.parametrize(("least", "shown"), [(LOW, ["a", "b", "c"]), (MEDIUM, ["b", "c"]), (HIGH, ["c"])])
def test_a_comment_without_a_severity_counts_as_medium(least: SeverityChoice, shown: list[str]):
    findings = [comment(TEXT, "one", "a", "low"), comment(TEXT, "two", "b"), comment(TEXT, "three", "c", "high")]
    assert [one.text for one in reviewed(TEXT, findings=findings).comments(least)] == shown


@pytest.mark.parametrize(
    ("severity", "evidence", "at", "fails"),
    [
        ("high", None, HIGH, True),
        ("medium", None, HIGH, False),
        (None, None, MEDIUM, True),
        ("low", "confirmed", LOW, True),
        ("high", "refuted", LOW, False),
    ],
)
def test_a_build_fails_by_what_is_severe_enough_and_not_refuted(severity, evidence, at: SeverityChoice, fails: bool):
    review = reviewed(TEXT, findings=[comment(TEXT, "one", "a", severity, evidence=evidence)])
    assert review.fails(LOW, at) is fails


def test_what_is_not_shown_fails_no_build():
    assert not reviewed(TEXT, findings=[comment(TEXT, "one", "a", "low")]).fails(MEDIUM, LOW)


def test_of_a_diff_only_changed_lines_are_quoted():
    review = reviewed(
        TEXT,
        findings=[
            comment(TEXT, "one", "unchanged"),
            comment(TEXT, "five", "changed"),
            comment(TEXT, "five\nsix", "both"),
        ],
        changed=frozenset({1}),
    )
    assert [one.text for one in review.comments(LOW)] == ["changed", "both"]
    assert review.elsewhere == 1


def test_quotes_that_are_not_there_are_kept_apart():
    review = reviewed(TEXT, "```\nseven\n```\nWhere?\n\n```\none\n```\nHere.")
    assert [one.quote for one in review.unlocated] == ["seven"]
    assert [one.text for one in review.comments(LOW)] == ["Here."]


def test_the_object_has_lines_and_columns_from_1_and_all_that_the_graph_says():
    review = reviewed(TEXT, "```\nfive\nsix\n```\n[high] Wrong.")
    [file] = as_json([review], LOW)["files"]
    [one] = file["comments"]
    assert (one["line"], one["column"], one["end_line"], one["end_column"]) == (2, 6, 3, 4)
    assert (one["text"], one["severity"], one["start"], one["end"]) == ("Wrong.", "high", 19, 27)
    assert file["critique"]["selected"] is True
    assert file["rounds"][0]["answer"] == TEXT
