"""Read the rows of JSON Lines, JSON, CSV, TSV and Parquet files."""

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selfcritic.agent.data.files import read_text
from selfcritic.agent.data.readers.fields import Row, RowError
from selfcritic.agent.errors import InputError

_LINE_FORMATS = (".jsonl", ".ndjson")
_TABLE_FORMATS = {".csv": ",", ".tsv": "\t"}
_EXTENSIONS = (*_LINE_FORMATS, ".json", *_TABLE_FORMATS, ".parquet")
_MAX_DEPTH = 64
"""Levels of nested lists and objects; libraries that read them recurse."""
_MAX_CELL_CHARS = 2**31 - 1
"""Limit of a CSV cell, the largest that the csv module accepts on every platform."""
_MAX_PROBLEMS = 5


def read_rows(path: Path) -> list[Row]:
    """Read all rows of a file; the extension selects the file type, and .gz may follow.

    Raises:
        InputError: The file cannot be read, is empty, or has invalid rows.
    """
    rows: list[Row] = []
    problems: list[str] = []
    for place, values in _iterate(path):
        try:
            rows.append(_check_row(place, values))
        except RowError as error:
            problems.append(f"{place}: {error}")
    raise_problems(path, problems)
    if not rows:
        raise InputError(f"{path} has no rows.")
    return rows


def raise_problems(path: Path, problems: list[str]) -> None:
    """Raise InputError if there are problems; the message has the first ones."""
    if not problems:
        return
    message = f"{path} has invalid rows:\n" + "\n".join(problems[:_MAX_PROBLEMS])
    more = len(problems) - _MAX_PROBLEMS
    if more > 0:
        message += f"\n{more} more rows have problems."
    raise InputError(message)


def has_versions(path: Path) -> bool:
    """Whether a file has selfcritic's records, which name their schema version."""
    if _get_extension(path) not in _LINE_FORMATS:
        return False
    return '"schema_version"' in read_text(path)  # quotes inside of JSON texts are escaped


def _get_extension(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _iterate(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield each row's place and its values, or the RowError that explains why it has none."""
    extension = _get_extension(path)
    if extension == ".parquet":
        return _iterate_parquet(path)
    text = read_text(path)
    if extension in _TABLE_FORMATS:
        return _iterate_table(path, text, _TABLE_FORMATS[extension])
    if extension == ".json" and text.lstrip().startswith("["):
        return _iterate_array(path, text)
    if extension in (*_LINE_FORMATS, ".json"):
        return _iterate_lines(text)
    raise InputError(
        f"{path} has the unknown extension {extension!r}. "
        f"Use one of {', '.join(_EXTENSIONS)}, and .gz for compressed files."
    )


def _iterate_lines(text: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"line {number}", _parse_json(line)


def _iterate_array(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    values = _parse_json(text)
    if isinstance(values, RowError):
        raise InputError(f"{path}: {values}.")
    for number, row in enumerate(values, 1):
        yield f"row {number}", row


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_reject_constant)
    except RecursionError:
        return RowError("not JSON (nested too deeply)")
    except ValueError as error:
        return RowError(f"not JSON ({error})")


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number; use null")


def _iterate_table(path: Path, text: str, delimiter: str) -> Iterator[tuple[str, Any]]:
    csv.field_size_limit(_MAX_CELL_CHARS)  # for the whole process; the default ends the file
    header = text.split("\n", 1)[0]
    if delimiter == "," and ";" in header and "," not in header:
        delimiter = ";"
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        _check_header(path, reader.fieldnames or [])
        for number, cells in enumerate(reader, 1):
            if None in cells or None in cells.values():
                yield f"row {number}", RowError("must have as many cells as the header")
            else:
                yield f"row {number}", cells
    except csv.Error as error:
        raise InputError(f"{path} is not valid CSV after row {number}: {error}.") from None


def _check_header(path: Path, names: Any) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path} has two columns {name!r}. Rename one of them.")


def _iterate_parquet(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise InputError(
            "Parquet files need an extra: pip install 'selfcritic[parquet]'."
        ) from None
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file.")
    try:
        with ParquetFile(path) as file:
            rows = file.read().to_pylist()
    except (ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from None
    for number, row in enumerate(rows, 1):
        yield f"row {number}", _to_json_values(row)


def _to_json_values(row: Any) -> Any:
    """Convert other types, such as dates, to text, and NaN, which tables use for missing values, to null."""
    try:
        text = json.dumps(row, default=str)
    except (ValueError, TypeError, RecursionError) as error:
        return RowError(f"cannot be converted to JSON ({error})")
    return json.loads(text, parse_constant=lambda _name: None)


def _check_row(place: str, values: Any) -> Row:
    """Return the row; raise RowError for values that a record cannot hold."""
    if isinstance(values, RowError):
        raise values
    if not isinstance(values, dict):
        raise RowError("not a JSON object")
    for name, value in values.items():
        problem = _find_problem(name) or _find_problem(value)
        if problem is not None:
            shown = name.encode("utf-8", "backslashreplace").decode()
            raise RowError(f"`{shown}` {problem}")
    return Row(place, values)


def _find_problem(data: Any) -> str | None:
    pending: list[tuple[Any, int]] = [(data, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > _MAX_DEPTH:
            return f"is nested deeper than {_MAX_DEPTH} levels"
        if isinstance(value, str) and _has_surrogate(value):
            return "is not valid Unicode (unpaired surrogate)"
        if isinstance(value, float) and not math.isfinite(value):
            return "has a number that is too large"
        if isinstance(value, dict):
            for name, item in value.items():
                pending += [(name, depth + 1), (item, depth + 1)]
        elif isinstance(value, list):
            pending += [(item, depth + 1) for item in value]
    return None


def _has_surrogate(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
