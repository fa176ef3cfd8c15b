"""Measure critiqueability, best-of-N critiques and GDC gaps from the pools (experiments 1, 2 and 4)."""

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from examples.papers.models import TinyLanguageModel
from examples.papers.pools import SMALL_POOL_SIZE
from examples.papers.records import RatedPools, first_answers, select_records
from examples.papers.results import Result, to_result
from selfcritic.agent.evals.measures.discrimination import (
    Predictions,
    accuracy,
    area_under_curve,
    brier_score,
    calibration_error,
)
from selfcritic.agent.evals.measures.gdc import GDCSample, measure_gdc
from selfcritic.agent.evals.measures.intervals import Estimate, mean, rate
from selfcritic.agent.evals.measures.pools import (
    Pool,
    best_of_n,
    best_of_n_curve,
    best_of_n_rate,
)


def measure_critiqueability(model: TinyLanguageModel, pools: RatedPools) -> list[Result]:
    """Measure experiment 1 on the test tasks."""
    natural = first_answers(select_records(pools, "test", "natural"))
    tasks = [record.task for record, _ in natural]
    flawed = _flawed(natural)
    estimates = {
        "correct": rate([bool(record.is_correct) for record, _ in natural], tasks),
        "critiqueable": rate([not record.is_correct for record, _ in natural], tasks),
    }
    for name, group in (("of all", natural), ("of flawed", flawed)):
        estimates[f"helpful, one, {name}"] = best_of_n_rate(to_pools(group), 1)
        estimates[f"helpful, best of 8, {name}"] = best_of_n_rate(to_pools(group), 8)
        estimates[f"helpful, oracle of 8, {name}"] = best_of_n_rate(to_pools(group), 8, oracle=True)
    own = to_predictions(natural)
    estimates["AUC, own answers"] = area_under_curve(own)
    estimates["Brier, own answers"] = brier_score(own)
    estimates["ECE, own answers"] = calibration_error(own)
    estimates["accuracy, own answers"] = accuracy(own)
    inserted = select_records(pools, "test", "inserted") + select_records(pools, "test", "clean")
    estimates["AUC, inserted and clean"] = area_under_curve(to_predictions(inserted))
    estimates["AUC, helpfulness"] = area_under_curve(_helpfulness(flawed))
    estimates["AUC, best P(helpful)"] = area_under_curve(_verdict_by_helpfulness(natural))
    estimates["ungrounded critiques"] = _ungrounded(natural)
    return [to_result("size", model.name, name, value) for name, value in estimates.items()]


def compare_sizes(pools_by_model: dict[str, RatedPools]) -> list[Result]:
    """Compare sizes on the same tasks: medium with small, and large with medium (the mean of its seeds)."""
    measures: dict[str, Callable[[RatedPools], list[float]]] = {
        "critiqueable": lambda rated: [float(not record.is_correct) for record, _ in rated],
        "helpful, one, of all": lambda rated: _expected_validity(rated, 1),
        "helpful, best of 8, of all": lambda rated: _expected_validity(rated, 8),
    }
    results = []
    for name, measure in measures.items():
        by_size: dict[str, list[list[float]]] = {}
        tasks: list[str] = []
        for model, pools in pools_by_model.items():
            rated = first_answers(select_records(pools, "test", "natural"))
            tasks = [record.task for record, _ in rated]
            by_size.setdefault(model.split("-")[0], []).append(measure(rated))
        for small, large in (("small", "medium"), ("medium", "large")):
            if small not in by_size or large not in by_size:
                continue
            differences = np.mean(by_size[large], axis=0) - np.mean(by_size[small], axis=0)
            estimate = mean(differences.tolist(), tasks)
            results.append(to_result("size", large, f"{name}: {large} - {small}", estimate))
    return results


def _expected_validity(rated: RatedPools, n: int) -> list[float]:
    """Return the expected validity of the best of n critiques of each answer."""
    return [best_of_n(pool.scores, pool.outcomes, n) for pool in to_pools(rated)]


def measure_best_of_n(model: TinyLanguageModel, pools: RatedPools) -> list[Result]:
    """Measure experiment 2 on flawed answers."""
    results = []
    for origin in ("natural", "inserted"):
        flawed = _flawed(first_answers(select_records(pools, "test", origin)))
        for name, is_oracle in (("P(helpful)", False), ("oracle", True)):
            curve = best_of_n_curve(to_pools(flawed), oracle=is_oracle)
            for n, estimate in curve.items():
                measure = f"{origin}, {name}, N={n}"
                results.append(to_result("best_of_n", model.name, measure, estimate, n))
        for n in (8, 64):
            if flawed and n <= len(flawed[0][0].critiques):
                gain = np.subtract(_expected_validity(flawed, n), _expected_validity(flawed, 1))
                estimate = mean(gain.tolist(), [record.task for record, _ in flawed])
                name = f"{origin}, N={n} - N=1"
                results.append(to_result("best_of_n", model.name, name, estimate))
    return results


def measure_gaps(model: TinyLanguageModel, pools: RatedPools) -> list[Result]:
    """Measure experiment 4: G, D, C, the oracle and the gaps."""
    by_task: dict[Hashable, list[GDCSample]] = {}
    for record, is_valid in select_records(pools, "test", "natural"):
        rewards = [sample.reward or 0.0 for sample in record.critiques[:SMALL_POOL_SIZE]]
        best = rewards.index(max(rewards))
        sample = GDCSample(
            float(bool(record.is_correct)), record.p_critiqueable or 0.0, is_valid[best]
        )
        by_task.setdefault(record.task, []).append(sample)
    result = measure_gdc(dict(by_task))
    results = []
    for kind, estimates in (
        ("", result.abilities),
        ("", result.gaps),
        ("share ", result.normalized),
    ):
        for name, estimate in estimates.items():
            results.append(to_result("gdc", model.name, f"{kind}{name}", estimate))
    return results


def to_pools(rated: RatedPools) -> list[Pool]:
    """Return the critiques of each answer, selected by P(helpful)."""
    pools = []
    for record, is_valid in rated:
        rewards = [sample.reward or 0.0 for sample in record.critiques]
        pools.append(Pool(record.task, rewards, [float(valid) for valid in is_valid]))
    return pools


def _flawed(rated: RatedPools) -> RatedPools:
    return [(record, is_valid) for record, is_valid in rated if not record.is_correct]


def to_predictions(rated: RatedPools) -> Predictions:
    """Return P(critiqueable) of answers, and whether they are flawed."""
    probabilities = [record.p_critiqueable or 0.0 for record, _ in rated]
    labels = [not record.is_correct for record, _ in rated]
    return Predictions(probabilities, labels, [record.task for record, _ in rated])


def _helpfulness(rated: RatedPools) -> Predictions:
    """Return P(helpful) and validity of eight critiques of each answer."""
    probabilities: list[float] = []
    labels: list[bool] = []
    tasks: list[Hashable] = []
    for record, is_valid in rated:
        for sample, valid in list(zip(record.critiques, is_valid, strict=True))[:SMALL_POOL_SIZE]:
            probabilities.append(sample.helpfulness or 0.0)
            labels.append(valid)
            tasks.append(record.task)
    return Predictions(probabilities, labels, tasks)


def _verdict_by_helpfulness(rated: RatedPools) -> Predictions:
    """Return the highest of eight P(helpful) and whether the answer is flawed."""
    probabilities = []
    for record, _ in rated:
        pool: Sequence[float] = [c.helpfulness or 0.0 for c in record.critiques[:SMALL_POOL_SIZE]]
        probabilities.append(max(pool))
    labels = [not record.is_correct for record, _ in rated]
    return Predictions(probabilities, labels, [record.task for record, _ in rated])


def _ungrounded(rated: RatedPools) -> Estimate:
    """Return the share of critiques without a quote of the answer."""
    shares = []
    for record, _ in rated:
        missing = [not sample.comments for sample in record.critiques]
        shares.append(sum(missing) / len(missing))
    return mean(shares, [record.task for record, _ in rated], is_share=True)
