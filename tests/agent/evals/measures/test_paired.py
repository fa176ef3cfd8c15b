import pytest

from selfcritic.agent.evals.measures.paired import adjust_holm, compare_rates, compare_values


def test_exact_mcnemar_uses_only_discordant_items():
    first = [True] * 50 + [True] * 2 + [False] * 9
    second = [True] * 50 + [False] * 2 + [True] * 9
    comparison = compare_rates(first, second, range(61))
    assert (comparison.first_only, comparison.second_only) == (2, 9)
    # Two-sided: 2 · (1 + 11 + 55) / 2^11.
    assert comparison.p_value == pytest.approx(2 * 67 / 2048)
    assert comparison.difference.value == pytest.approx(7 / 61)


def test_equal_systems():
    comparison = compare_rates([True, False], [True, False], "ab")
    assert (comparison.p_value, comparison.difference.value) == (1.0, 0.0)


def test_values_have_no_p_value():
    comparison = compare_values([1.0, 2.0, 3.0], [2.0, 2.0, 5.0], "abc")
    assert comparison.difference.value == 1.0
    assert comparison.p_value is None


def test_systems_must_have_the_same_items():
    with pytest.raises(ValueError, match="longer"):
        compare_rates([True], [True, False], "ab")


def test_holm():
    adjusted = adjust_holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(adjusted) == ["a", "b", "c", "d"]
    assert adjust_holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert adjust_holm({}) == {}
