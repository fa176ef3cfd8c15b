import math

import pytest

from selfcritic.agent.evals.measures.intervals import wilson
from selfcritic.agent.evals.measures.refinement import (
    ArmOutcome,
    compare_arms,
    measure_arm,
    win_rate,
)

OUTCOMES = [
    ArmOutcome("a", was_correct=False, is_correct=True, calls=6),
    ArmOutcome("b", was_correct=False, is_correct=False, calls=10),
    ArmOutcome("c", was_correct=True, is_correct=True, calls=2),
    ArmOutcome("d", was_correct=True, is_correct=False, calls=6),
]


def test_transitions_and_costs():
    result = measure_arm(OUTCOMES)
    assert result.accuracy.value == 0.5
    assert result.gain.value == 0.0
    assert (result.wrong_to_correct.value, result.wrong_to_correct.count) == (0.5, 2)
    assert (result.correct_to_wrong.value, result.correct_to_wrong.count) == (0.5, 2)
    assert result.calls.value == 6
    assert result.calls_per_correct.value == 12


def test_transitions_are_undefined_without_such_answers():
    result = measure_arm(OUTCOMES[2:])
    assert math.isnan(result.wrong_to_correct.value)
    assert result.correct_to_wrong.value == 0.5


def test_an_arm_without_a_correct_answer_has_no_cost_per_correct():
    assert measure_arm(OUTCOMES[1:2]).calls_per_correct.note == "no successes"


def test_unknown_calls_are_missing():
    outcomes = [*OUTCOMES, ArmOutcome("e", was_correct=False, is_correct=True)]
    result = measure_arm(outcomes)
    assert (result.calls.count, result.calls.missing) == (4, 1)
    assert (result.calls_per_correct.value, result.calls_per_correct.missing) == (12, 1)


def test_compares_arms_on_the_same_answers():
    better = [ArmOutcome(outcome.task, outcome.was_correct, True) for outcome in OUTCOMES]
    comparison = compare_arms(OUTCOMES, better)
    assert (comparison.first_only, comparison.second_only) == (0, 2)
    assert comparison.difference.value == 0.5
    assert comparison.p_value == 0.5


def test_arms_of_different_runs_cannot_be_compared():
    with pytest.raises(ValueError, match="different tasks"):
        compare_arms(OUTCOMES, OUTCOMES[1:])


def test_win_rate_counts_ties_half():
    estimate = win_rate([1.0, 0.5, 0.0, None], "abcd")
    assert (estimate.value, estimate.count, estimate.missing) == (0.5, 3, 1)
    all_won = win_rate([1.0] * 10, range(10))
    assert all_won.low == pytest.approx(wilson(10, 10)[0])
