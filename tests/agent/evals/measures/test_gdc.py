import math

import pytest

from selfcritic.agent.evals.measures.gdc import GDCSample, measure_gdc
from selfcritic.agent.evals.measures.intervals import Estimate

RIGHT = GDCSample(quality=1.0, p_critiqueable=0.2, has_valid_critique=False)
WRONG = GDCSample(quality=0.0, p_critiqueable=0.8, has_valid_critique=True)
SILENT = GDCSample(quality=0.0, p_critiqueable=0.8, has_valid_critique=False)
"""A wrong answer that the model recognizes, but whose flaw it cannot name."""
BLIND = GDCSample(quality=0.0, p_critiqueable=0.1, has_valid_critique=True)
"""A wrong answer that the judge prefers, though its flaw is named."""


def values(estimates: dict[str, Estimate]) -> dict[str, float]:
    return {name: estimate.value for name, estimate in estimates.items()}


def test_a_perfect_critic_has_no_cd_gap():
    result = measure_gdc({"a": [RIGHT, WRONG], "b": [WRONG, RIGHT]})
    assert values(result.abilities) == {"G": 0.5, "D": 1.0, "C": 1.0, "oracle": 1.0}
    assert values(result.gaps) == {"GD": 0.5, "GC": 0.5, "CD": 0.0}
    assert values(result.normalized) == {"D": 1.0, "C": 1.0, "GD": 1.0, "GC": 1.0, "CD": 0.0}


def test_knowledge_that_is_not_articulated_is_a_positive_cd_gap():
    result = measure_gdc({"a": [RIGHT, SILENT], "b": [RIGHT, SILENT]})
    assert values(result.gaps) == {"GD": 0.5, "GC": 0.0, "CD": 0.5}


def test_a_critic_better_than_its_judge_is_a_negative_cd_gap():
    result = measure_gdc({"a": [RIGHT, BLIND], "b": [RIGHT, BLIND]})
    assert values(result.gaps) == {"GD": -0.5, "GC": 0.5, "CD": -1.0}
    assert result.normalized["CD"].value == -2.0


def test_uses_all_pairs_of_a_task():
    # Pairs: (RIGHT, WRONG) and (RIGHT, SILENT): D 1 and 1, C 1 and 1/2; (WRONG, SILENT): 0.
    result = measure_gdc({"a": [RIGHT, WRONG, SILENT]})
    assert values(result.abilities) == pytest.approx(
        {"G": 1 / 3, "D": 2 / 3, "C": 0.5, "oracle": 2 / 3}
    )


def test_severity_decides_between_two_criticized_answers():
    minor = GDCSample(0.8, 0.5, has_valid_critique=True, severity=0.2)
    major = GDCSample(0.1, 0.5, has_valid_critique=True, severity=0.9)
    result = measure_gdc({"a": [minor, major]})
    assert result.abilities["C"].value == 0.8
    assert result.abilities["D"].value == pytest.approx(0.45)


def test_tasks_with_one_answer_are_missing():
    result = measure_gdc({"a": [RIGHT, WRONG], "b": [RIGHT], "c": []})
    assert result.missing == 2
    assert result.abilities["G"].count == 1


def test_normalized_values_are_undefined_without_a_choice():
    result = measure_gdc({"a": [RIGHT, RIGHT], "b": [WRONG, WRONG]})
    assert math.isnan(result.normalized["D"].value)
    assert values(result.gaps) == {"GD": 0.0, "GC": 0.0, "CD": 0.0}
    assert math.isnan(measure_gdc({}).abilities["G"].value)
