import json
from typing import Any

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.graphs.desk.assignments import DeskOptions, Screen
from selfcritic.graphs.desk.session import Desk
from tests.support.desk_records import create_comment, create_record

QUESTIONS = ("comprehensiveness", "nitpick", "hallucinated_problem", "conciseness", "overall")


def event(number: int, **values) -> dict[str, Any]:
    return {"key": f"key-{number:05}", **values}


def open_work(desk: Desk, annotator: str, screen: Screen) -> dict[str, Any]:
    """Return the next assignment, which must exist."""
    view = desk.open_next(annotator, screen)
    assert view is not None
    return view


def score_all(desk: Desk, view: dict[str, Any], annotator: str, value: int) -> dict[str, Any]:
    """Score every question of every critique."""
    events: list[dict[str, Any]] = []
    for critique in view["critiques"]:
        label = critique["label"]
        for bug in view["bugs"]:
            score = {"question": "bug_inclusion", "bug": bug["id"], "value": value}
            events.append(event(len(events), type="score", critique=label, **score))
        for question in QUESTIONS:
            score = {"question": question, "value": value}
            events.append(event(len(events), type="score", critique=label, **score))
    return desk.apply(view["id"], annotator, events)


def test_annotators_get_different_items_and_keep_theirs(desk):
    ann = desk.open_next("ann", "review")
    assert desk.open_next("ann", "review")["id"] == ann["id"]
    bob = desk.open_next("bob", "review")
    assert {ann["record"], bob["record"]} == {"r1", "r2"}
    assert desk.open_next("eve", "review") is None


def test_second_reviews_go_to_another_annotator(database):
    options = DeskOptions(second_reviews=1.0)
    desk = Desk([create_record("r1")], database, options)
    desk.open_next("bob", "review")
    assert desk.open_next("eve", "review") is not None
    assert desk.open_next("kim", "review") is None


def test_skipped_items_go_to_another_annotator(desk):
    view = open_work(desk, "bob", "rate")
    desk.apply(view["id"], "bob", [event(1, type="skip", reason="not Python")])
    assert desk.open_next("bob", "rate")["id"] != view["id"]
    other = desk.database.get_assignment(desk.open_next("eve", "rate")["id"])
    assert other.unit == desk.database.get_assignment(view["id"]).unit


def test_comparisons_are_blind(desk):
    view = open_work(desk, "bob", "compare")
    text = json.dumps(view)
    for name in ('"ann"', '"model"', '"gold"', '"small"', '"c1"', '"c2"'):
        assert name not in text


def test_reviews_never_show_the_known_bugs(desk):
    view = open_work(desk, "bob", "review")
    assert "lacks parentheses" not in json.dumps(view)


def test_a_form_must_be_complete(desk):
    view = open_work(desk, "bob", "compare")
    with pytest.raises(InputError, match="Score these before you submit: A: bug b1"):
        desk.apply(view["id"], "bob", [event(99, type="submit")])
    score_all(desk, view, "bob", 5)
    done = desk.apply(view["id"], "bob", [event(99, type="submit")])
    assert done["state"]["status"] == "submitted"
    assert done["progress"] == {"own": 1, "finished": 1, "total": 2}
    with pytest.raises(InputError, match="finished"):
        desk.apply(view["id"], "bob", [event(100, type="undo")])


def test_an_event_that_is_sent_twice_is_stored_once(desk):
    view = open_work(desk, "bob", "review")
    added = event(1, type="add", quote="sorted", text="Slow.")
    desk.apply(view["id"], "bob", [added, added])
    again = desk.apply(view["id"], "bob", [added, added])
    assert len(again["state"]["labels"]) == 2


def test_a_bad_event_stores_nothing_of_its_batch(desk):
    view = open_work(desk, "bob", "review")
    good = event(1, type="remove", id=1)
    bad = event(2, type="remove", id=9)
    with pytest.raises(InputError, match="no comment 9"):
        desk.apply(view["id"], "bob", [good, bad])
    assert desk.database.list_events(view["id"]) == []


def test_an_assignment_belongs_to_its_annotator(desk):
    view = open_work(desk, "bob", "review")
    with pytest.raises(InputError, match="not one of 'eve'"):
        desk.apply(view["id"], "eve", [event(1, type="submit")])


def test_the_page_cannot_forge_a_search(desk):
    view = open_work(desk, "bob", "review")
    forged = event(1, type="found", length_modifier=0, comments=[])
    with pytest.raises(InputError, match="Only the desk"):
        desk.apply(view["id"], "bob", [forged])


async def test_asks_the_critic_again(database):
    async def search(record, length_modifier):
        comment = create_comment("sorted(values)", f"With {length_modifier}.")
        return record.critiques[0].model_copy(update={"comments": [comment]})

    desk = Desk([create_record("r1")], database, DeskOptions(), search)
    view = open_work(desk, "bob", "review")
    assert view["can_search"]
    found = await desk.search_again(view["id"], "bob", 0.5)
    assert [label["after"]["text"] for label in found["state"]["labels"]] == ["With 0.5."]
    assert found["state"]["length_modifier"] == 0.5


def test_holdout_reviews_have_no_comments(database):
    desk = Desk([create_record("r1")], database, DeskOptions(holdout=1.0))
    view = open_work(desk, "bob", "review")
    assert view["state"]["labels"] == []
    assert view["critic"] is None
    assert not view["prefilled"]
