"""Rank critics by pairwise preference and Elo (paper 2, figure 1)."""

from itertools import combinations

from selfcritic.agent.data.records import Comparison
from selfcritic.agent.evals.dataset import Dataset
from selfcritic.agent.evals.measurement import Label, Measurement
from selfcritic.agent.evals.measures.elo import Preference, fit_elo, preference_rate

SECTION = "Preference"


def measure_preferences(data: Dataset) -> list[Measurement]:
    """Return how often each critic is preferred to each other, and Elo ratings.

    A comparison of several critiques counts as all its pairs; equal overall scores are ties.
    """
    measurements = []
    for origin in data.origins:
        preferences = collect_preferences(data, origin)
        critics = sorted({name for row in preferences for name in (row.first, row.second)})
        for critic in critics:
            for other in critics:
                if critic < other:
                    estimate = preference_rate(preferences, critic, other)
                    if estimate.count:
                        name = f"preferred to {other} (ties 1/2)"
                        label = Label(SECTION, name, origin, critic)
                        measurements.append(Measurement(label, estimate))
        for critic, estimate in fit_elo(preferences).items():
            label = Label(SECTION, "Elo", origin, critic)
            measurements.append(Measurement(label, estimate, "number"))
    return measurements


def collect_preferences(data: Dataset, origin: str) -> list[Preference]:
    """Return the preferences between critiques of different critics."""
    preferences = []
    for comparison in data.comparisons:
        record = data.find_record(comparison.record)
        if record is not None and record.origin == origin:
            for first, second, score in compare_pairs(comparison):
                critics = []
                for name in (first, second):
                    critique = data.find_critique(comparison.record, name)
                    if critique is not None:
                        critics.append(critique.critic)
                if len(critics) == 2 and critics[0] != critics[1]:
                    preferences.append(Preference(record.task, critics[0], critics[1], score))
    return preferences


def compare_pairs(comparison: Comparison) -> list[tuple[str, str, float]]:
    """Return both critiques' ids and the preference for the first of each pair, in shown order."""
    scores: list[tuple[str, int]] = []
    for critique, form in zip(comparison.critiques, comparison.forms, strict=False):
        if form.overall is not None:
            scores.append((critique, form.overall))
    pairs = []
    for (first, score), (second, other) in combinations(scores, 2):
        preference = 0.5
        if score != other:
            preference = float(score > other)
        pairs.append((first, second, preference))
    return pairs
