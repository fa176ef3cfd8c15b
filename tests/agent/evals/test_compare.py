"""Test paired comparisons of two runs."""

import math
from itertools import product

import pytest

from selfcritic.agent.data.records import RatingForm
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.compare import (
    MCNEMAR,
    SIGN_FLIP,
    check_same_data,
    compare_runs,
    flip_signs,
)
from selfcritic.agent.evals.measurement import Measurement
from selfcritic.agent.evals.summary import summarize
from tests.support.eval_records import critique, manifest, rating, record

pytestmark = pytest.mark.usefixtures("few_resamples")
HELPFUL = "helpful, of all answers"


def measure(
    helpful: dict[str, bool], critic: str = "model", *, task: str | None = None
) -> list[Measurement]:
    """Return the measurements of a run whose answers have one rated critique."""
    records = [
        record(name, task=task or name, is_correct=False, critiques=[critique("c1", critic)])
        for name in helpful
    ]
    ratings = [rating(name, "c1", is_helpful) for name, is_helpful in helpful.items()]
    return summarize(records, ratings).measurements


def test_compares_shared_items_with_an_exact_mcnemar_test():
    first = measure({f"r{i}": i == 0 for i in range(7)})
    second = measure({f"r{i}": 0 < i < 6 for i in range(6)} | {"other": True})
    [row] = compare_runs(first, second, [HELPFUL])
    assert (row.num_items, row.test) == (6, MCNEMAR)
    assert row.first == pytest.approx(1 / 6)
    assert row.second == pytest.approx(5 / 6)
    assert row.difference.value == pytest.approx(4 / 6)
    # 1 item right only before and 5 only after: 2 (1 + 6) / 2^6.
    assert row.p_value == pytest.approx(14 / 64)
    assert row.adjusted_p == row.p_value


def test_several_items_of_a_task_are_tested_by_task():
    first = measure({f"r{i}": False for i in range(6)}, task="one")
    second = measure({f"r{i}": True for i in range(6)}, task="one")
    [row] = compare_runs(first, second, [HELPFUL])
    assert (row.test, row.p_value) == (SIGN_FLIP, 1.0)


def test_critics_with_other_names_are_paired_if_there_is_one_in_each_run():
    values = {f"r{i}": i % 2 == 0 for i in range(4)}
    [row] = compare_runs(measure(values, "old"), measure(values, "new"), [HELPFUL])
    assert (row.label.critic, row.other_critic) == ("old", "new")
    assert row.is_equal
    assert row.adjusted_p is None


def test_selected_critiques_of_renamed_critics_are_paired_apart():
    def run(critic: str, nitpick: int) -> list[Measurement]:
        pool = [critique("c1", critic, selected=True), critique("c2", critic)]
        ratings = [
            rating("r1", "c1", form=RatingForm(nitpick=nitpick)),
            rating("r1", "c2", form=RatingForm(nitpick=1)),
        ]
        return summarize([record(critiques=pool)], ratings).measurements

    rows = compare_runs(run("old", 7), run("new", 1), ["nitpick >= 5"])
    pairs = {(row.label.critic, row.other_critic): (row.first, row.second) for row in rows}
    assert pairs == {
        ("old", "new"): (0.5, 0.0),
        ("old (selected)", "new (selected)"): (1.0, 0.0),
    }


def test_runs_without_a_shared_item_have_nothing_to_compare():
    assert compare_runs(measure({"a": True}), measure({"b": True})) == []


def test_holm_covers_all_measures_that_differ():
    names = [f"r{i}" for i in range(6)]

    def run(value: bool) -> list[Measurement]:
        records = [
            record(
                name,
                is_correct=False,
                bugs=None,
                critiques=[critique("c1", "a"), critique("c2", "b")],
            )
            for name in names
        ]
        ratings = [rating(name, key, value) for name in names for key in ("c1", "c2")]
        return summarize(records, ratings).measurements

    rows = [row for row in compare_runs(run(False), run(True)) if row.label.name == HELPFUL]
    assert [row.p_value for row in rows] == [pytest.approx(2 / 64)] * 2
    assert [row.adjusted_p for row in rows] == [pytest.approx(4 / 64)] * 2


def test_auc_is_compared_by_a_paired_bootstrap():
    def run(probabilities: dict[str, float]) -> list[Measurement]:
        records = [
            record(name, is_correct=name < "c", p_critiqueable=value)
            for name, value in probabilities.items()
        ]
        return summarize(records).measurements

    good = {"a": 0.1, "b": 0.2, "c": 0.8, "d": 0.9}
    bad = {"a": 0.9, "b": 0.8, "c": 0.2, "d": 0.1}
    [row] = compare_runs(run(bad), run(good), ["AUC"])
    assert (row.first, row.second, row.difference.value) == (0.0, 1.0, 1.0)
    assert row.p_value is None
    one_class = {name: value for name, value in good.items() if name < "c"}
    [row] = compare_runs(run(good), run(one_class), ["AUC"])
    assert math.isnan(row.difference.value)
    assert row.difference.note == "undefined for the shared items"


def test_only_the_largest_pool_of_a_curve_is_compared():
    pool = [critique(f"c{i}", reward=i / 10) for i in range(4)]
    records = [record(name, is_correct=False, critiques=pool) for name in "abc"]
    ratings = [rating(name, f"c{i}", i == 3) for name in "abc" for i in range(4)]
    measurements = summarize(records, ratings).measurements
    rows = compare_runs(measurements, measurements, ["best-of-n critiques"])
    assert [row.label.name for row in rows] == ["best of 4"]


@pytest.mark.parametrize("differences", [[1, 1, 1, 1], [1, -1, 2], [0.5, 0.0, 3, -1]])
def test_sign_flips_equal_all_permutations(differences: list[float]):
    observed = abs(sum(differences))
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    expected = sum(value >= observed - 1e-9 for value in sums) / len(sums)
    tasks = [str(index) for index in range(len(differences))]
    assert flip_signs(differences, tasks) == pytest.approx(expected)


def test_many_tasks_use_random_flips():
    tasks = [str(index) for index in range(40)]
    assert flip_signs([1.0] * 40, tasks) == pytest.approx(1 / 10_001)
    assert flip_signs([1.0, -1.0] * 20, tasks) == 1.0
    assert flip_signs([0.0] * 40, tasks) == 1.0


def test_runs_of_different_data_are_refused():
    other = manifest(data="other.jsonl", data_sha256="b" * 64)
    check_same_data(manifest(), manifest(), 3)
    with pytest.raises(
        InputError, match=r"different data: 'planted' .* 3 records have the same id"
    ):
        check_same_data(manifest(), other, 3)
