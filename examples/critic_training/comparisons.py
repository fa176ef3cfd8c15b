"""Compare sampled critiques and gold ones by the oracle, and make preference pairs."""

import random
from collections.abc import Sequence
from pathlib import Path

from examples.critic_training.answers import select_origin
from examples.critic_training.critics import sample_critiques
from examples.critic_training.grading import CritiqueGrader
from selfcritic.agent.data.comparisons import (
    add_gold_critique,
    create_comparisons,
    fill_comparison,
)
from selfcritic.agent.data.files import (
    COMPARISONS_FILE,
    RATINGS_FILE,
    RECORDS_FILE,
    read_answers,
    read_comparisons,
    write_records,
)
from selfcritic.agent.data.preference_pairs import PreferencePair, create_pairs
from selfcritic.agent.data.records import AnswerRecord, Comparison, CritiqueSample, Rating
from selfcritic.agent.models.tiny.engine import Engine

SAMPLES = 4
"""Critiques of each answer, apart from the gold one."""
_RATER = "oracle"


def make_comparisons(
    engine: Engine, records: Sequence[AnswerRecord], critic: str, folder: Path, seed: int
) -> None:
    """Write records, ratings and comparisons: four critiques, and the gold one if tampered."""
    rated: list[AnswerRecord] = []
    ratings: list[Rating] = []
    comparisons: list[Comparison] = []
    pools = sample_critiques(engine, records, critic, SAMPLES, seed)
    for record, pool in zip(records, pools, strict=True):
        compared = record.model_copy(update={"critiques": pool})
        if record.origin == "inserted":
            compared = add_gold_critique(compared)
        own = rate_critiques(compared, compared.critiques)
        created = create_comparisons([compared], _RATER, "oracle", size=SAMPLES + 1, seed=seed)
        rated.append(compared)
        ratings += own
        comparisons += [fill_comparison(comparison, own) for comparison in created]
    folder.mkdir(parents=True, exist_ok=True)
    write_records(folder / RECORDS_FILE, rated)
    write_records(folder / RATINGS_FILE, ratings)
    write_records(folder / COMPARISONS_FILE, comparisons)


def rate_critiques(record: AnswerRecord, critiques: Sequence[CritiqueSample]) -> list[Rating]:
    """Rate critiques of an answer by the oracle."""
    grader = CritiqueGrader(record)
    ratings = []
    for critique in critiques:
        rating = Rating(
            record=record.id,
            critique=critique.id,
            rater=_RATER,
            rater_type="oracle",
            form=grader.rate(critique),
        )
        ratings.append(rating)
    return ratings


def read_pairs(folder: Path, *, with_tampered: bool = True) -> list[PreferencePair]:
    """Return the pairs of a folder in random order, the pairs of an answer together.

    Without tampered answers, only natural ones remain: there is no gold critique.
    """
    records = read_answers(folder / RECORDS_FILE)
    kept = records if with_tampered else select_origin(records, "natural")
    ids = {record.id for record in kept}
    comparisons = []
    for comparison in read_comparisons(folder / COMPARISONS_FILE):
        if comparison.record in ids:
            comparisons.append(comparison)
    random.Random(0).shuffle(comparisons)
    return create_pairs(kept, comparisons)
