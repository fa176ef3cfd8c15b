from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.graphs.desk.events import EVENT, Event, Work, compute_state, find_missing_scores
from tests.support.desk_records import ANSWER, FLAW, create_comment

CRITIC = [create_comment(FLAW, "Add parentheses."), create_comment("sorted(values)", "Slow.")]
REVIEW = Work(ANSWER, "", [], CRITIC)
FORMS = Work(ANSWER, "AB", ["b1"], [])


def parse(*events: dict[str, Any]) -> list[Event]:
    return [EVENT.validate_python(event) for event in events]


def actions_after(*events: dict[str, Any]) -> list[str]:
    return [label.action for label in compute_state(REVIEW, parse(*events)).labels]


def test_review_starts_with_the_critics_comments():
    assert actions_after() == ["kept", "kept"]


def test_changes_comments_and_undoes_the_changes_one_by_one():
    added = {"type": "add", "quote": "🎯", "text": "No emoji.", "severity": "low"}
    removed = {"type": "remove", "id": 1}
    undo = {"type": "undo"}
    assert actions_after(removed, added) == ["removed", "kept", "added"]
    assert actions_after(removed, added, undo) == ["removed", "kept"]
    assert actions_after(removed, added, undo, undo) == ["kept", "kept"]


def test_quotes_are_located_by_code_points():
    start = ANSWER.index("of a list")
    event = {"type": "add", "quote": "of a list", "text": "Empty?", "start": start}
    [*_, label] = compute_state(REVIEW, parse(event)).labels
    assert label.after is not None
    assert (label.after.start, label.after.end) == (start, start + 9)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([{"type": "undo"}], "nothing to undo"),
        ([{"type": "remove", "id": 9}], "there is no comment 9"),
        ([{"type": "add", "quote": "absent", "text": "x"}], "not in the answer"),
    ],
)
def test_rejects_changes_that_do_not_fit(events, message):
    with pytest.raises(InputError, match=message):
        compute_state(REVIEW, parse(*events))


def test_look_first_hides_the_comments_until_they_are_asked_for():
    work = Work(ANSWER, "", [], CRITIC, look_first=True)
    own = {"type": "add", "quote": "len(ordered) // 2", "text": "Fine."}
    before = compute_state(work, parse(own))
    after = compute_state(work, parse(own, {"type": "reveal"}))
    assert [label.action for label in before.labels] == ["added"]
    assert [label.action for label in after.labels] == ["added", "kept", "kept"]
    assert after.own_before_reveal == 1


def test_another_search_replaces_untouched_comments_only():
    other = create_comment("% 2", "Odd?")
    found = {"type": "found", "length_modifier": 0.5, "comments": [other.model_dump()]}
    state = compute_state(REVIEW, parse({"type": "remove", "id": 1}, found))
    assert [label.action for label in state.labels] == ["removed", "kept"]
    assert state.labels[1].before == other


def test_scores_and_missing_scores():
    score = {"type": "score", "critique": "A", "question": "nitpick", "value": 2}
    bug = {
        "type": "score",
        "critique": "B",
        "question": "bug_inclusion",
        "bug": "b1",
        "value": 7,
    }
    state = compute_state(FORMS, parse(score, bug))
    assert state.forms["A"].nitpick == 2
    assert state.forms["B"].bug_inclusion == {"b1": 7}
    missing = find_missing_scores(FORMS, state)
    assert "A: bug b1" in missing
    assert "A: nitpick" not in missing
    assert len(missing) == 10
    cleared = compute_state(FORMS, parse(score, bug, {**bug, "value": None}))
    assert cleared.forms["B"].bug_inclusion == {}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"critique": "C", "question": "nitpick", "value": 1}, "no critique 'C'"),
        (
            {"critique": "A", "question": "bug_inclusion", "bug": "b2", "value": 1},
            "no bug 'b2'",
        ),
    ],
)
def test_rejects_scores_of_unknown_critiques_and_bugs(event, message):
    with pytest.raises(InputError, match=message):
        compute_state(FORMS, parse({"type": "score", **event}))


def test_comments_cannot_be_changed_while_rating():
    with pytest.raises(InputError, match="in a review only"):
        compute_state(FORMS, parse({"type": "add", "quote": "sorted", "text": "x"}))


CHANGES = st.one_of(
    st.builds(lambda number: {"type": "remove", "id": number}, st.integers(1, 2)),
    st.builds(lambda number: {"type": "keep", "id": number}, st.integers(1, 2)),
    st.builds(
        lambda number, text: {"type": "edit", "id": number, "text": text},
        st.integers(1, 2),
        st.text(st.characters(exclude_categories=["Cs", "C", "Z"]), min_size=1, max_size=5),
    ),
)


@given(st.lists(CHANGES, max_size=6), st.lists(CHANGES, max_size=4))
def test_undoing_all_later_changes_restores_the_state(kept, undone):
    undo = [{"type": "undo"}] * len(undone)
    expected = compute_state(REVIEW, parse(*kept))
    assert compute_state(REVIEW, parse(*kept, *undone, *undo)) == expected
