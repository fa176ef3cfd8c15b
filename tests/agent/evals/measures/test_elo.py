import itertools
import random

import pytest

from selfcritic.agent.evals.measures.elo import Preference, fit_elo, preference_rate


def test_difference_of_two_critics_is_the_log_odds():
    # 3 of 4 wins: 400 · log10(3) = 190.85 points apart.
    preferences = [Preference(number, "a", "b", float(number < 3)) for number in range(4)]
    ratings = fit_elo(preferences)
    assert ratings["a"].value - ratings["b"].value == pytest.approx(190.85, abs=0.1)
    assert ratings["a"].value + ratings["b"].value == pytest.approx(0)


def test_a_tie_is_half_a_win_and_half_a_loss():
    tied = fit_elo([Preference(number, "a", "b", 0.5) for number in range(4)])
    assert tied["a"].value == pytest.approx(0, abs=1e-3)
    halves = fit_elo([Preference(number, "a", "b", number % 2) for number in range(4)])
    assert halves["a"].value == pytest.approx(tied["a"].value, abs=1e-3)


def test_order_of_the_critics_does_not_matter():
    forward = fit_elo([Preference(number, "a", "b", float(number < 3)) for number in range(4)])
    backward = fit_elo([Preference(number, "b", "a", float(number >= 3)) for number in range(4)])
    assert forward["a"].value == pytest.approx(backward["a"].value, abs=0.01)


def test_recovers_planted_ratings():
    truth = {"a": 150.0, "b": 0.0, "c": -150.0}
    rng = random.Random(1)
    preferences = []
    for item in range(600):
        for first, second in itertools.combinations(truth, 2):
            probability = 1 / (1 + 10 ** ((truth[second] - truth[first]) / 400))
            score = float(rng.random() < probability)
            preferences.append(Preference(item, first, second, score))
    ratings = fit_elo(preferences)
    for critic, value in truth.items():
        assert ratings[critic].value == pytest.approx(value, abs=30)
        assert ratings[critic].covers(value)


def test_one_sided_preferences_have_a_finite_rating_and_a_note():
    ratings = fit_elo([Preference(number, "a", "b", 1.0) for number in range(10)])
    assert ratings["a"].value > 400
    assert ratings["a"].note == "won or lost every comparison: no finite rating fits best"


def test_preference_rate_counts_both_orders():
    preferences = [
        Preference(0, "a", "b", 1.0),
        Preference(1, "b", "a", 0.0),
        Preference(2, "a", "b", 0.5),
        Preference(3, "a", "c", 0.0),
    ]
    estimate = preference_rate(preferences, "a", "b")
    assert (estimate.value, estimate.count) == pytest.approx((2.5 / 3, 3))
    assert preference_rate(preferences, "b", "a").value == pytest.approx(0.5 / 3)


def test_without_two_critics_there_is_no_ranking():
    assert fit_elo([]) == {}
