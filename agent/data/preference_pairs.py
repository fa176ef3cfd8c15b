"""Turn comparisons into preference pairs, and balance their lengths."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from selfcritic.agent.data.comparisons import find_critique, find_record
from selfcritic.agent.data.records import AnswerRecord, Comparison, CritiqueSample
from selfcritic.agent.errors import InputError


@dataclass(frozen=True)
class PreferencePair:
    """Two critiques of an answer, of which a rater preferred the first."""

    record: AnswerRecord
    chosen: CritiqueSample
    rejected: CritiqueSample
    margin: int
    """Difference of the overall scores, from 1 to 6."""
    rater: str


@dataclass(frozen=True)
class LengthReport:
    """Lengths of the chosen and the rejected critiques, in characters."""

    pairs: int
    chosen: float
    """Mean length."""
    rejected: float
    chosen_is_longer: float
    """Share of pairs with a longer chosen critique, equal lengths counted half: the accuracy of "longer is better"."""


def create_pairs(
    records: Sequence[AnswerRecord], comparisons: Sequence[Comparison], *, min_margin: int = 1
) -> list[PreferencePair]:
    """Return a pair for each two critiques of a comparison with different overall scores.

    Ties, unfilled forms, failed comparisons and critiques with equal texts give no pair.

    Args:
        records: The records that the comparisons refer to.
        comparisons: Filled comparisons.
        min_margin: Smallest difference of the overall scores.

    Raises:
        InputError: A comparison refers to an unknown record or critique, or `min_margin` is less than 1.
    """
    if min_margin < 1:
        raise InputError(f"`min_margin` must be at least 1, not {min_margin}.")
    by_id = {record.id: record for record in records}
    pairs = []
    for comparison in comparisons:
        if comparison.error is not None:
            continue
        record = find_record(by_id, comparison.record)
        scores: list[tuple[int, CritiqueSample]] = []
        for name, form in zip(comparison.critiques, comparison.forms, strict=False):
            if form.overall is not None:
                scores.append((form.overall, find_critique(record, name)))
        for (first, one), (second, other) in combinations(scores, 2):
            margin = abs(first - second)
            if margin < min_margin or one.text == other.text:
                continue
            chosen, rejected = (one, other) if first > second else (other, one)
            pairs.append(PreferencePair(record, chosen, rejected, margin, comparison.rater))
    return pairs


def report_lengths(pairs: Sequence[PreferencePair]) -> LengthReport:
    """Return the lengths of chosen and rejected critiques.

    A reward model that learns from unbalanced pairs may learn the length.

    Raises:
        InputError: There are no pairs.
    """
    if not pairs:
        raise InputError(
            "There are no pairs: no comparison has critiques with different overall scores."
        )
    return LengthReport(
        pairs=len(pairs),
        chosen=fmean(len(pair.chosen.text) for pair in pairs),
        rejected=fmean(len(pair.rejected.text) for pair in pairs),
        chosen_is_longer=fmean((_compare_lengths(pair) + 1) / 2 for pair in pairs),
    )


def balance_lengths(pairs: Sequence[PreferencePair], seed: int = 0) -> list[PreferencePair]:
    """Drop random pairs until the chosen critique is as often longer as shorter.

    Pairs of equal lengths are kept, and so is the order.
    """
    longer = [index for index, pair in enumerate(pairs) if _compare_lengths(pair) > 0]
    shorter = [index for index, pair in enumerate(pairs) if _compare_lengths(pair) < 0]
    larger = max(longer, shorter, key=len)
    num_dropped = abs(len(longer) - len(shorter))
    dropped = set(random.Random(seed).sample(larger, num_dropped))
    return [pair for index, pair in enumerate(pairs) if index not in dropped]


def _compare_lengths(pair: PreferencePair) -> int:
    """Return 1 if the chosen critique is longer, -1 if it is shorter, else 0."""
    difference = len(pair.chosen.text) - len(pair.rejected.text)
    return (difference > 0) - (difference < 0)
