"""Measure the frontier of comprehensive and spurious critiques (experiment 6).

A critique is selected by P(helpful) + modifier × highlights. Two modifiers of each search are chosen on development
tasks, and measured once on test tasks: the one with the most comprehensive critiques minus spurious ones ("chosen"),
and the one that `calibrate` finds for the 50th percentile of highlights, as the paper does.
"""

from collections.abc import Hashable, Sequence
from pathlib import Path

from examples.papers.models import Split, TinyLanguageModel
from examples.papers.results import Result, to_result
from examples.papers.search import SEARCHES
from selfcritic.agent.critic.selection import calibrate
from selfcritic.agent.data.files import RATINGS_FILE, RECORDS_FILE, read_answers, read_ratings
from selfcritic.agent.data.records import AnswerRecord, Origin, Rating, RatingForm
from selfcritic.agent.evals.measures.forms import THRESHOLDS, is_spurious
from selfcritic.agent.evals.measures.frontier import (
    FrontierPoint,
    RatedSample,
    measure_frontier,
    select_sample,
)
from selfcritic.agent.evals.measures.intervals import Estimate
from selfcritic.agent.evals.measures.paired import compare_rates

MODIFIERS = (-1.0, -0.5, -0.2, -0.1, -0.05, 0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
Pools = dict[Hashable, list[RatedSample]]


def measure_searches(model: TinyLanguageModel, folder: Path) -> list[Result]:
    """Measure each search with its chosen modifier, and its frontier, on test tasks."""
    records = read_answers(folder / RECORDS_FILE)
    ratings = read_ratings(folder / RATINGS_FILE)
    forms = {(rating.record, rating.critique): rating for rating in ratings}
    results: list[Result] = []
    origins: tuple[Origin, ...] = ("natural", "inserted")
    for origin in origins:
        chosen: dict[tuple[str, str], tuple[Pools, float]] = {}
        for search in SEARCHES:
            critic = f"{model.name}/{search}"
            dev = rated_pools(_of(records, "dev", origin), forms, critic)
            test = rated_pools(_of(records, "test", origin), forms, critic)
            if not dev or not test:
                continue
            label = f"{origin}, {search}"
            modifiers = {
                "chosen": choose_modifier(measure_frontier(dev, MODIFIERS)),
                "50th percentile": _calibrate(_of(records, "dev", origin), critic),
            }
            for choice, modifier in modifiers.items():
                chosen[search, choice] = (test, modifier)
                [point] = measure_frontier(test, [modifier])
                results += _point_results(model.name, f"{label}, {choice}", point)
            for point in measure_frontier(test, MODIFIERS):
                results += _point_results(
                    model.name, f"{label}, modifier {point.length_modifier}", point
                )
        results += _compare_searches(model.name, origin, chosen)
    return results


def _of(records: Sequence[AnswerRecord], split: Split, origin: Origin) -> list[AnswerRecord]:
    return [record for record in records if (record.split, record.origin) == (split, origin)]


def rated_pools(
    records: Sequence[AnswerRecord], ratings: dict[tuple[str, str], Rating], critic: str
) -> Pools:
    """Return a critic's rated critiques of each answer; those without a located quote are not eligible."""
    pools: Pools = {}
    for record in records:
        pool = []
        for sample in record.critiques:
            if sample.critic != critic or not sample.comments:
                continue
            form = ratings[record.id, sample.id].form or RatingForm()
            is_comprehensive = (form.comprehensiveness or 0) >= THRESHOLDS[0]
            pool.append(
                RatedSample(
                    sample.reward or 0.0, len(sample.comments), is_comprehensive, is_spurious(form)
                )
            )
        pools[record.task] = pool
    return pools


def _calibrate(records: Sequence[AnswerRecord], critic: str) -> float:
    """Return the modifier for the 50th percentile of highlights."""
    pools = []
    for record in records:
        pools.append([sample for sample in record.critiques if sample.critic == critic])
    return calibrate(pools, 50)


def choose_modifier(points: Sequence[FrontierPoint]) -> float:
    """Return the modifier with the most comprehensive critiques minus spurious ones, of ties the smallest."""

    def key(point: FrontierPoint) -> tuple[float, float]:
        balance = point.comprehensive.value - point.spurious.value
        return round(balance, 9), -abs(point.length_modifier)

    best = max(points, key=key)
    return best.length_modifier


def _point_results(model: str, name: str, point: FrontierPoint) -> list[Result]:
    estimates = {
        "comprehensive": point.comprehensive,
        "spurious": point.spurious,
        "highlights": point.highlights,
    }
    return [
        to_result("frontier", model, f"{name}: {measure}", estimate, point.length_modifier)
        for measure, estimate in estimates.items()
    ]


def _compare_searches(
    model: str, origin: str, chosen: dict[tuple[str, str], tuple[Pools, float]]
) -> list[Result]:
    """Compare the chosen critiques with the best of 28, paired by task."""
    results = []
    last = SEARCHES[-1]
    for search, choice in chosen:
        if search == last:
            continue
        for measure in ("comprehensive", "spurious"):
            estimate = _difference(chosen[last, choice], chosen[search, choice], measure)
            name = f"{origin}, {search} - {last}, {choice}: {measure}"
            results.append(to_result("frontier", model, name, estimate))
    return results


def _difference(first: tuple[Pools, float], second: tuple[Pools, float], measure: str) -> Estimate:
    """Return the paired difference of a rate; an answer without a critique counts as False."""
    hits: list[list[bool]] = []
    for pools, modifier in (first, second):
        column = []
        for pool in pools.values():
            sample = select_sample(pool, modifier)
            column.append(bool(sample and getattr(sample, f"is_{measure}")))
        hits.append(column)
    return compare_rates(hits[0], hits[1], list(first[0])).difference
