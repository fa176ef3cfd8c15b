"""Measure the samples and searches of a run: critics, frontier, reward models and Elo ratings."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from examples.critic_training.answers import ORIGINS
from examples.critic_training.setup import BEFORE, COMPARED, CRITICS, SEARCHED, Run
from examples.papers.results import Result, to_result
from selfcritic.agent.critic.selection import calibrate
from selfcritic.agent.data.files import RATINGS_FILE, RECORDS_FILE, read_answers, read_ratings
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample, Origin, RatingForm
from selfcritic.agent.evals.measures.elo import Preference, fit_elo
from selfcritic.agent.evals.measures.forms import THRESHOLDS
from selfcritic.agent.evals.measures.intervals import Estimate, mean
from selfcritic.agent.evals.measures.paired import compare_values

PERCENTILES = (10, 25, 50, 75)
"""Of the number of comments in a search, as in the paper; the 50th is the paper's default."""
DEFAULT_PERCENTILE = 50
MEASURES = (
    "bug inclusion",
    "comprehensive",
    "hallucinated problem",
    "nitpick",
    "overall score",
    "comments",
)
_SHARES = MEASURES[:4]


class RatedCritique(NamedTuple):
    """A critique with its form."""

    critique: CritiqueSample
    form: RatingForm


class RatedPool(NamedTuple):
    """An answer with its rated critiques."""

    record: AnswerRecord
    critiques: list[RatedCritique]


def read_pools(folder: Path) -> list[RatedPool]:
    """Read records and ratings that `write_pools` wrote."""
    forms: dict[tuple[str, str], RatingForm] = {}
    for rating in read_ratings(folder / RATINGS_FILE):
        forms[rating.record, rating.critique] = rating.form or RatingForm()
    pools = []
    for record in read_answers(folder / RECORDS_FILE):
        rated = [RatedCritique(item, forms[record.id, item.id]) for item in record.critiques]
        pools.append(RatedPool(record.model_copy(update={"critiques": []}), rated))
    return pools


def of_origin(pools: Sequence[RatedPool], origin: Origin) -> list[RatedPool]:
    """Return the pools of answers of one origin."""
    return [pool for pool in pools if pool.record.origin == origin]


def measure_form(rated: RatedCritique) -> dict[str, float]:
    """Return the measures of one critique."""
    form = rated.form
    included = [score >= THRESHOLDS[0] for score in form.bug_inclusion.values()]
    return {
        "bug inclusion": fmean(included),
        "comprehensive": float(all(included)),
        "hallucinated problem": float((form.hallucinated_problem or 0) >= THRESHOLDS[0]),
        "nitpick": float((form.nitpick or 0) >= THRESHOLDS[0]),
        "overall score": float(form.overall or 0),
        "comments": float(len(rated.critique.comments) + len(rated.critique.ungrounded)),
    }


def average_pool(pool: Sequence[RatedCritique]) -> dict[str, float]:
    """Return the mean of each measure over critiques of one answer."""
    rows = [measure_form(rated) for rated in pool]
    return {name: fmean(row[name] for row in rows) for name in MEASURES}


Columns = dict[str, dict[str, float]]
"""Measures by record id."""


def average_pools(pools: Sequence[RatedPool]) -> Columns:
    """Return the mean of each measure for each answer."""
    return {pool.record.id: average_pool(pool.critiques) for pool in pools}


def measure_critics(run: Run) -> list[Result]:
    """Measure each critic on the test answers, and compare critics answer by answer."""
    results: list[Result] = []
    pairs = [(BEFORE, name) for name in CRITICS if name != BEFORE]
    pairs += COMPARED
    critics: dict[str, list[RatedPool]] = {}
    for name in CRITICS:
        folder = run.folder / "samples" / name
        if folder.exists():
            critics[name] = read_pools(folder)
    for origin in ORIGINS:
        columns = {name: average_pools(of_origin(pools, origin)) for name, pools in critics.items()}
        for name, column in columns.items():
            for measure in MEASURES:
                label = f"{origin}, {name}: {measure}"
                estimate = _mean_of(column, measure)
                results.append(to_result("critics", _model(run), label, estimate))
        for first, second in pairs:
            if first not in columns or second not in columns:
                continue
            for measure in MEASURES:
                label = f"{origin}, {second} - {first}: {measure}"
                difference = _difference(columns[first], columns[second], measure)
                results.append(to_result("critics", _model(run), label, difference))
    return results


def _model(run: Run) -> str:
    return f"seed {run.seed}"


def _mean_of(column: Mapping[str, Mapping[str, float]], measure: str) -> Estimate:
    values = [row[measure] for row in column.values()]
    return mean(values, list(column), is_share=measure in _SHARES)


def _difference(first: Columns, second: Columns, measure: str) -> Estimate:
    """Return second minus first, paired by answer."""
    before = [first[name][measure] for name in first]
    after = [second[name][measure] for name in first]
    return compare_values(before, after, list(first)).difference


def select(pool: Sequence[RatedCritique], modifier: float) -> RatedCritique | None:
    """Return the critique with the highest reward plus modifier times comments."""
    eligible = [rated for rated in pool if rated.critique.comments]
    if not eligible:
        return None

    def value(rated: RatedCritique) -> float:
        return (rated.critique.reward or 0.0) + modifier * len(rated.critique.comments)

    return max(eligible, key=value)


def measure_searches(run: Run) -> list[Result]:
    """Measure one sample, the best of 28 and FSBS, before and after RL, at each percentile."""
    results: list[Result] = []
    for origin in ORIGINS:
        arms = search_arms(run, origin)
        for (arm, percentile), column in arms.items():
            for measure in MEASURES:
                label = f"{origin}, {arm}: {measure}"
                estimate = _mean_of(column, measure)
                results.append(
                    to_result("frontier", _model(run), label, estimate, float(percentile))
                )
        results += _compare_arms(run, origin, arms)
    return results


Arms = dict[tuple[str, int], Columns]
"""Measures of selected critiques, by arm and percentile; one sample has percentile 0."""


def search_arms(run: Run, origin: Origin) -> Arms:
    """Return the measures of what each arm selects; length modifiers are calibrated on dev."""
    arms: Arms = {}
    for critic in SEARCHED:
        samples_folder = run.folder / "samples" / critic
        searched: set[str] = set()
        for search in ("best of 28", "FSBS"):
            name = f"{critic}, {search}"
            folder = run.folder / "searches" / name
            if not (folder / "test").exists():
                continue
            dev = of_origin(read_pools(folder / "dev"), origin)
            test = of_origin(read_pools(folder / "test"), origin)
            searched = {pool.record.id for pool in test}
            critiques = [[rated.critique for rated in pool.critiques] for pool in dev]
            for percentile in PERCENTILES:
                modifier = calibrate(critiques, percentile)
                arms[name, percentile] = _select_all(test, modifier)
        if samples_folder.exists() and searched:
            pools = of_origin(read_pools(samples_folder), origin)
            kept = [pool for pool in pools if pool.record.id in searched]
            arms[f"{critic}, one sample", 0] = average_pools(kept)
    return arms


def _select_all(pools: Sequence[RatedPool], modifier: float) -> Columns:
    columns: Columns = {}
    for pool in pools:
        selected = select(pool.critiques, modifier)
        if selected is None:
            columns[pool.record.id] = dict.fromkeys(MEASURES, 0.0)
        else:
            columns[pool.record.id] = measure_form(selected)
    return columns


def _compare_arms(run: Run, origin: Origin, arms: Arms) -> list[Result]:
    """Compare FSBS with the other arms of its critic, and arms after RL with those before it."""
    before, after = SEARCHED
    pairs = [(f"{critic}, best of 28", f"{critic}, FSBS") for critic in SEARCHED]
    pairs += [(f"{before}, {search}", f"{after}, {search}") for search in ("best of 28", "FSBS")]
    results = []
    for first, second in pairs:
        for percentile in PERCENTILES:
            if (first, percentile) not in arms or (second, percentile) not in arms:
                continue
            for measure in MEASURES:
                label = f"{origin}, {second} - {first}: {measure}"
                difference = _difference(arms[first, percentile], arms[second, percentile], measure)
                results.append(
                    to_result("frontier", _model(run), label, difference, float(percentile))
                )
    return results


def measure_elo(run: Run) -> list[Result]:
    """Rank critics and searches by their overall scores on the searched answers."""
    results: list[Result] = []
    for origin in ORIGINS:
        scores = _overall_scores(run, origin)
        preferences: list[Preference] = []
        for first, second in combinations(scores, 2):
            for item in scores[first].keys() & scores[second].keys():
                preferences.append(
                    Preference(
                        item, first, second, _win_rate(scores[first][item], scores[second][item])
                    )
                )
        for arm, estimate in fit_elo(preferences).items():
            results.append(to_result("elo", _model(run), f"{origin}: {arm}", estimate))
    return results


Scores = dict[str, dict[str, list[float]]]
"""Overall scores by arm and record id."""


def _overall_scores(run: Run, origin: Origin) -> Scores:
    scores: Scores = {}
    for (arm, percentile), column in search_arms(run, origin).items():
        if percentile == DEFAULT_PERCENTILE:
            scores[arm] = {name: [row["overall score"]] for name, row in column.items()}
    searched = next(iter(scores.values()), {})
    for name in CRITICS:
        folder = run.folder / "samples" / name
        if not folder.exists():
            continue
        by_record = {}
        for pool in of_origin(read_pools(folder), origin):
            if pool.record.id in searched:
                by_record[pool.record.id] = [
                    float(item.form.overall or 0) for item in pool.critiques
                ]
        scores[f"{name}, one sample"] = by_record
    return scores


def _win_rate(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how often a score of the first wins against one of the second; ties count half."""
    wins = 0.0
    for one in first:
        for other in second:
            if one > other:
                wins += 1.0
            elif one == other:
                wins += 0.5
    return wins / (len(first) * len(second))
