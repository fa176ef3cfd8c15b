"""Repeat the samples of a run with other seeds, and measure how much the results differ."""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from selfcritic.agent.data.records import AnswerRecord, Rating
from selfcritic.agent.evals.measurement import Label, Measurement, Unit

EPOCH = "epoch"
"""Key of a record's metadata; records without it belong to epoch 1."""
_REPEATED = "repeats_answer"
"""Key of a record's metadata: the answer is that of epoch 1, not a new sample."""
_MAX_SEED = 2**30
MeasureRecords = Callable[[Sequence[AnswerRecord], Sequence[Rating]], Sequence[Measurement]]


@dataclass(frozen=True)
class Spread:
    """How much a measure differs between the epochs of a run."""

    label: Label
    name: str
    """The measure, with its section if measures of several sections have this name."""
    unit: Unit
    values: list[float]
    """One value for each epoch."""
    changed: float
    """Share of items, each right or wrong, that do not have the same value in all epochs; NaN for other items."""

    @property
    def deviation(self) -> float:
        """Standard deviation between epochs."""
        return statistics.stdev(self.values)


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of an epoch; the first epoch has the seed of the run."""
    if epoch == 1:
        return seed
    return random.Random(f"{seed} epoch {epoch}").randrange(_MAX_SEED)


def mark_epoch(
    records: Sequence[AnswerRecord],
    ratings: Sequence[Rating],
    epoch: int,
    *,
    repeats_answer: bool = False,
) -> tuple[list[AnswerRecord], list[Rating]]:
    """Return the results of an epoch with ids that differ from those of other epochs.

    The task stays the same, so intervals count the epochs of a task as one cluster.

    Args:
        records: Records of the epoch.
        ratings: Ratings of their critiques.
        epoch: Number of the epoch, from 1.
        repeats_answer: Whether the answers are those of epoch 1, not new samples.
    """
    if epoch == 1:
        return list(records), list(ratings)
    marked = []
    for record in records:
        metadata = {**record.metadata, EPOCH: epoch}
        if repeats_answer:
            metadata[_REPEATED] = True
        update = {"id": record.id + _suffix(epoch), "metadata": metadata}
        marked.append(record.model_copy(update=update))
    renamed = []
    for rating in ratings:
        name = rating.record + _suffix(epoch)
        renamed.append(rating.model_copy(update={"record": name}))
    return marked, renamed


def measure_spread(
    records: Sequence[AnswerRecord], ratings: Sequence[Rating], measure: MeasureRecords
) -> list[Spread]:
    """Return the spread of each measure of single items that all epochs have.

    Args:
        records: Records of all epochs; with those of one epoch, there is no spread.
        ratings: Ratings of their critiques.
        measure: Measures the records of one epoch.
    """
    epochs = sorted({epoch_of(record) for record in records})
    if len(epochs) < 2:
        return []
    measured = []
    for epoch in epochs:
        own_records, own_ratings = _select_epoch(records, ratings, epoch)
        by_label: dict[Label, Measurement] = {}
        for measurement in measure(own_records, own_ratings):
            has_value = not math.isnan(measurement.estimate.value)
            if measurement.values_by_item and has_value:
                by_label[measurement.label] = measurement
        measured.append(by_label)
    spreads = []
    for label, first in measured[0].items():
        if all(label in by_label for by_label in measured):
            rows = [by_label[label] for by_label in measured]
            values = [row.estimate.value for row in rows]
            spreads.append(Spread(label, label.name, first.unit, values, _share_changed(rows)))
    return _add_sections(spreads)


def epoch_of(record: AnswerRecord) -> int:
    """Return the epoch of a record."""
    epoch = record.metadata.get(EPOCH, 1)
    return epoch if isinstance(epoch, int) else 1


def drop_repeated_answers(records: Sequence[AnswerRecord]) -> list[AnswerRecord]:
    """Return the records without those that repeat the answer of another epoch."""
    return [record for record in records if record.metadata.get(_REPEATED) is not True]


def _select_epoch(
    records: Sequence[AnswerRecord], ratings: Sequence[Rating], epoch: int
) -> tuple[list[AnswerRecord], list[Rating]]:
    """Return the records of an epoch and their ratings, with the same ids in all epochs."""
    names: dict[str, str] = {}
    selected = []
    for record in records:
        if epoch_of(record) == epoch:
            names[record.id] = record.id.removesuffix(_suffix(epoch))
            metadata = {key: record.metadata[key] for key in record.metadata if key != _REPEATED}
            update = {"id": names[record.id], "metadata": metadata}
            selected.append(record.model_copy(update=update))
    rated = []
    for rating in ratings:
        if rating.record in names:
            rated.append(rating.model_copy(update={"record": names[rating.record]}))
    return selected, rated


def _add_sections(spreads: Sequence[Spread]) -> list[Spread]:
    """Add the section to names that several sections use, such as AUC."""
    sections: dict[str, set[str]] = {}
    for spread in spreads:
        sections.setdefault(spread.name, set()).add(spread.label.section)
    named = []
    for spread in spreads:
        name = spread.name
        if len(sections[name]) > 1:
            name = f"{name}, {spread.label.section}"
        named.append(replace(spread, name=name))
    return named


def _share_changed(rows: Sequence[Measurement]) -> float:
    """Return the share of items whose value differs between epochs; NaN if values are not 0 or 1."""
    if not all(row.is_binary for row in rows):
        return math.nan
    by_epoch: list[Mapping[str, float]] = [row.values_by_item for row in rows]
    shared = [name for name in by_epoch[0] if all(name in values for values in by_epoch)]
    if not shared:
        return math.nan
    num_changed = 0
    for name in shared:
        distinct = {values[name] for values in by_epoch}
        num_changed += len(distinct) > 1
    return num_changed / len(shared)


def _suffix(epoch: int) -> str:
    return f"@{epoch}"
