"""Labels stay consistent over any sequence of searches and actions."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from selfcritic.agent.critic.location import locate
from selfcritic.agent.errors import InputError
from selfcritic.agent.nodes.human_actions import (
    Action,
    Add,
    Edit,
    Keep,
    Remove,
    apply_actions,
    build_critique,
    merge_labels,
    read_decision,
)
from selfcritic.agent.schemas import Comment, Critique, ReviewedComment

ANSWER = "one two three,\n  two “four” 😀 five two"
QUOTES = ["one", "two", "three, two", '"four"', "😀 five", "two", "six", "", " "]


def comment(quote: str, text: str, source: str | None = None) -> Comment:
    span = locate(quote, ANSWER)
    assert span is not None
    return Comment(
        quote=ANSWER[span.start : span.end],
        text=text,
        start=span.start,
        end=span.end,
        source=source,
    )


COMMENTS = [
    comment("one", "a"),
    comment("two", "b", "syntax"),
    comment("three", "c"),
    comment("five", "d"),
]

ids = st.integers(0, 6)
quotes = st.sampled_from(QUOTES)
texts = st.sampled_from(["a", "b", "x", "```\nfence\n```", "[low] y"])
severities = st.sampled_from([None, "low", "high"])
edits = st.fixed_dictionaries(
    {"type": st.just("edit"), "id": ids},
    optional={"quote": quotes, "text": texts, "severity": severities},
).filter(lambda edit: len(edit) > 2)
actions: st.SearchStrategy[Action] = st.one_of(
    st.builds(Keep, type=st.just("keep"), id=ids),
    st.builds(Remove, type=st.just("remove"), id=ids),
    edits.map(Edit.model_validate),
    st.builds(Add, type=st.just("add"), quote=quotes, text=texts, severity=severities),
)
searches = st.lists(st.sampled_from(COMMENTS), max_size=6)


def location_and_text(one: Comment) -> tuple[int | None, int | None, str]:
    return one.start, one.end, one.text


def check(labels: Sequence[ReviewedComment]) -> None:
    """Assert what holds for labels at any time."""
    numbers = [label.id for label in labels]
    assert numbers == sorted(set(numbers))
    for label in labels:
        before, after = label.before, label.after
        expected = (
            "added"
            if before is None
            else "removed"
            if after is None
            else "kept"
            if before == after
            else "edited"
        )
        assert label.action == expected
        assert before or after
        assert label.explicit or label.action == "kept"
        for one in (before, after):
            assert one is None or ANSWER[one.start : one.end] == one.quote
            assert one is None or one.text.strip()
        assert ReviewedComment.model_validate_json(label.model_dump_json()) == label


@given(st.lists(st.one_of(searches, st.lists(actions, min_size=1, max_size=4)), max_size=12))
def test_labels_stay_consistent_over_any_sequence(steps: list[list[Comment] | list[Action]]):
    labels: list[ReviewedComment] = []
    for step in steps:
        before = list(labels)
        if step and not isinstance(step[0], Comment):
            with suppress(InputError):
                labels = apply_actions(step, labels, ANSWER)
            ours, theirs = [
                {one.id: one.before for one in some if one.before} for some in (before, labels)
            ]
            assert ours == theirs  # no action loses or changes what the critic wrote
        else:
            labels = merge_labels(step, labels)
            assert [one for one in labels if one.explicit] == [
                one for one in before if one.explicit
            ]
            shown = {
                location_and_text(one)
                for label in labels
                for one in (label.before, label.after)
                if one
            }
            assert {location_and_text(one) for one in step} <= shown
        check(labels)


@given(st.lists(actions, max_size=8))
def test_actions_apply_all_or_none(some: list[Action]):
    """Applied one by one they give the same labels; if one fails, none is applied."""
    labels = combined = merge_labels(COMMENTS, [])
    untouched = [label.model_copy(deep=True) for label in labels]
    fails = False
    for action in some:
        try:
            combined = apply_actions([action], combined, ANSWER)
        except InputError:
            fails = True
            break
    if fails:
        with pytest.raises(InputError):
            apply_actions(some, labels, ANSWER)
    else:
        assert apply_actions(some, labels, ANSWER) == combined
    assert labels == untouched


@given(st.lists(actions, max_size=8), ids)
def test_keep_undoes_earlier_actions(some: list[Action], number: int):
    labels = merge_labels(COMMENTS, [])
    for action in some:
        try:
            labels = apply_actions([action], labels, ANSWER)
        except InputError:
            continue
    label = next((one for one in labels if one.id == number and one.before), None)
    if label:
        kept = next(
            one
            for one in apply_actions([Keep(type="keep", id=number)], labels, ANSWER)
            if one.id == number
        )
        assert (kept.action, kept.after) == ("kept", label.before)


@given(searches, searches)
def test_a_search_replaces_untouched_labels(first: list[Comment], second: list[Comment]):
    once = merge_labels(first, [])
    labels = merge_labels(second, once)
    found = [label.before for label in labels]
    assert sorted(one.text for one in found if one) == sorted({one.text for one in second})
    for label in labels:
        old = next((one for one in once if one.before == label.before), None)
        assert label.id == (old.id if old else label.id)
        assert old or label.id > max((one.id for one in once), default=0)


names = st.sampled_from(["actions", "next", "type", "id", "quote", "length_modifier", "?"])
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text()
    | st.sampled_from(["accept", "keep", "search_again"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_any_reply_is_a_decision_or_a_validation_error(reply: object):
    with suppress(ValidationError):
        decision = read_decision(reply)
        assert read_decision(decision.model_dump_json(exclude_unset=True)) == decision


def test_start_picks_an_occurrence():
    at = ANSWER.rindex("two")
    [label] = apply_actions([Add(type="add", quote="two", start=at, text="x")], [], ANSWER)
    assert label.after == Comment(quote="two", text="x", start=at, end=at + 3)
    with pytest.raises(InputError, match="offset 1 of the answer"):
        apply_actions([Add(type="add", quote="two", start=1, text="x")], [], ANSWER)


def test_evidence_is_dropped_when_the_words_change():
    known = comment("two", "b", "syntax").model_copy(update={"evidence": "confirmed"})
    labels = merge_labels([known], [])
    [graver] = apply_actions([Edit(type="edit", id=1, severity="high")], labels, ANSWER)
    [other] = apply_actions([Edit(type="edit", id=1, text="c")], labels, ANSWER)
    assert (graver.after.source, graver.after.evidence, graver.after.severity) == (
        "syntax",
        "confirmed",
        "high",
    )
    assert (other.after.source, other.after.evidence) == (None, None)


def test_an_edit_removes_a_severity_and_restores_a_comment():
    grave = comment("one", "a").model_copy(update={"severity": "high"})
    labels = apply_actions([Remove(type="remove", id=1)], merge_labels([grave], []), ANSWER)
    [label] = apply_actions(
        [Edit.model_validate({"type": "edit", "id": 1, "severity": None})], labels, ANSWER
    )
    assert (label.action, label.after) == ("edited", comment("one", "a"))


def test_an_added_and_removed_comment_leaves_no_label():
    labels = apply_actions([Add(type="add", quote="one", text="x")], [], ANSWER)
    assert apply_actions([Remove(type="remove", id=1)], labels, ANSWER) == []


def test_an_unchanged_review_is_the_selected_critique():
    chosen = Critique(text="…", comments=COMMENTS, helpfulness=0.9, selected=True)
    labels = merge_labels(COMMENTS, [])
    assert build_critique(labels, chosen) is chosen
    fewer = build_critique(apply_actions([Remove(type="remove", id=1)], labels, ANSWER), chosen)
    assert (fewer.comments, fewer.helpfulness, fewer.selected) == (COMMENTS[1:], None, True)
    assert build_critique([], chosen) is None
