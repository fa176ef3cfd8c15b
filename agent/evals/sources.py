"""Measure whose critiques raters prefer: a person's, a critic's, or those of a person with the critic (paper 2)."""

from collections.abc import Sequence

from selfcritic.agent.data.comparisons import GOLD
from selfcritic.agent.data.records import AnswerRecord, Comparison, HumanReview
from selfcritic.agent.evals.measures.elo import Preference, preference_rate
from selfcritic.agent.evals.measures.intervals import Estimate
from selfcritic.agent.evals.sections.preferences import compare_pairs

HUMAN = "human"
CRITIC = "critic"
ASSISTED = "human + critic"
PAIRS = ((ASSISTED, HUMAN), (ASSISTED, CRITIC), (HUMAN, CRITIC))
_Sources = dict[tuple[str, str], str]
"""Source of each critique, by the ids of its record and its own; without gold critiques."""


def measure_source_preferences(
    records: Sequence[AnswerRecord],
    reviews: Sequence[HumanReview],
    comparisons: Sequence[Comparison],
) -> dict[tuple[str, str], Estimate]:
    """Return how often the first source of each of `PAIRS` is preferred to the second.

    Each two critiques of a comparison with different sources count; equal overall scores count half. Intervals resample
    tasks. Critiques that no review wrote are the critic's; gold critiques have no source.
    """
    sources = _find_sources(records, reviews)
    tasks = {record.id: record.task for record in records}
    preferences = []
    for comparison in comparisons:
        if comparison.error is not None:
            continue
        for first, second, score in compare_pairs(comparison):
            first_source = sources.get((comparison.record, first))
            second_source = sources.get((comparison.record, second))
            if first_source is None or second_source is None or first_source == second_source:
                continue
            task = tasks[comparison.record]
            preferences.append(Preference(task, first_source, second_source, score))
    estimates = {}
    for source, other in PAIRS:
        estimates[source, other] = preference_rate(preferences, source, other)
    return estimates


def _find_sources(records: Sequence[AnswerRecord], reviews: Sequence[HumanReview]) -> _Sources:
    sources: _Sources = {}
    for record in records:
        for critique in record.critiques:
            if critique.critic != GOLD:
                sources[record.id, critique.id] = CRITIC
    for review in reviews:
        if review.critique is not None:
            sources[review.record, review.critique] = ASSISTED if review.prefilled else HUMAN
    return sources
