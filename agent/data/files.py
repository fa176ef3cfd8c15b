"""Read and write files of records: JSON Lines, one record per line.

A file is read whole and checked before anything is measured. Every problem names the file, the line and the field.
"""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from selfcritic.agent.data.records import (
    SCHEMA_VERSION,
    AnswerRecord,
    Comparison,
    Rating,
    VersionedRecord,
)
from selfcritic.agent.errors import InputError, format_validation_error

RecordType = TypeVar("RecordType", bound=VersionedRecord)
RECORDS_FILE = "records.jsonl"
RATINGS_FILE = "ratings.jsonl"
COMPARISONS_FILE = "comparisons.jsonl"
REVIEWS_FILE = "reviews.jsonl"
_MAX_PROBLEMS = 5


def read_answers(path: Path, *, ignore_partial_line: bool = False) -> list[AnswerRecord]:
    """Read answer records; `ignore_partial_line` is that of `read_records`.

    Raises:
        InputError: The file is missing, empty or invalid, or two records have the same id.
    """
    records = read_records(path, AnswerRecord, ignore_partial_line=ignore_partial_line)
    check_ids(path, records)
    return records


def check_ids(path: Path, records: Sequence[AnswerRecord]) -> None:
    """Raise InputError if records, or critiques or bugs of a record, share an id."""
    numbers: dict[str, int] = {}
    for number, record in enumerate(records, 1):
        if record.id in numbers:
            raise InputError(
                f"{path}: records {numbers[record.id]} and {number} have the same id {record.id!r}. Make ids unique."
            )
        numbers[record.id] = number
        _check_unique(path, record.id, "critiques", [critique.id for critique in record.critiques])
        _check_unique(path, record.id, "bugs", [bug.id for bug in record.bugs or []])


def read_ratings(path: Path) -> list[Rating]:
    """Read ratings; raises InputError as `read_records` does."""
    return read_records(path, Rating)


def read_comparisons(path: Path) -> list[Comparison]:
    """Read comparisons; raises InputError as `read_records` does."""
    return read_records(path, Comparison)


def read_records(
    path: Path, record_type: type[RecordType], *, ignore_partial_line: bool = False
) -> list[RecordType]:
    """Read the records of one type.

    Args:
        path: A file with one record per line.
        record_type: Type of all records.
        ignore_partial_line: Skip a last line that a killed run did not finish (see `has_partial_line`).

    Raises:
        InputError: The file is missing, empty or invalid. The message names the first problems.
    """
    records: list[RecordType] = []
    problems: list[str] = []
    lines = read_text(path).split("\n")
    if ignore_partial_line and _is_partial(lines[-1]):
        lines.pop()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            records.append(_parse_record(line, record_type))
        except _LineError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        shown = "\n".join(problems[:_MAX_PROBLEMS])
        more = len(problems) - _MAX_PROBLEMS
        rest = f"\n{more} more lines have problems." if more > 0 else ""
        raise InputError(f"{path} has invalid records:\n{shown}{rest}")
    if not records:
        raise InputError(f"{path} has no records. Each line must be one JSON object.")
    return records


def read_text(path: Path) -> str:
    """Read a UTF-8 file; a name that ends with .gz is decompressed.

    Raises:
        InputError: The file is missing, a folder, broken or not UTF-8.
    """
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".gz":
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder. Pass the file with the records.") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 at byte {error.start}. "
            "Convert it, for example with iconv -f latin1 -t utf-8."
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path} is not a complete gzip file ({error}). Copy it again.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise InputError(f"{str(path)!r} is not a file name: {error}.") from None


def has_partial_line(path: Path) -> bool:
    """Whether the last line is cut off: a process was killed while it wrote the line."""
    return _is_partial(read_text(path).rpartition("\n")[2])


def write_records(path: Path, records: Iterable[VersionedRecord]) -> None:
    """Replace a file by records, at once: an interrupted write leaves the old file."""
    temporary = path.with_name(f"{path.name}.partial")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(to_line(record))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def append_record(path: Path, record: VersionedRecord) -> None:
    """Append a record and flush it to the disk; completes a line that was cut off before."""
    with path.open("a+b") as file:
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(to_line(record).encode())
        file.flush()
        os.fsync(file.fileno())


def to_line(record: VersionedRecord) -> str:
    """Return a record as a line of ASCII JSON, without fields that have their default."""
    data = record.model_dump(mode="python", exclude_defaults=True)
    data = {"schema_version": record.schema_version, **data}
    return json.dumps(data, ensure_ascii=True) + "\n"


class _LineError(ValueError):
    """A line that is not a valid record."""


def _is_partial(last_line: str) -> bool:
    """Whether text after the last line feed is not a JSON value."""
    if not last_line.strip():
        return False
    try:
        json.loads(last_line)
    except (ValueError, RecursionError):
        return True
    return False


def _parse_record(line: str, record_type: type[RecordType]) -> RecordType:
    """Return the record of a line; raises _LineError."""
    try:
        data = json.loads(line, parse_constant=_reject_constant)
    except RecursionError:
        raise _LineError("not JSON (nested too deeply)") from None
    except ValueError as error:
        raise _LineError(f"not JSON ({error})") from None
    if not isinstance(data, dict):
        raise _LineError("not a JSON object")
    _check_version(data)
    try:
        return record_type.model_validate(data)
    except ValidationError as error:
        raise _LineError(format_validation_error(error, "record", limit=2)) from None


def _check_version(data: dict[str, Any]) -> None:
    version = data.get("schema_version")
    if version is None:
        raise _LineError(
            f'no schema_version. Add "schema_version": {SCHEMA_VERSION}, or import the file with a reader.'
        )
    if version != SCHEMA_VERSION:
        raise _LineError(
            f"schema_version {version!r}, but this version of selfcritic reads {SCHEMA_VERSION}"
        )


def _reject_constant(name: str) -> None:
    """Reject NaN and infinities, which JSON does not have and no measure can use."""
    raise ValueError(f"{name} is not a JSON number; leave the field out")


def _check_unique(path: Path, record: str, kind: str, ids: Sequence[str]) -> None:
    for identifier in ids:
        if ids.count(identifier) > 1:
            raise InputError(
                f"{path}: two {kind} of record {record!r} have the id {identifier!r}. Make ids unique."
            )
