"""The assistance experiment from the first review to the estimates, with scripted annotators of known rates."""

import random
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from selfcritic.agent.data.comparisons import add_gold_critique
from selfcritic.agent.evals.assistance import measure_reviews, merge_records
from selfcritic.agent.evals.measures.intervals import Estimate
from selfcritic.agent.evals.sources import ASSISTED, CRITIC, HUMAN, measure_source_preferences
from selfcritic.graphs.desk.assignments import DeskOptions
from selfcritic.graphs.desk.database import Database
from selfcritic.graphs.desk.export import Export
from selfcritic.graphs.desk.session import Desk
from tests.graphs.desk.test_session import QUESTIONS, event, open_work
from tests.support.desk_records import FLAW, create_record

pytestmark = pytest.mark.slow
COUNT = 50
ALONE, TOGETHER = 0.3, 0.65
"""Shares of bugs that the scripted annotators find."""
SCORES = {HUMAN: [2, 3, 4], CRITIC: [2, 4, 6], ASSISTED: [4, 5, 6], "gold": [7]}
"""Equally likely overall scores of the scripted rater."""


def review(desk: Desk, name: str, rng: random.Random) -> bool:
    """Review the next answer; return False if there is none."""
    view = desk.open_next(name, "review")
    if view is None:
        return False
    events: list[dict[str, Any]] = []
    finds = rng.random() < (TOGETHER if view["prefilled"] else ALONE)
    if view["prefilled"] and not finds:
        events.append(event(1, type="remove", id=1))
    if not view["prefilled"]:
        quote = FLAW if finds else "sorted(values)"
        events.append(event(2, type="add", quote=quote, text="Wrong."))
    desk.add_active_seconds(view["id"], name, 60.0 if view["prefilled"] else 90.0)
    desk.apply(view["id"], name, [*events, event(3, type="submit")])
    return True


def compare(desk: Desk, sources: dict[tuple[str, str], str], rng: random.Random) -> bool:
    """Rate the next comparison; return False if there is none."""
    if desk.open_next("kim", "compare") is None:
        return False
    view = open_work(desk, "kim", "compare")
    assignment = desk.get(view["id"], "kim")
    events: list[dict[str, Any]] = []
    for label, critique in zip("ABCD", assignment.critiques, strict=False):
        source = sources[assignment.record, critique]
        text = next(each["text"] for each in view["critiques"] if each["label"] == label)
        scores = dict.fromkeys(QUESTIONS, 1)
        scores["overall"] = rng.choice(SCORES[source])
        bug = {"question": "bug_inclusion", "bug": "b1", "value": 7 if FLAW in text else 1}
        events.append(event(len(events), type="score", critique=label, **bug))
        for question, value in scores.items():
            score = {"question": question, "value": value}
            events.append(event(len(events), type="score", critique=label, **score))
    desk.apply(view["id"], "kim", [*events, event(99, type="submit")])
    return True


def expect_preference(source: str, other: str) -> float:
    pairs = list(product(SCORES[source], SCORES[other]))
    return sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs)


def recovers(estimate: Estimate, truth: float) -> bool:
    """Whether the truth is in twice the interval; other tests count how often intervals cover it."""
    half = (estimate.high - estimate.low) / 2
    return estimate.low - half <= truth <= estimate.high + half


def test_estimates_recover_the_rates_of_scripted_annotators(tmp_path: Path):
    rng = random.Random(5)
    records = []
    for number in range(COUNT):
        record = create_record(f"r{number}")
        model = [critique for critique in record.critiques if critique.critic == "model"]
        records.append(record.model_copy(update={"critiques": model}))
    with closing(Database.open(str(tmp_path / "first.sqlite"), "hash")) as database:
        options = DeskOptions(holdout=0.5, second_reviews=1.0)
        desk = Desk(records, database, options)
        for name in ("bob", "eve"):
            while review(desk, name, rng):
                pass
        first = Export(desk)
    sources = {}
    for record in first.records:
        for critique in record.critiques:
            sources[record.id, critique.id] = CRITIC
        sources[record.id, "gold"] = "gold"
    for done in first.reviews:
        if done.critique is not None:
            sources[done.record, done.critique] = ASSISTED if done.prefilled else HUMAN
    with closing(Database.open(str(tmp_path / "second.sqlite"), "hash")) as database:
        desk = Desk(
            [add_gold_critique(record) for record in first.records], database, DeskOptions()
        )
        while compare(desk, sources, rng):
            pass
        second = Export(desk)
    merged = merge_records([first.records, second.records])
    result = measure_reviews(merged, first.reviews, second.ratings)
    assert recovers(result.unassisted.hits, ALONE)
    assert recovers(result.assisted.hits, TOGETHER)
    assert recovers(result.differences["hits"], TOGETHER - ALONE)
    assert result.differences["minutes"].value == pytest.approx(-0.5)
    preferences = measure_source_preferences(merged, first.reviews, second.comparisons)
    for pair, estimate in preferences.items():
        assert recovers(estimate, expect_preference(*pair)), pair
        assert estimate.count > COUNT / 4
