"""Selection of comments, the exit gate, and JSON output."""

import dataclasses
from collections import Counter

import pytest

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.schemas import SEVERITIES, Round, Severity
from selfcritic.agent.state import ReviewOutput
from selfcritic.graphs.cli.review.documents import Document, Location
from selfcritic.graphs.cli.review.earlier_findings import key_of
from selfcritic.graphs.cli.review.result import Review, to_json
from tests.support.reviews import make_comment, make_review

TEXT = "one two three\nfour five\nsix\n"
LOW, MEDIUM, HIGH = SEVERITIES


def comment_texts(review: Review, min_severity: Severity = LOW) -> list[str]:
    return [located.comment.text for located in review.comments(min_severity)]


def test_sorts_comments_by_severity_then_by_location():
    critique = (
        "```\nsix\n```\n[high] third\n\n```\none\n```\n[high] first\n\n```\ntwo\n```\n[low] last"
    )
    review = make_review(TEXT, critique, [make_comment(TEXT, "five", "second", "high")])
    assert comment_texts(review) == ["first", "second", "third", "last"]


def test_locates_each_comment_once():
    review = make_review(TEXT, findings=[make_comment(TEXT, "five\nsix", "Wrong.")])
    [located] = review.comments(LOW)
    assert located.location == Location(line=1, column=5, end_line=2, end_column=3)
    assert (located.start, located.end) == (19, 27)
    assert review.comments(MEDIUM)[0] is located


def test_shows_a_finding_once_if_the_critic_repeats_it():
    finding = make_comment(TEXT, "five", "same", "high", source="lint")
    [located] = make_review(TEXT, "```\nfive\n```\nsame", [finding]).comments(LOW)
    assert located.comment == finding


@pytest.mark.parametrize(
    ("min_severity", "expected"),
    [(LOW, ["c", "b", "a"]), (MEDIUM, ["c", "b"]), (HIGH, ["c"])],
)
def test_treats_an_unrated_comment_as_medium(min_severity: Severity, expected: list[str]):
    findings = [
        make_comment(TEXT, "one", "a", "low"),
        make_comment(TEXT, "two", "b"),
        make_comment(TEXT, "three", "c", "high"),
    ]
    assert comment_texts(make_review(TEXT, findings=findings), min_severity) == expected


@pytest.mark.parametrize(
    ("severity", "evidence", "fail_on", "fails"),
    [
        ("high", None, HIGH, True),
        ("medium", None, HIGH, False),
        (None, None, MEDIUM, True),
        ("low", "confirmed", LOW, True),
        ("high", "refuted", LOW, False),
    ],
)
def test_fails_for_a_severe_unrefuted_comment(severity, evidence, fail_on: Severity, fails: bool):
    review = make_review(
        TEXT, findings=[make_comment(TEXT, "one", "a", severity, evidence=evidence)]
    )
    assert review.fails(LOW, fail_on) is fails


def test_ignores_hidden_comments_in_the_gate():
    review = make_review(TEXT, findings=[make_comment(TEXT, "one", "a", "low")])
    assert not review.fails(MEDIUM, LOW)


def test_hides_comments_on_unchanged_lines_of_a_diff():
    findings = [
        make_comment(TEXT, "one", "unchanged"),
        make_comment(TEXT, "five", "changed"),
        make_comment(TEXT, "five\nsix", "both"),
    ]
    review = make_review(TEXT, findings=findings, changed_lines=frozenset({1}))
    assert comment_texts(review) == ["changed", "both"]
    assert review.hidden_count == 1


def test_separates_comments_with_unmatched_quotes():
    review = make_review(TEXT, "```\nseven\n```\nWhere?\n\n```\none\n```\nHere.")
    assert [comment.quote for comment in review.unlocated] == ["seven"]
    assert comment_texts(review) == ["Here."]


def test_json_has_lines_and_columns_from_1_and_the_output_of_the_graph():
    review = make_review(TEXT, "```\nfive\nsix\n```\n[high] Wrong.")
    [file] = to_json([review], LOW)["files"]
    [comment] = file["comments"]
    assert (comment["line"], comment["column"]) == (2, 6)
    assert (comment["end_line"], comment["end_column"]) == (3, 4)
    assert (comment["text"], comment["severity"], comment["start"], comment["end"]) == (
        "Wrong.",
        "high",
        19,
        27,
    )
    assert file["critique"]["selected"] is True
    assert file["rounds"][0]["answer"] == TEXT


SAME_LINE_TWICE = "if x:\n    return None\nreturn None\n"


@pytest.mark.parametrize(("quote", "line"), [("return None", 2), ("    return None", 1)])
def test_a_quote_of_several_lines_is_on_the_changed_one(quote: str, line: int):
    critique = f"```\n{quote}\n```\n[high] Wrong."
    review = make_review(SAME_LINE_TWICE, critique, changed_lines=frozenset({line}))
    [comment] = review.comments(LOW)
    assert comment.location.line == line
    assert SAME_LINE_TWICE[comment.comment.start : comment.comment.end] == quote
    assert review.fails(LOW, HIGH)


def test_a_quote_moves_to_no_part_of_a_word():
    text = "x = 1\nmax = 2\n"
    review = make_review(text, "```\nx\n```\nWrong.", changed_lines=frozenset({1}))
    assert review.comments(LOW) == []
    assert review.hidden_count == 1


def test_shows_the_findings_that_were_not_in_the_file_before_the_change():
    text = "a = b\nc\na = b\na = b\n"
    wrong = make_comment(text, "b", "Wrong.", source="lint", rule="ruff/F1")
    offsets = [4, 12, 18]
    findings = [wrong.model_copy(update={"start": at, "end": at + 1}) for at in offsets]
    review = make_review(text, findings=findings, changed_lines=frozenset({0, 1}))
    assert (len(review.comments(LOW)), review.hidden_count) == (1, 2)
    key = key_of(review.document, wrong)
    for num_earlier, hidden in [(0, 0), (1, 1), (2, 2)]:
        compared = dataclasses.replace(review, earlier=Counter({key: num_earlier}))
        assert compared.hidden_count == hidden
        assert len(compared.comments(LOW)) == len(findings) - hidden


def test_a_finding_of_a_checker_does_not_move():
    finding = make_comment(SAME_LINE_TWICE, "return None", "Wrong.", source="lint")
    review = make_review(SAME_LINE_TWICE, findings=[finding], changed_lines=frozenset({2}))
    assert review.comments(LOW) == []


@pytest.mark.parametrize(
    ("texts", "is_undecided"),
    [
        (["No issues."], False),
        ([""], False),
        (["Sorry, I can't help."], True),
        (["LGTM", "", "No flaws found."], False),
        (["LGTM", "It divides by zero."], True),
        (["```\nabsent\n```\n[low] Slow."], False),
        (["```\nabsent\n```\n[low] Slow.", "It divides by zero."], True),
        (["```\nabsent\n```\n[high] Wrong.", "LGTM"], True),
    ],
)
def test_critiques_without_a_quote_are_undecided_unless_all_approve(
    texts: list[str], is_undecided: bool
):
    draft = Round(answer=TEXT, critiques=[ground(text, TEXT) for text in texts])
    output = ReviewOutput(rounds=[draft], critique=None, error=None)
    review = Review(Document("x.py", TEXT, "x.py"), "Review it.", output)
    assert review.is_undecided(HIGH) is is_undecided
