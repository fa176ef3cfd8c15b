import math

import pytest

from selfcritic.agent.evals.measures.agreement import measure_agreement

# Krippendorff's standard example (4 observers, 12 units, missing ratings left out).
EXAMPLE = [
    [1, 1, 1],
    [2, 2, 3, 2],
    [3, 3, 3, 3],
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [1, 1, 2, 1],
    [2, 2, 2, 2],
    [5, 5, 5],
    [1, 1],
    [3],
]


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_alpha_of_the_standard_example(level: str, alpha: float):
    estimate = measure_agreement(EXAMPLE, list(range(12)), level)
    assert estimate.value == pytest.approx(alpha, abs=0.001)
    assert estimate.low < alpha < estimate.high
    assert (estimate.count, estimate.missing) == (11, 1)


@pytest.mark.usefixtures("few_resamples")
def test_perfect_agreement_is_one():
    estimate = measure_agreement([[1, 1], [7, 7], [4, 4]], ["a", "b", "c"], "ordinal")
    assert estimate.value == 1


@pytest.mark.usefixtures("few_resamples")
def test_near_scores_agree_more_on_an_ordinal_scale():
    units = [[1, 2], [6, 7], [1, 1], [7, 7]]
    tasks = list("abcd")
    nominal = measure_agreement(units, tasks, "nominal").value
    assert measure_agreement(units, tasks, "ordinal").value > nominal


@pytest.mark.parametrize(
    ("units", "note"),
    [
        ([], "no item has two ratings"),
        ([[1]], "no item has two"),
        ([[3, 3]], "all ratings are equal"),
    ],
)
def test_undefined_alpha_has_a_reason(units: list[list[float]], note: str):
    estimate = measure_agreement(units, ["a"] * len(units), "ordinal")
    assert math.isnan(estimate.value)
    assert note in estimate.note
