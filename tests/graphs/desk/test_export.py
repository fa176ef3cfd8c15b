import stat
from contextlib import closing
from typing import Any

from selfcritic.agent.data.files import read_answers, read_comparisons, read_ratings, read_records
from selfcritic.agent.data.records import HumanReview
from selfcritic.graphs.desk.assignments import DeskOptions, Screen
from selfcritic.graphs.desk.database import Database
from selfcritic.graphs.desk.export import Export
from selfcritic.graphs.desk.session import Desk
from tests.graphs.desk.test_session import event, open_work, score_all


def finish(desk, screen: Screen, annotator: str, *events: dict[str, Any]) -> dict[str, Any]:
    view = open_work(desk, annotator, screen)
    if view["critiques"]:
        score_all(desk, view, annotator, 5)
    desk.apply(view["id"], annotator, [*events, event(99, type="submit")])
    return view


def test_exports_reviews_ratings_and_comparisons(desk, tmp_path):
    finish(
        desk,
        "review",
        "bob",
        event(1, type="remove", id=1),
        event(2, type="add", quote="sorted", text="Slow."),
    )
    finish(desk, "rate", "bob")
    finish(desk, "compare", "bob")
    desk.open_next("eve", "review")  # open work is not exported
    folder = tmp_path / "export"
    Export(desk).write(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    [first, _] = read_answers(folder / "records.jsonl")
    assert first.critiques[-1].critic == "bob + model"
    assert [comment.text for comment in first.critiques[-1].comments] == ["Slow."]
    [review] = read_records(folder / "reviews.jsonl", HumanReview)
    assert [label.action for label in review.labels] == ["removed", "added"]
    assert review.critique == first.critiques[-1].id
    assert len(read_ratings(folder / "ratings.jsonl")) == 5
    [comparison] = read_comparisons(folder / "comparisons.jsonl")
    assert sorted(comparison.critiques) == ["c1", "c2", "c3", "c4"]
    assert comparison.is_blind
    assert [form.overall for form in comparison.forms] == [5, 5, 5, 5]


def test_an_export_can_be_reviewed_again(desk, tmp_path):
    keep = event(1, type="keep", id=1)
    finish(desk, "review", "bob", keep)
    first = Export(desk)
    with closing(Database.open(str(tmp_path / "second.sqlite"), "hash")) as database:
        second = Desk(first.records, database, DeskOptions())
        finish(second, "review", "eve", keep)
        finish(second, "compare", "eve")
        exported = Export(second)
    names = [critique.id for critique in exported.records[0].critiques]
    assert names == ["c1", "c2", "c3", "c4", "desk-1", "desk2-1"]
    assert exported.reviews[0].critique == "desk2-1"


def test_exports_skipped_reviews_with_their_reason(desk, tmp_path):
    view = open_work(desk, "bob", "review")
    desk.apply(view["id"], "bob", [event(1, type="skip", reason="No Python")])
    [review] = Export(desk).reviews
    assert (review.skip_reason, review.critique) == ("No Python", None)


def test_agreement_of_two_annotators(database):
    from selfcritic.graphs.desk.agreement import measure_agreement
    from selfcritic.graphs.desk.assignments import DeskOptions
    from selfcritic.graphs.desk.session import Desk
    from tests.support.desk_records import create_record

    records = [create_record(f"r{number}") for number in range(4)]
    desk = Desk(records, database, DeskOptions(second_reviews=1.0))
    for annotator in ("bob", "eve"):
        for value in (2, 6, 2, 6):
            view = open_work(desk, annotator, "compare")
            score_all(desk, view, annotator, value)
            desk.apply(view["id"], annotator, [event(99, type="submit")])
    rows = {row["question"]: row for row in measure_agreement(desk)}
    assert rows["overall"]["alpha"] == 1.0
    assert rows["bug_inclusion"]["count"] == 16
