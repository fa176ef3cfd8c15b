"""Read the folder of a run: records, ratings, comparisons and manifest."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from selfcritic.agent.data.files import (
    COMPARISONS_FILE,
    RATINGS_FILE,
    RECORDS_FILE,
    has_partial_line,
    read_answers,
    read_records,
)
from selfcritic.agent.data.manifest import MANIFEST_FILE, Manifest, read_manifest
from selfcritic.agent.data.records import AnswerRecord, Comparison, Rating, VersionedRecord
from selfcritic.agent.errors import InputError

RecordType = TypeVar("RecordType", bound=VersionedRecord)


@dataclass(frozen=True)
class RunFolder:
    """What a folder contains."""

    records: list[AnswerRecord]
    ratings: list[Rating]
    comparisons: list[Comparison]
    manifest: Manifest | None
    warnings: list[str]
    """Lines that were skipped."""


def read_run(folder: Path) -> RunFolder:
    """Read the folder of a run; only the records are required.

    A last line that a killed run did not finish is skipped, with a warning.

    Raises:
        InputError: The folder has no records, or a file is invalid.
    """
    if not folder.is_dir():
        reason = "is a file" if folder.exists() else "does not exist"
        raise InputError(
            f"{folder} {reason}. Pass the folder of a run, which has a {RECORDS_FILE}."
        )
    warnings: list[str] = []
    path = folder / RECORDS_FILE
    if not path.exists():
        raise InputError(f"{folder} has no {RECORDS_FILE}. Pass the --out folder of a run.")
    _warn_partial(path, warnings)
    records = read_answers(path, ignore_partial_line=True)
    ratings = _read_optional(folder / RATINGS_FILE, Rating, warnings)
    comparisons = _read_optional(folder / COMPARISONS_FILE, Comparison, warnings)
    manifest = None
    if (folder / MANIFEST_FILE).exists():
        manifest = read_manifest(folder)
    return RunFolder(records, ratings, comparisons, manifest, warnings)


def read_beside(ratings: Path) -> RunFolder:
    """Read a file of ratings, and the records and comparisons in its folder if there are any.

    Raises:
        InputError: A file is invalid, or there are no ratings.
    """
    if ratings.is_file() and not ratings.stat().st_size:
        raise InputError(
            f"'{ratings}' is empty: no critique was rated. Add ratings by a judge, and labels of the same critiques by "
            "people, tests or an oracle."
        )
    warnings: list[str] = []
    _warn_partial(ratings, warnings)
    rows = read_records(ratings, Rating, ignore_partial_line=True)
    records = _read_optional(ratings.with_name(RECORDS_FILE), AnswerRecord, warnings)
    comparisons = _read_optional(ratings.with_name(COMPARISONS_FILE), Comparison, warnings)
    return RunFolder(records, rows, comparisons, None, warnings)


def _read_optional(
    path: Path, record_type: type[RecordType], warnings: list[str]
) -> list[RecordType]:
    """Return the records of a file, or nothing if it is missing or empty."""
    if not path.exists() or not path.stat().st_size:
        return []
    _warn_partial(path, warnings)
    return read_records(path, record_type, ignore_partial_line=True)


def _warn_partial(path: Path, warnings: list[str]) -> None:
    if has_partial_line(path):
        warnings.append(
            f"{path}: the last line is cut off, so 1 row is skipped. The run was probably killed: rerun its command "
            "to resume."
        )
