"""Read the records of a training, and divide their tasks into train, dev and test."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selfcritic.agent.data.files import (
    COMPARISONS_FILE,
    RATINGS_FILE,
    RECORDS_FILE,
    read_answers,
    read_comparisons,
    read_ratings,
)
from selfcritic.agent.data.records import AnswerRecord, Comparison, Rating
from selfcritic.agent.data.tampering.plan import Split, choose_split
from selfcritic.agent.errors import InputError

_SHARES = (0.8, 0.1, 0.1)
"""Of the tasks, for each split."""


@dataclass(frozen=True)
class TrainingData:
    """Records with a split each, and what raters thought of their critiques."""

    records: list[AnswerRecord]
    ratings: list[Rating] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)

    def split(self, name: Split) -> list[AnswerRecord]:
        """Return the records of a split."""
        return [record for record in self.records if record.split == name]

    def flawed(self, name: Split) -> list[AnswerRecord]:
        """Return the records of a split whose answers have known bugs."""
        return [record for record in self.split(name) if record.bugs]


def load_data(path: Path, seed: int = 0) -> TrainingData:
    """Read a file of records, or a folder with records.jsonl, ratings.jsonl and comparisons.jsonl.

    Raises:
        InputError: A file is missing or invalid, a task is in two splits, or there is no training data.
    """
    ratings: list[Rating] = []
    comparisons: list[Comparison] = []
    records_path = path
    if path.is_dir():
        records_path = path / RECORDS_FILE
        if (path / RATINGS_FILE).is_file():
            ratings = read_ratings(path / RATINGS_FILE)
        if (path / COMPARISONS_FILE).is_file():
            comparisons = read_comparisons(path / COMPARISONS_FILE)
    records = read_answers(records_path)
    return TrainingData(assign_splits(records, seed), ratings, comparisons)


def assign_splits(records: Sequence[AnswerRecord], seed: int = 0) -> list[AnswerRecord]:
    """Return the records with a split each; all answers of a task are in one split.

    A record without a split has that of its task. Other tasks are divided as `selfcritic tamper` does: 80% train, 10%
    dev, 10% test.

    Raises:
        InputError: A task, or the same question and answer, is in two splits.
    """
    check_splits(records)
    splits: dict[str, Split] = {}
    for record in records:
        if record.split is not None:
            splits[record.task] = record.split
    assigned = []
    for record in records:
        split = splits.get(record.task) or choose_split(record.task, _SHARES, seed)
        assigned.append(record.model_copy(update={"split": split}))
    check_splits(assigned)
    return assigned


def check_splits(records: Sequence[AnswerRecord]) -> None:
    """Raise InputError if training and held-out data share a task, or a question with its answer."""
    splits: dict[tuple[str, str], tuple[Split, str]] = {}
    for record in records:
        if record.split is None:
            continue
        content = f"{record.question}\n{record.answer}"
        for kind, key in (("task", record.task), ("question and answer", content)):
            split, other = splits.setdefault((kind, key), (record.split, record.id))
            if split != record.split:
                raise InputError(
                    f"Record {other!r} is in the split {split!r} and record {record.id!r} in {record.split!r}, but "
                    f"they have the same {kind} ({key[:60]!r}). Training would see held-out data: correct `split` or "
                    "`task`."
                )


def require_records(records: Sequence[AnswerRecord], split: str, purpose: str) -> None:
    """Raise InputError if a split has no records for a purpose."""
    if not records:
        raise InputError(
            f"--data has no {split} records {purpose}. Add records of more tasks, or set `split` in the records."
        )
