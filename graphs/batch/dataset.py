"""Read dataset rows lazily from JSONL, CSV or Parquet.

A row has `question` and `context`, or `messages` in LangChain's or OpenAI's format (as JSON in a CSV cell). A JSONL
line may also be a list of messages. `id` identifies the row; the default is a hash of its content.
"""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage, convert_to_messages, messages_from_dict

from selfcritic.agent.errors import InputError
from selfcritic.agent.state import Input

_INPUT_FIELDS = ("question", "context", "messages")


@dataclass(frozen=True)
class Row:
    """One row of a dataset; either `input` or `error` is set."""

    id: str
    digest: str
    """Hash of the content. Rows with the same id but different digests are different rows."""
    input: Input | None
    error: str | None = None


def parse_row(data: Any, error: str | None = None) -> Row:
    """Convert raw data to a row; invalid data sets `error`."""
    if isinstance(data, list):
        data = {"messages": data}
    if not isinstance(data, Mapping):
        return _bad_row(data, None, error or "The row is neither an object nor a list of messages.")
    row_id = data.get("id")
    if error is not None:
        return _bad_row(data, row_id, error)
    content = {}
    for name in _INPUT_FIELDS:
        if data.get(name) not in (None, ""):
            content[name] = data[name]
    try:
        row_input = _parse_input(content)
    except (ValueError, TypeError, KeyError, NotImplementedError) as exception:
        return _bad_row(data, row_id, f"The row cannot be used: {exception}")
    digest = _hash(json.dumps(content, sort_keys=True, default=str))
    return Row(_format_id(row_id, digest), digest, row_input)


def _bad_row(data: Any, row_id: Any, error: str) -> Row:
    digest = _hash(repr(data))  # includes the fields that inputs ignore
    return Row(_format_id(row_id, digest), digest, None, error)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _format_id(row_id: Any, digest: str) -> str:
    if row_id in (None, ""):
        return digest[:16]
    return str(row_id)


def read_rows(path: Path) -> Iterator[Row]:
    """Read a file lazily; its extension determines the format.

    Raises:
        InputError: The extension is unknown, or the file cannot be read as Parquet.
    """
    readers = {
        ".jsonl": _read_jsonl,
        ".ndjson": _read_jsonl,
        ".csv": _read_csv,
        ".parquet": _read_parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"'{path.name}' has an unknown extension: convert it to one of {', '.join(readers)}."
        )
    return reader(path)


def count_rows(path: Path) -> int:
    """Count the rows of a file, for progress estimates."""
    return sum(1 for _ in read_rows(path))


def _parse_input(content: Mapping[str, Any]) -> Input:
    for name in ("question", "context"):
        if name in content and not isinstance(content[name], str):
            raise ValueError(f"`{name}` must be a string")
    row_input: Input = {}
    if "question" in content:
        row_input["question"] = content["question"]
    if "context" in content:
        row_input["context"] = content["context"]
    if "messages" in content:
        row_input["messages"] = _parse_messages(content["messages"])
    if "question" not in row_input and "messages" not in row_input:
        raise ValueError("it has neither `question` nor `messages`")
    return row_input


def _parse_messages(messages: Any) -> list[Any]:
    if isinstance(messages, str):
        messages = json.loads(messages)
    if not isinstance(messages, list) or not messages:
        raise ValueError("`messages` must be a non-empty list")
    if all(isinstance(message, BaseMessage) for message in messages):
        return messages
    if all(_is_langchain_dict(message) for message in messages):
        return messages_from_dict(messages)
    return convert_to_messages(messages)


def _is_langchain_dict(message: Any) -> bool:
    return isinstance(message, dict) and set(message) == {"type", "data"}


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield parse_row(json.loads(line))
            except ValueError as error:  # invalid JSON or UTF-8
                text = line.decode("utf-8", "replace")
                yield parse_row(text, f"Line {number} is not valid JSON: {error}")


def _read_csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for cells in reader:
            error = None
            if None in cells or None in cells.values():
                error = f"Line {reader.line_num} must have as many cells as the header."
            data = {str(name): value for name, value in cells.items()}
            yield parse_row(data, error)


def _read_parquet(path: Path) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise InputError(
            "Parquet files need an extra: pip install 'selfcritic[parquet]'."
        ) from error
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                for row in batch.to_pylist():
                    yield parse_row(row)
    except ArrowException as error:
        raise InputError(f"'{path.name}' cannot be read as Parquet: {error}") from error
