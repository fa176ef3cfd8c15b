"""Measure a critic from records, ratings and comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from selfcritic.agent.data.records import AnswerRecord, Comparison, Rating
from selfcritic.agent.evals.dataset import Dataset
from selfcritic.agent.evals.epochs import Spread, measure_spread
from selfcritic.agent.evals.measurement import Measurement
from selfcritic.agent.evals.sections.answers import (
    discriminator_predictions,
    measure_answers,
    measure_best_answers,
    measure_discriminator,
    measure_errors,
)
from selfcritic.agent.evals.sections.critiques import (
    helpfulness_predictions,
    measure_best_critiques,
    measure_helpful,
    measure_helpfulness_score,
    measure_matrix,
    measure_quotes,
)
from selfcritic.agent.evals.sections.discrimination import measure_reliability
from selfcritic.agent.evals.sections.forms import (
    measure_caught_bug_costs,
    measure_forms,
    measure_raters,
)
from selfcritic.agent.evals.sections.frontier import (
    FrontierCurve,
    draw_frontiers,
    measure_frontiers,
)
from selfcritic.agent.evals.sections.gdc import measure_gaps
from selfcritic.agent.evals.sections.preferences import measure_preferences
from selfcritic.agent.evals.sections.refinement import measure_refinements
from selfcritic.agent.evals.sections.reviews import measure_review, measure_review_costs
from selfcritic.agent.evals.sections.sizes import measure_sizes

_SECTIONS = (
    measure_errors,
    measure_answers,
    measure_discriminator,
    measure_helpful,
    measure_best_critiques,
    measure_helpfulness_score,
    measure_best_answers,
    measure_gaps,
    measure_refinements,
    measure_matrix,
    measure_sizes,
    measure_forms,
    measure_frontiers,
    measure_quotes,
    measure_preferences,
    measure_review,
    measure_raters,
)


_NOTHING = (
    "There is nothing to measure: the records have no truth (`is_correct`, `quality` or `bugs`), no critiques with "
    "quotes or ratings, and no refinements."
)


@dataclass(frozen=True)
class ReliabilityCurve:
    """Mean probability and share of true labels of each bin."""

    title: str
    """What is predicted, and the origin of the answers."""
    name: str
    """Critic, or origin of the answers."""
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Summary:
    """All measurements of a run."""

    measurements: list[Measurement]
    reliability: list[ReliabilityCurve]
    frontiers: list[FrontierCurve]
    notes: list[str]
    """Which ratings were used."""
    warnings: list[str]
    """What may invalidate the measurements."""
    spreads: list[Spread] = field(default_factory=list)
    """Differences between the epochs of the run."""


def summarize(
    records: Sequence[AnswerRecord],
    ratings: Sequence[Rating] = (),
    comparisons: Sequence[Comparison] = (),
    *,
    rater: str | None = None,
) -> Summary:
    """Measure everything that the records allow.

    Natural, inserted and clean answers are measured apart, and intervals resample tasks. Rows without a result, such as
    unreadable replies, are missing values, never zeros.

    Args:
        records: Answers with their critiques and refinements.
        ratings: Ratings of the critiques; the most trusted type of rater is used: oracle, tests, human, judge.
        comparisons: Comparisons of critiques of the same answer.
        rater: Name of the rater to use instead.

    Raises:
        InputError: There are no records, or `rater` rated nothing.
    """
    data = Dataset(records, ratings, comparisons, rater=rater)
    measurements = _measure(data)
    warnings = _warnings(data)
    if not measurements:
        warnings.append(_NOTHING)
    return Summary(
        measurements,
        _reliability_curves(data),
        draw_frontiers(data),
        _notes(data),
        warnings,
        measure_spread(records, ratings, lambda own, rated: _measure_epoch(own, rated, rater)),
    )


def _measure(data: Dataset) -> list[Measurement]:
    measurements: list[Measurement] = []
    for measure in _SECTIONS:
        measurements += measure(data)
    return measurements + (measure_caught_bug_costs(data) or measure_review_costs(data))


def _measure_epoch(
    records: Sequence[AnswerRecord], ratings: Sequence[Rating], rater: str | None
) -> list[Measurement]:
    used = [rating for rating in ratings if rater in (None, rating.rater)]
    return _measure(Dataset(records, used))


def _reliability_curves(data: Dataset) -> list[ReliabilityCurve]:
    curves = []
    for group, rows in discriminator_predictions(data).items():
        points = measure_reliability(rows)
        if points:
            curves.append(ReliabilityCurve("P(critiqueable)", f"{group} answers", points))
    for (group, critic), rows in helpfulness_predictions(data).items():
        points = measure_reliability(rows)
        if points:
            curves.append(ReliabilityCurve(f"P(helpful), {group} answers", critic, points))
    return curves


def _notes(data: Dataset) -> list[str]:
    counts = [f"{len(data.of_origin(origin))} {origin}" for origin in data.origins]
    notes = [f"Answers: {', '.join(counts)}."]
    for kind, raters in (("helpfulness", data.helpful_raters), ("form", data.form_raters)):
        if raters:
            notes.append(f"Ratings of {kind} are by {', '.join(raters)}.")
    used = {*data.helpful_raters, *data.form_raters}
    unused = sorted({rating.rater for rating in data.ratings} - used)
    if used and unused:
        notes.append(f"Ratings by {', '.join(unused)} are not used. Select them with --rater.")
    return notes


def _warnings(data: Dataset) -> list[str]:
    warnings = []
    judges = {rating.rater for rating in data.ratings if rating.rater_type == "judge"}
    used = {*data.helpful_raters, *data.form_raters}
    for judge in sorted(judges & used):
        if judge in data.critics:
            warnings.append(
                f"The judge {judge!r} is also the critic. A model that rates its own critiques is biased: use another "
                "judge, people, tests or an oracle."
            )
        else:
            warnings.append(
                f"The ratings are by a judge model ({judge!r}), which may be wrong. Check it with "
                "`selfcritic eval judge-check`."
            )
    if data.num_dangling:
        warnings.append(
            f"{data.num_dangling} ratings name records or critiques that do not exist, or records with an error. They "
            "are not used."
        )
    if not data.ratings and data.critics:
        warnings.append(
            "There are no ratings, so that critiques are measured only by their quotes and by known bugs. Add "
            "ratings.jsonl."
        )
    return warnings
