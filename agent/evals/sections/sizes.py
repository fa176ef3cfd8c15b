"""Measure critiqueability and self-critique against the size of the model (paper 1)."""

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.evals.dataset import Dataset, author_of, is_flawed
from selfcritic.agent.evals.measurement import Item, Label, Measurement, measure_items

SECTION = "By size of the model"
CRITIQUEABLE = "critiqueability rate"
HELPFUL = "helpful, own answers"
MIN_SIZES = 2


def measure_sizes(data: Dataset) -> list[Measurement]:
    """Return both rates of each size: the answers' critiqueability, and self-critique's helpfulness.

    The size is the record's metadata "parameters", and the author its metadata "model". With one size, there is
    nothing to compare.
    """
    measurements = []
    for origin in data.origins:
        by_size: dict[int, list[AnswerRecord]] = {}
        for record in data.of_origin(origin):
            size = _size(record)
            if size is not None:
                by_size.setdefault(size, []).append(record)
        if len(by_size) >= MIN_SIZES:
            for size, records in sorted(by_size.items()):
                measurements += _measure_size(data, origin, size, records)
    return measurements


def _measure_size(
    data: Dataset, origin: str, size: int, records: list[AnswerRecord]
) -> list[Measurement]:
    flaws = []
    helpful = []
    for record in records:
        flaw = is_flawed(record)
        flaws.append(Item(record.id, record.task, None if flaw is None else float(flaw)))
        pool = data.pool(record, author_of(record))
        verdicts = [row.is_helpful for row in pool if row.is_helpful is not None]
        share = sum(verdicts) / len(verdicts) if verdicts else None
        helpful.append(Item(record.id, record.task, share))
    measurements = []
    for name, items in ((CRITIQUEABLE, flaws), (HELPFUL, helpful)):
        if any(item.value is not None for item in items):
            label = Label(SECTION, name, origin, f"{size:,} parameters")
            measurements.append(measure_items(label, items, n=size))
    return measurements


def _size(record: AnswerRecord) -> int | None:
    size = record.metadata.get("parameters")
    is_number = isinstance(size, int) and not isinstance(size, bool)
    return size if is_number else None
