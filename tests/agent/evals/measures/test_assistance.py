import math

import numpy as np
import pytest

from selfcritic.agent.evals.measures.assistance import ReviewOutcome, measure_assistance


def outcome(task: object, is_assisted: bool, hits: list[bool], **values: object) -> ReviewOutcome:
    return ReviewOutcome(task, is_assisted, len(hits), hits, **values)


def test_compares_both_conditions():
    outcomes = [
        outcome("a", False, [True, False], is_valid=True, minutes=6.0),
        outcome("b", False, [False, False], is_valid=False, minutes=8.0),
        outcome("a", True, [True, True], is_valid=True, minutes=6.0),
        outcome("b", True, [True, False], minutes=7.0),
    ]
    result = measure_assistance(outcomes)
    assert result.unassisted.num_reviews == 2
    assert result.unassisted.hits.value == 0.25
    assert result.assisted.hits.value == 0.75
    assert result.differences["hits"].value == 0.5
    assert result.differences["minutes"].value == -0.5
    assert result.unassisted.valid.value == 0.5
    assert (result.assisted.valid.value, result.assisted.valid.missing) == (1.0, 1)


def test_one_condition_has_no_difference():
    result = measure_assistance([outcome("a", True, [True])])
    assert math.isnan(result.differences["hits"].value)
    assert result.differences["hits"].note == "needs reviews with and without assistance"
    assert math.isnan(result.unassisted.hits.value)


def test_answers_without_known_bugs_count_for_comments_and_minutes_only():
    outcomes = [outcome("a", False, [], minutes=1.0), outcome("b", True, [], minutes=2.0)]
    result = measure_assistance(outcomes)
    assert math.isnan(result.differences["hits"].value)
    assert result.differences["minutes"].value == 1.0


def simulate(seed: int, num_tasks: int = 60) -> list[ReviewOutcome]:
    """Return reviews of scripted annotators, who find 27% of bugs alone and 45% with help.

    A task is harder or easier for all of its reviewers.
    """
    rng = np.random.default_rng(seed)
    outcomes = []
    for task in range(num_tasks):
        shift = rng.uniform(-0.2, 0.2)
        for is_assisted in (False, True):
            chance = (0.45 if is_assisted else 0.27) + shift
            hits = (rng.random(2) < chance).tolist()
            minutes = float(rng.exponential(6.0))
            is_valid = bool(rng.random() < 0.72)
            outcomes.append(ReviewOutcome(task, is_assisted, 2, hits, is_valid, minutes))
    return outcomes


@pytest.mark.slow
def test_intervals_cover_the_rates_of_scripted_annotators():
    truths = {"hits": 0.18, "minutes": 0.0, "valid": 0.0}
    covered = dict.fromkeys((*truths, "alone", "assisted"), 0)
    for seed in range(100):
        result = measure_assistance(simulate(seed))
        for quantity, truth in truths.items():
            covered[quantity] += result.differences[quantity].covers(truth)
        covered["alone"] += result.unassisted.hits.covers(0.27)
        covered["assisted"] += result.assisted.hits.covers(0.45)
    assert all(90 <= count <= 99 for count in covered.values()), covered
