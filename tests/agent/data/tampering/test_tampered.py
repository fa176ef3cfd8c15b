"""Records of tampered answers: bugs, offsets, misses and metadata."""

from selfcritic.agent.data.records import AnswerRecord, Bug
from selfcritic.agent.data.tampering.edits import Edit, Span
from selfcritic.agent.data.tampering.tampered import (
    Flaw,
    build_tampered,
    count_misses,
    share_lines,
    to_flaw,
)
from selfcritic.agent.schemas import Comment, Critique

ANSWER = "def f(x):\n    y = x + 1\n    return y * 2\n"


def flaw(old: str, new: str) -> Flaw:
    start = ANSWER.index(old)
    edit = Edit(start, start + len(old), new, "Operator")
    return to_flaw(edit).model_copy(
        update={
            "outcome": "silent",
            "test": "check(f)",
            "message": "f(1) is 3",
            "description": "Bad.",
        }
    )


def record() -> AnswerRecord:
    return AnswerRecord(
        id="a",
        task="t",
        question="?",
        answer=ANSWER,
        bugs=[Bug(id="old", description="old")],
        quality=1.0,
        metadata={"tests": "check(f)"},
    )


def test_bugs_are_in_line_order_with_exact_offsets():
    built = build_tampered(
        record(), "a#1", "dev", [flaw("*", "**"), flaw("+", "-")], (), {"silent": 2}
    )
    assert built.answer == "def f(x):\n    y = x - 1\n    return y ** 2\n"
    assert built.bugs is not None
    assert [bug.quote for bug in built.bugs] == ["y = x - 1", "return y ** 2"]
    for bug in built.bugs:
        assert built.answer[bug.start : bug.end] == bug.quote
    assert (built.origin, built.split, built.is_correct, built.quality) == (
        "inserted",
        "dev",
        False,
        None,
    )
    metadata = built.metadata
    assert metadata["original"] == ANSWER
    assert metadata["source"] == "a"
    assert metadata["candidates"] == {"silent": 2}
    assert [origin["bug"] for origin in metadata["flaws"]] == ["bug-1", "bug-2"]
    assert metadata["flaws"][0]["test"] == "check(f)"
    assert "+    y = x - 1" in metadata["diff"]
    assert AnswerRecord.model_validate_json(built.model_dump_json()) == built


def test_an_answer_without_flaws_is_clean():
    built = build_tampered(record(), "a#1", "test", [])
    assert (built.answer, built.origin, built.is_correct, built.bugs) == (ANSWER, "clean", True, [])
    assert "original" not in built.metadata


def test_counts_samples_that_miss_a_passage():
    span = Span("y = x - 1", 14, 23)

    def critique(*comments: Comment) -> Critique:
        return Critique(text="", comments=list(comments))

    found = critique(Comment(quote="x - 1", text="wrong", start=18, end=23))
    elsewhere = critique(Comment(quote="return", text="wrong", start=28, end=34))
    unlocated = critique(Comment(quote="x - 1", text="wrong"))
    assert count_misses([found, elsewhere, unlocated, critique()], span) == 2


def test_flaws_on_one_line_share_it():
    plus = flaw("+", "-")
    one = ANSWER.index("1")
    assert share_lines(ANSWER, Edit(one, one + 1, "2", ""), [plus])
    assert not share_lines(ANSWER, Edit(0, 3, "x", ""), [plus])
