"""Apply every measure of `selfcritic.agent.evals.measures` to sampled records."""

import math
from collections.abc import Callable, Iterator, Sequence

from examples.benchmarks.estimators.world import World
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample, Rating
from selfcritic.agent.evals.measures import (
    discrimination,
    elo,
    forms,
    frontier,
    gdc,
    judges,
    pools,
    refinement,
    reviews,
)
from selfcritic.agent.evals.measures.intervals import Estimate, mean, rate

Values = dict[str, Estimate]
POOL_SIZES = (1, 2, 4, 8)
LENGTH_MODIFIERS = (-0.3, 0.0, 0.3)
_Row = tuple[AnswerRecord, CritiqueSample, Rating]


def measure_all(world: World) -> Values:
    """Return all measures of a world, by name."""
    values: Values = {}
    for measure in MEASURES:
        values |= measure(world)
    return values


def measure_answers(world: World) -> Values:
    """Measure answers and the verdicts on them."""
    tasks = [record.task for record in world.records]
    probabilities = [record.p_critiqueable or 0.0 for record in world.records]
    flawed = [not record.is_correct for record in world.records]
    predictions = discrimination.Predictions(probabilities, flawed, tasks)
    return {
        "flawed answers": rate(flawed, tasks),
        "critiqueability: mean": mean(probabilities, tasks, is_share=True),
        "critiqueability: share above 0.5": rate([p > 0.5 for p in probabilities], tasks),
        "AUC": discrimination.area_under_curve(predictions),
        "Brier score": discrimination.brier_score(predictions),
        "calibration error": discrimination.calibration_error(predictions),
        "accuracy at 0.5": discrimination.accuracy(predictions),
        "pairwise accuracy": discrimination.pairwise_accuracy(predictions),
    }


def measure_critiques(world: World) -> Values:
    """Measure how helpful critiques are, and how well a score finds helpful ones."""
    rows = list(_rows(world, "oracle"))
    tasks = [record.task for record, _, _ in rows]
    helpful = [bool(rating.is_helpful) for _, _, rating in rows]
    flawed = [number for number, (record, _, _) in enumerate(rows) if not record.is_correct]
    scores = [critique.reward or 0.0 for _, critique, _ in rows]
    predictions = discrimination.Predictions(scores, helpful, tasks)
    return {
        "helpful critiques": rate(helpful, tasks),
        "helpful critiques: of flawed answers": rate(
            [helpful[number] for number in flawed], [tasks[number] for number in flawed]
        ),
        "helpfulness AUC": discrimination.area_under_curve(predictions),
        "helpfulness Brier score": discrimination.brier_score(predictions),
    }


def measure_pools(world: World) -> Values:
    """Measure the selected critiques of pools of several sizes."""
    scored: list[pools.Pool] = []
    by_record = _by_record(world)
    for record in world.records:
        if record.is_correct:
            continue
        rows = by_record[record.id]
        scores = [critique.reward or 0.0 for _, critique, _ in rows]
        outcomes = [float(bool(rating.is_helpful)) for _, _, rating in rows]
        scored.append(pools.Pool(record.task, scores, outcomes))
    values: Values = {}
    for size in POOL_SIZES:
        values[f"best of {size} critiques"] = pools.best_of_n_rate(scored, size)
    values["best of 2 critiques: oracle"] = pools.best_of_n_rate(scored, 2, oracle=True)
    return values


def measure_gaps(world: World) -> Values:
    """Measure generator, discriminator and critique abilities, and their gaps."""
    judged = {
        (rating.record, rating.critique): bool(rating.is_helpful)
        for rating in world.ratings
        if rating.rater == "judge"
    }
    samples: dict[object, list[gdc.GDCSample]] = {}
    for record in world.records:
        best = max(record.critiques, key=lambda critique: critique.reward or 0.0)
        sample = gdc.GDCSample(
            quality=float(bool(record.is_correct)),
            p_critiqueable=record.p_critiqueable or 0.0,
            has_valid_critique=judged[record.id, best.id],
        )
        samples.setdefault(record.task, []).append(sample)
    result = gdc.measure_gdc(dict(samples))
    values = {f"GDC: {name}": estimate for name, estimate in result.abilities.items()}
    values |= {f"GDC: gap {name}": estimate for name, estimate in result.gaps.items()}
    for name in ("D", "C", "CD"):
        values[f"GDC: {name}, normalized"] = result.normalized[name]
    return values


def measure_refinements(world: World) -> Values:
    """Measure refinement arms, and compare them on the same answers."""
    loop = _outcomes(world, "loop")
    direct = _outcomes(world, "direct")
    result = refinement.measure_arm(loop)
    wins = [(after.is_correct - after.was_correct + 1) / 2 for after in loop]
    return {
        "refinement: accuracy": result.accuracy,
        "refinement: gain": result.gain,
        "refinement: wrong to correct": result.wrong_to_correct,
        "refinement: correct to wrong": result.correct_to_wrong,
        "refinement: calls": result.calls,
        "refinement: calls per correct answer": result.calls_per_correct,
        "refinement: win rate": refinement.win_rate(wins, [after.task for after in loop]),
        "refinement: direct minus loop": refinement.compare_arms(loop, direct).difference,
    }


def measure_form_scores(world: World) -> Values:
    """Measure ratings on CriticGPT's form."""
    rated = [
        forms.RatedForm(record.task, rating.form)
        for record, _, rating in _rows(world, "oracle")
        if not record.is_correct
    ]
    return {
        "form: bug inclusion": forms.bug_inclusion(rated),
        "form: bug inclusion, 6 or more": forms.bug_inclusion(rated, 6),
        "form: comprehensive": forms.share_yes(rated, "comprehensiveness"),
        "form: nitpick": forms.share_yes(rated, "nitpick"),
        "form: hallucinated problem": forms.share_yes(rated, "hallucinated_problem"),
        "form: spurious claim": forms.share_with_spurious_claim(rated),
        "form: conciseness": forms.mean_score(rated, "conciseness"),
        "form: overall": forms.mean_score(rated, "overall"),
    }


def measure_preferences(world: World) -> Values:
    """Measure pairwise preference, Elo ratings, and the biases of a judge."""
    tasks = [task for task, _, _ in world.biases]
    values = {
        "preference: D to A": elo.preference_rate(world.preferences, "D", "A"),
        "position bias": judges.position_bias([first for _, first, _ in world.biases], tasks),
        "length bias": judges.length_bias([longer for _, _, longer in world.biases], tasks),
    }
    for critic, estimate in elo.fit_elo(world.preferences).items():
        values[f"Elo: {critic}"] = estimate
    return values


def measure_frontiers(world: World) -> Values:
    """Measure points of the frontier of comprehensive and spurious critiques."""
    samples: dict[object, list[frontier.RatedSample]] = {}
    for record, critique, rating in _rows(world, "oracle"):
        if record.is_correct or rating.form is None:
            continue
        sample = frontier.RatedSample(
            reward=critique.reward or 0.0,
            num_highlights=len(critique.comments),
            is_comprehensive=(rating.form.comprehensiveness or 0) >= 5,
            is_spurious=forms.is_spurious(rating.form, 5),
        )
        samples.setdefault((record.task, record.id), []).append(sample)
    values: Values = {}
    for point in frontier.measure_frontier(dict(samples), LENGTH_MODIFIERS):
        name = f"frontier at {point.length_modifier:g}"
        values[f"{name}: comprehensive"] = point.comprehensive
        values[f"{name}: spurious"] = point.spurious
        values[f"{name}: highlights"] = point.highlights
    return values


def measure_code_reviews(world: World) -> Values:
    """Measure a reviewer that reports its first critique of answers that it judges flawed."""
    items: list[reviews.ReviewedItem] = []
    costs: list[float | None] = []
    for record in world.records:
        comments = record.critiques[0].comments if record.metadata["verdict"] == "Yes" else []
        bugs = record.bugs or []
        matches = reviews.match_comments(comments, bugs)
        matched = [match is not None for match in matches]
        items.append(reviews.ReviewedItem(record.task, len(comments), bugs, matched))
        costs.append(2.0 if comments else 1.0)
    result = reviews.measure_reviews(items)
    return {
        "review: recall": result.recall,
        "review: precision": result.precision,
        "review: severe misses": result.severe_misses,
        "review: false alarms": result.false_alarms,
        "review: comments per answer": result.comments,
        "review: calls per caught bug": reviews.calls_per_caught_bug(items, costs),
    }


def measure_judge(world: World) -> Values:
    """Measure a judge of critiques against the oracle, and correct its rate on other tasks."""
    verdicts = [bool(rating.is_helpful) for _, _, rating in _rows(world, "judge")]
    rows = list(_rows(world, "oracle"))
    labels = [bool(rating.is_helpful) for _, _, rating in rows]
    tasks = [record.task for record, _, _ in rows]
    result = judges.check_judge(verdicts, labels, tasks)
    names = sorted(set(tasks))
    checked = set(names[::2])
    check = [row for row in zip(verdicts, labels, tasks, strict=True) if row[2] in checked]
    others = [number for number, task in enumerate(tasks) if task not in checked]
    corrected = judges.corrected_rate(
        [verdicts[number] for number in others], [tasks[number] for number in others], check
    )
    return {
        "judge: sensitivity": result.sensitivity,
        "judge: specificity": result.specificity,
        "judge: kappa": result.kappa,
        "judge: corrected rate": corrected,
    }


MEASURES: Sequence[Callable[[World], Values]] = (
    measure_answers,
    measure_critiques,
    measure_pools,
    measure_gaps,
    measure_refinements,
    measure_form_scores,
    measure_preferences,
    measure_frontiers,
    measure_code_reviews,
    measure_judge,
)


def null_p_value(world: World) -> float:
    """Return McNemar's p-value of two equal arms, with one answer per task as the test assumes."""
    first_answers: dict[str, AnswerRecord] = {}
    for record in world.records:
        first_answers.setdefault(record.task, record)
    single = World(records=list(first_answers.values()))
    p_value = refinement.compare_arms(
        _outcomes(single, "direct"), _outcomes(single, "direct again")
    ).p_value
    return math.nan if p_value is None else p_value


def _outcomes(world: World, arm: str) -> list[refinement.ArmOutcome]:
    outcomes: list[refinement.ArmOutcome] = []
    for record in world.records:
        [refined] = [refined for refined in record.refinements if refined.arm == arm]
        outcomes.append(
            refinement.ArmOutcome(
                record.task, bool(record.is_correct), bool(refined.is_correct), refined.calls
            )
        )
    return outcomes


def _rows(world: World, rater: str) -> Iterator[_Row]:
    """Yield each critique with its answer and its rating."""
    ratings = {
        (rating.record, rating.critique): rating
        for rating in world.ratings
        if rating.rater == rater
    }
    for record in world.records:
        for critique in record.critiques:
            yield record, critique, ratings[record.id, critique.id]


def _by_record(world: World) -> dict[str, list[_Row]]:
    rows: dict[str, list[_Row]] = {}
    for row in _rows(world, "oracle"):
        rows.setdefault(row[0].id, []).append(row)
    return rows
