"""Preferences between people's critiques, a critic's, and those of both together."""

import random
from itertools import product

import pytest

from selfcritic.agent.data.records import (
    AnswerRecord,
    Comparison,
    CritiqueSample,
    HumanReview,
    RatingForm,
)
from selfcritic.agent.evals.sources import (
    ASSISTED,
    CRITIC,
    HUMAN,
    PAIRS,
    measure_source_preferences,
)

CRITICS = {HUMAN: "bob", ASSISTED: "eve + model", CRITIC: "model", "gold": "gold"}
SCORES = {
    HUMAN: [2, 3, 3, 4, 5],
    CRITIC: [3, 4, 4, 5, 6],
    ASSISTED: [3, 4, 5, 6, 7],
    "gold": [7],
}
"""Equally likely overall scores that the scripted raters give."""


def create_records(count: int) -> list[AnswerRecord]:
    records = []
    for number in range(count):
        critiques = [
            CritiqueSample(id=source, critic=critic, text=source)
            for source, critic in CRITICS.items()
        ]
        name = f"r{number}"
        record = AnswerRecord(id=name, task=name, question="q", answer="a", critiques=critiques)
        records.append(record)
    return records


def create_reviews(records: list[AnswerRecord]) -> list[HumanReview]:
    reviews = []
    for record in records:
        reviews.append(
            HumanReview(record=record.id, reviewer="bob", critique=HUMAN, prefilled=False)
        )
        reviews.append(
            HumanReview(record=record.id, reviewer="eve", critique=ASSISTED, prefilled=True)
        )
    return reviews


def compare(record: AnswerRecord, scores: dict[str, int]) -> Comparison:
    forms = [RatingForm(overall=score) for score in scores.values()]
    return Comparison(
        record=record.id, critiques=list(scores), rater="kim", rater_type="human", forms=forms
    )


def true_preference(source: str, other: str) -> float:
    pairs = list(product(SCORES[source], SCORES[other]))
    wins = sum((first > second) + (first == second) / 2 for first, second in pairs)
    return wins / len(pairs)


def test_counts_pairs_of_different_sources():
    records = create_records(2)
    comparisons = [
        compare(records[0], {HUMAN: 2, ASSISTED: 6, CRITIC: 6, "gold": 7}),
        compare(records[1], {CRITIC: 1, HUMAN: 5}),
        compare(records[1], {CRITIC: 7, HUMAN: 1}).model_copy(update={"error": "unreadable"}),
    ]
    result = measure_source_preferences(records, create_reviews(records), comparisons)
    assert (result[ASSISTED, HUMAN].value, result[ASSISTED, HUMAN].count) == (1.0, 1)
    assert result[ASSISTED, CRITIC].value == 0.5
    assert (result[HUMAN, CRITIC].value, result[HUMAN, CRITIC].count) == (0.5, 2)


def test_without_comparisons_nothing_is_estimated():
    records = create_records(1)
    result = measure_source_preferences(records, create_reviews(records), [])
    assert [estimate.count for estimate in result.values()] == [0, 0, 0]


@pytest.mark.parametrize("pair", PAIRS)
def test_intervals_cover_the_rates_of_scripted_raters(pair: tuple[str, str]):
    records = create_records(60)
    reviews = create_reviews(records)
    truth = true_preference(*pair)
    covered = 0
    for seed in range(40):
        rng = random.Random(seed)
        comparisons = []
        for record in records:
            scores = {source: rng.choice(values) for source, values in SCORES.items()}
            comparisons.append(compare(record, scores))
        covered += measure_source_preferences(records, reviews, comparisons)[pair].covers(truth)
    assert covered >= 35
