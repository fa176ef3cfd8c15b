"""Tests of the report's section about evaluations, on made-up outcomes."""

from collections.abc import Mapping
from typing import Any

import pytest

from selfcritic.agent.training.tiny.evaluation import Evaluation, FirstDrafts
from selfcritic.agent.training.tiny.evaluation_report import measure, render_evaluations


def make_drafts(percent_correct: Mapping[int, int]) -> FirstDrafts:
    """Make 100 drafts of each size, with this percentage of correct drafts at each size."""
    sizes = []
    is_flawed = []
    for size, correct in percent_correct.items():
        sizes += [size] * 100
        is_flawed += [False] * correct + [True] * (100 - correct)
    return FirstDrafts([str(index) for index in range(len(sizes))], sizes, is_flawed)


def make_run(
    size: str, dev: Mapping[int, int], test: Mapping[int, int], task: str = "three_sat"
) -> dict[str, Any]:
    """Make a run with a perfect judge; every fourth critique is valid."""
    drafts = make_drafts(test)
    evaluation = Evaluation(
        dev=make_drafts(dev),
        test=drafts,
        p_flawed=[float(flawed) for flawed in drafts.is_flawed],
        is_valid=[index % 4 == 0 for index in range(sum(drafts.is_flawed))],
    )
    return {
        "task": task,
        "size": size,
        "seed": 0,
        "tokens": 4_000_000,
        "evaluation": measure(evaluation),
    }


def render(*runs: dict[str, Any]) -> str:
    return "\n".join(render_evaluations(runs))


def test_making_and_checking_are_beside_each_other():
    run = make_run("small", {3: 90, 4: 70, 5: 40, 6: 2}, {4: 65, 5: 35})
    text = render(run)
    assert "| small-seed0 | 4 to 5 | 200 | 50% (43–57) | 1.000 (0.96–1.00) | 100 | 25% (" in text
    assert r"\*" not in text
    assert "too" not in text


def test_only_test_tasks_are_measured():
    run = make_run("small", {4: 70}, {4: 20})
    assert r"| small-seed0 | 4 | 100 | 20% (13–29) \* |" in render(run)


@pytest.mark.parametrize(
    ("dev", "problem"),
    [
        ({3: 99, 4: 95}, "too easy at every size"),
        ({3: 10, 4: 0}, "too hard at every size"),
        ({3: 99, 4: 0}, "too easy up to size 3, too hard from size 4"),
    ],
)
def test_explains_why_the_whole_range_is_measured(dev: dict[int, int], problem: str):
    text = render(make_run("small", dev, dev))
    assert f"- small-seed0: {problem}. Its row is about the whole range." in text
    assert "| small-seed0 | 3 to 4 | 200 |" in text


def test_undefined_values_have_no_number():
    text = render(make_run("small", {3: 100}, {3: 100}))
    assert r"| small-seed0 | 3 | 100 | 100% (96–100) \* | – | 0 | – |" in text


def test_repeated_tasks_count_once():
    drafts = FirstDrafts(["a", "a", "b"], [1, 1, 1], [True, True, False])
    evaluation = Evaluation(drafts, drafts, [0.5, 0.5, 0.5], [True, True])
    assert measure(evaluation)["tasks"] == 2


def test_shows_first_drafts_by_size_for_each_run():
    small = make_run("small", {3: 90, 4: 10}, {3: 90})
    medium = make_run("medium", {3: 100, 4: 50}, {4: 50})
    text = render(small, medium)
    assert "correct by size after 4,000,000 tokens, on 100 development tasks in each" in text
    assert "| size | small-seed0 | medium-seed0 |" in text
    assert "| 3 | 90% (83–94) | 100% (96–100) |" in text
    assert "| 4 | 10% (6–17) | 50% (40–60) |" in text


def test_pools_many_sizes():
    run = make_run("small", dict.fromkeys(range(4, 31), 50), {4: 50})
    labels = [row["sizes"] for row in run["evaluation"]["first drafts correct by size"]]
    assert labels[0] == [4, 5, 6]
    assert labels[-1] == [28, 29, 30]
    assert "| 28 to 30 | 50% (44–56) |" in render(run)


def test_tables_fit_into_100_columns():
    sizes = ("small", "medium", "large", "xlarge", "xxlarge")
    dev = dict.fromkeys(range(4, 31), 100)
    runs = [make_run(size, dev, {30: 99}) for size in (*sizes, *sizes)]
    rows = [line for line in render(*runs).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 10 + 2 * (2 + 9)
    assert max(len(row) for row in rows) <= 100


def test_names_runs_without_an_evaluation():
    run = make_run("small", {3: 50}, {3: 50})
    text = render(run, {**run, "size": "large", "evaluation": {}})
    assert "- Not evaluated: large-seed0. If they are trained, rerun the command" in text


def test_a_task_without_evaluations_has_no_table():
    text = render({**make_run("small", {3: 50}, {3: 50}), "evaluation": {}})
    assert "### three_sat\n\n- Not evaluated: small-seed0" in text
    assert "|" not in text
