import json
import math
from pathlib import Path

import pytest

from examples.benchmarks.estimators import development, repeats
from examples.benchmarks.estimators.graph_check import measure_graph
from examples.benchmarks.estimators.measures import measure_all, measure_answers
from examples.benchmarks.estimators.planted import closed_forms
from examples.benchmarks.estimators.repeats import measure_truth, run_repeats
from examples.benchmarks.estimators.table import build_rows, write_page
from examples.benchmarks.estimators.world import sample_answers, sample_world
from selfcritic.agent.evals.measures import intervals

CHEAP = ("flawed answers", "critiqueability: mean")


@pytest.fixture
def fast_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure only answers to additions."""
    monkeypatch.setattr(repeats, "sample_world", sample_answers)
    monkeypatch.setattr(repeats, "measure_all", measure_answers)
    monkeypatch.setattr(repeats, "_measure_unclustered", measure_answers)
    monkeypatch.setattr(repeats, "null_p_value", lambda _: 0.5)


@pytest.mark.slow
def test_a_repeat_is_seeded_and_has_every_closed_form():
    values = measure_all(sample_world(3, 8))
    assert closed_forms().keys() <= values.keys()
    assert repr(values) == repr(measure_all(sample_world(3, 8)))
    for name, estimate in values.items():
        assert not math.isnan(estimate.value), name
        assert estimate.low <= estimate.high or math.isnan(estimate.low), name


def test_a_large_sample_agrees_with_the_closed_forms():
    values = measure_answers(sample_answers(7, 600))
    truths = closed_forms()
    for name, estimate in values.items():
        # Four standard errors, of which the interval has about 3.9.
        width = estimate.high - estimate.low
        assert estimate.value == pytest.approx(truths[name], abs=width), name


def test_the_graph_gives_the_planted_rates():
    values = measure_graph(20)
    truths = closed_forms()
    for name in CHEAP:
        assert values[name].covers(truths[name]), name


@pytest.mark.usefixtures("fast_measures")
def test_a_stopped_proof_continues(tmp_path: Path):
    path = tmp_path / "repeats.jsonl"
    first = list(run_repeats(path, 1, 8))
    with path.open("a") as file:
        file.write('{"key": {"seed": 1, "ta')  # killed while writing
    both = list(run_repeats(path, 2, 8))
    assert both[0] == first[0]
    assert [repeat["key"]["seed"] for repeat in run_repeats(path, 2, 8)] == [0, 1]


def test_the_table_counts_covered_repeats():
    truth = {"values": {"a": [0.5, 0.4, 0.6], "b": [0.2, 0.1, 0.3]}}
    finished = [
        {
            "values": {"a": [0.5, low, 0.8], "b": [0.2, 0.1, 0.3]},
            "unclustered": {"a": [0.5, 0.6, 0.7], "b": [0.2, math.nan, math.nan]},
        }
        for low in (0.1, 0.2, 0.6, math.nan)
    ]
    rows = {row.name: row for row in build_rows(truth, {"a": 0.55}, finished)}
    assert (rows["a"].truth, rows["a"].covered, rows["a"].count) == (0.55, 2, 3)
    assert rows["a"].unclustered == 0
    assert (rows["b"].truth, rows["b"].covered, rows["b"].unclustered) == (0.2, 4, None)


@pytest.mark.usefixtures("fast_measures")
def test_the_truth_is_saved(tmp_path: Path):
    path = tmp_path / "truth.jsonl"
    truth = measure_truth(path, 8)
    assert measure_truth(path, 8) == truth
    assert json.loads(path.read_text()) == truth


def test_the_page_has_all_measures():
    repeat = {"values": {"a": [0.5, 0.4, 0.6]}, "unclustered": {}, "p_value": 0.01}
    rows = build_rows({"values": {"a": [0.5, 0.4, 0.6]}}, {}, [repeat])
    page = write_page(
        rows, rows, [repeat], num_tasks=60, truth_tasks=3_000, graph={}, development="| a |"
    )
    assert "| a | 0.500 * | 0.500 | 1 of 1 |" in page
    assert "1 of 1" in page


def test_intervals_are_compared_on_other_tasks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(development, "_TRUTH_TASKS", 300)
    monkeypatch.setattr(intervals, "RESAMPLES", 50)
    auc, brier = development.compare(development.SCENARIOS[1], 4)
    assert auc.startswith("| 15 easy and hard tasks | AUC | 0.")
    assert auc.count(" of 4, 0.") == brier.count(" of 4, 0.") == 2


@pytest.mark.slow
def test_intervals_of_cheap_measures_cover_the_truth():
    truths = closed_forms()
    covered = dict.fromkeys(CHEAP, 0)
    for seed in range(100):
        values = measure_answers(sample_answers(seed, 40))
        for name in CHEAP:
            covered[name] += values[name].covers(truths[name])
    for name, count in covered.items():
        assert 90 <= count <= 99, name
