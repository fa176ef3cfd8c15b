"""Keep what a run has paid for: finished samples and the usage of all requests.

A run that is killed resumes from these two files. Both are written before the run goes on.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata
from pydantic import Field

from selfcritic.agent.data.files import (
    RATINGS_FILE,
    RECORDS_FILE,
    append_record,
    read_records,
    write_records,
)
from selfcritic.agent.data.records import (
    AnswerRecord,
    CritiqueSample,
    Rating,
    Refinement,
    VersionedRecord,
)
from selfcritic.agent.errors import CheckpointError, InputError
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.schemas import Budget, RoleUsage, Usage

SAMPLES_FILE = "samples.jsonl"
USAGE_FILE = "usage.sqlite"


class FinishedSample(VersionedRecord):
    """What one sample of a run produced: a line of the journal."""

    sample: str
    """Id of the sample; the last line of a sample replaces earlier ones."""
    critic: str
    records: list[AnswerRecord] = Field(default_factory=list)
    ratings: list[Rating] = Field(default_factory=list)
    usage: RoleUsage = Field(default_factory=RoleUsage)
    """Requests of this sample, those of a judge included."""
    seconds: float = 0.0
    error: str | None = None
    """Why the sample is incomplete; it is run again when the run resumes."""


class Journal:
    """Finished samples of a run, in the order in which they finished."""

    def __init__(self, folder: Path) -> None:
        """Read the samples of earlier processes. Raises InputError if the file is damaged."""
        self._folder = folder
        self._path = folder / SAMPLES_FILE
        self.samples: dict[str, FinishedSample] = {}
        if self._path.exists() and self._path.stat().st_size:
            _drop_partial_line(self._path)
        if self._path.exists() and self._path.stat().st_size:
            for sample in read_records(self._path, FinishedSample):
                self.samples[sample.sample] = sample

    def get(self, sample_id: str) -> FinishedSample | None:
        """Return a complete sample, None if it must be run."""
        sample = self.samples.get(sample_id)
        if sample is None or sample.error is not None:
            return None
        return sample

    def append(self, sample: FinishedSample) -> None:
        """Save a sample on the disk. Raises OSError."""
        try:
            append_record(self._path, sample)
        except OSError:
            with suppress(OSError):
                _drop_partial_line(self._path)
            raise
        self.samples[sample.sample] = sample

    def write_results(self, order: Sequence[str]) -> None:
        """Write the records and ratings of all samples, in the given order of sample ids."""
        samples = [self.samples[sample_id] for sample_id in order if sample_id in self.samples]
        ratings = [rating for sample in samples for rating in sample.ratings]
        write_records(self._folder / RECORDS_FILE, merge_records(samples))
        write_records(self._folder / RATINGS_FILE, ratings)


def merge_records(samples: Iterable[FinishedSample]) -> list[AnswerRecord]:
    """Return one record per answer, with the critiques and refinements of all samples.

    If only some critics failed, their errors are in `metadata["errors"]`, by critic.
    """
    parts: dict[str, list[AnswerRecord]] = {}
    errors: dict[str, dict[str, str]] = {}
    for sample in samples:
        for record in sample.records:
            parts.setdefault(record.id, []).append(record)
            if record.error is not None:
                errors.setdefault(record.id, {})[sample.critic] = record.error
    return [_merge(records, errors.get(name)) for name, records in parts.items()]


def _merge(records: Sequence[AnswerRecord], errors: dict[str, str] | None) -> AnswerRecord:
    """Merge the records of one answer; those with errors only count if all have one."""
    complete = [record for record in records if record.error is None]
    if not complete:
        return records[0]
    critiques: list[CritiqueSample] = []
    refinements: list[Refinement] = []
    metadata: dict[str, Any] = {}
    for record in reversed(complete):
        metadata |= record.metadata
    verdicts: dict[str, Any] = {}
    for record in complete:
        critiques += record.critiques
        refinements += record.refinements
        verdicts |= record.metadata.get("p_critiqueable", {})
    if verdicts:
        metadata["p_critiqueable"] = verdicts
    if errors:
        metadata["errors"] = errors
    update = {"critiques": critiques, "refinements": refinements, "metadata": metadata}
    return complete[0].model_copy(update=update)


def _drop_partial_line(path: Path) -> None:
    """Remove a last line that was cut off when the process was killed."""
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end < len(data):
        with path.open("r+b") as file:
            file.truncate(end)


class UsageStore:
    """Usage of a run in a SQLite file, which also locks the folder for one process."""

    def __init__(self, folder: Path) -> None:
        """Open and lock the file. Raises InputError if another process uses it."""
        self._path = folder / USAGE_FILE
        try:
            self._database = sqlite3.connect(self._path, isolation_level=None, timeout=0)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS usage (id INTEGER PRIMARY KEY, value TEXT)"
            )
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._database.close()
            if "locked" in str(error):
                raise InputError(
                    f"--out {folder} is in use by another process. Wait until it ends, or pass another folder."
                ) from None
            raise InputError(f"{self._path} cannot be used: {error}. Pass another --out.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._database.close()

    def load(self) -> Usage:
        """Return the usage of earlier processes."""
        row = self._database.execute("SELECT value FROM usage WHERE id = 1").fetchone()
        return Usage() if row is None else Usage.model_validate_json(row[0])

    def save(self, usage: Usage) -> None:
        """Replace the saved usage. Raises CheckpointError."""
        values: tuple[Any, ...] = (usage.model_dump_json(),)
        try:
            self._database.execute("INSERT OR REPLACE INTO usage VALUES (1, ?)", values)
        except sqlite3.Error as error:
            raise CheckpointError(f"{self._path} cannot be written: {error}.") from None


class SavedBudget(BudgetTracker):
    """One budget over all requests of a run, also those of earlier processes.

    Usage is saved before each request, so that a crash does not reset the budget. Seconds count for one process.
    """

    def __init__(self, budget: Budget, store: UsageStore) -> None:
        super().__init__(budget, store.load().model_copy(update={"seconds": 0.0}))
        self._store = store

    def reserve(self, role: str, messages: Sequence[BaseMessage]) -> None:
        """Count a request and save the usage. Raises BudgetExhausted or CheckpointError."""
        super().reserve(role, messages)
        self._store.save(self.usage)

    def count_cached(
        self,
        role: str,
        messages: Sequence[BaseMessage],
        tokens: int,
        costs_usd: Sequence[float | None],
        *,
        is_whole: bool,
    ) -> None:
        """Count replies from the cache and save the usage."""
        super().count_cached(role, messages, tokens, costs_usd, is_whole=is_whole)
        self._save_paid_usage()

    def charge(self, role: str, tokens: UsageMetadata | None, cost_usd: float | None) -> None:
        """Count a reply and save the usage."""
        super().charge(role, tokens, cost_usd)
        self._save_paid_usage()

    def _save_paid_usage(self) -> None:
        with suppress(CheckpointError):  # the reply is paid for; the next request is refused
            self._store.save(self.usage)
