"""Compare sampled critiques and gold ones by the oracle, and make preference pairs."""

import random
from collections.abc import Sequence
from pathlib import Path

from examples.critic_training.answers import select_origin
from examples.critic_training.critics import sample_critiques
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
from selfcritic.agent.data.records import AnswerRecord, Comparison, Rating
from selfcritic.agent.evals.task_oracle import TaskOracle
from selfcritic.agent.models.tiny.engine import Engine

SAMPLES = 4
"""Critiques of each answer, apart from the gold one."""


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
        own = TaskOracle.for_record(compared).rate_all(compared, compared.critiques)
        created = create_comparisons(
            [compared], TaskOracle.name, "oracle", size=SAMPLES + 1, seed=seed
        )
        rated.append(compared)
        ratings += own
        comparisons += [fill_comparison(comparison, own) for comparison in created]
    folder.mkdir(parents=True, exist_ok=True)
    write_records(folder / RECORDS_FILE, rated)
    write_records(folder / RATINGS_FILE, ratings)
    write_records(folder / COMPARISONS_FILE, comparisons)


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
