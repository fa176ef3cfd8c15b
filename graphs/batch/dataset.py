"""Read dataset rows lazily from JSONL, CSV or Parquet.

A row has `question` and `context` (or other columns, see `Columns`), or `messages` in LangChain's or OpenAI's format
(as JSON in a CSV cell). A JSONL line may also be a list of messages. `id` identifies the row; the default is a hash of
its content. Other columns are carried through to the result.
"""

import codecs
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from langchain_core.messages import (
    BaseMessage,
    HumanMessage,
    convert_to_messages,
    messages_from_dict,
)

from selfcritic.agent.errors import InputError
from selfcritic.agent.state import Input
from selfcritic.graphs.batch.csv_rows import read_csv
from selfcritic.graphs.batch.values import find_problem

_MAX_LISTED_COLUMNS = 12
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by the first bytes of a file; UTF-32 before UTF-16, which it begins with."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns that a row's input is read from."""

    question: str = "question"
    context: str = "context"


DEFAULT_COLUMNS = Columns()


@dataclass(frozen=True)
class Row:
    """One row of a dataset; either `input` or `error` is set."""

    id: str
    digest: str
    """Hash of the content. Rows with the same id but different digests are different rows."""
    input: Input | None
    error: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Columns that are neither the id nor part of the input."""


def parse_row(data: Any, error: str | None = None, columns: Columns = DEFAULT_COLUMNS) -> Row:
    """Convert raw data to a row; invalid data sets `error`."""
    if isinstance(data, list):
        data = {"messages": data}
    problem = _find_row_problem(data)
    if problem is not None:
        return _unusable_row(data, problem)
    if not isinstance(data, Mapping):
        return _bad_row(data, None, error or "The row is neither an object nor a list of messages.")
    row_id = data.get("id")
    if error is not None:
        return _bad_row(data, row_id, error)
    sources = {"question": columns.question, "context": columns.context, "messages": "messages"}
    content = {}
    for name, column in sources.items():
        if data.get(column) not in (None, ""):
            content[name] = data[column]
    try:
        row_input = _parse_input(content, sources)
    except (ValueError, TypeError, KeyError, NotImplementedError) as exception:
        return _bad_row(data, row_id, f"The row cannot be used: {exception}")
    if not row_input.keys() & {"question", "messages"}:
        return _bad_row(data, row_id, _describe_missing_question(data, columns))
    digest = _hash(json.dumps(content, sort_keys=True, default=str))
    used = {"id", *sources.values()}
    extra = {str(name): value for name, value in data.items() if name not in used}
    return Row(_format_id(row_id, digest), digest, row_input, extra=extra)


def _find_row_problem(data: Any) -> str | None:
    """Return why the data cannot be saved, None if it can."""
    if isinstance(data, Mapping):
        problem = find_problem(data.get("id"))
        if problem is not None:
            return f"`id`: {problem}"
    return find_problem(data, allow_surrogates=True)  # columns that are only copied may have some


def _unusable_row(data: Any, problem: str) -> Row:
    """Return a bad row for data that cannot be formatted."""
    row_id = data.get("id") if isinstance(data, Mapping) else None
    if find_problem(row_id) is not None:
        row_id = None
    return _bad_row(f"{problem} {row_id!r}", row_id, f"The row cannot be used: {problem}.")


def _describe_missing_question(data: Mapping[Any, Any], columns: Columns) -> str:
    """Say which columns a row without a question has, and what to do."""
    for column in (columns.question, "messages"):
        if column in data:
            return f"The row cannot be used: `{column}` is empty."
    names = [f"`{name}`" for name in list(data)[:_MAX_LISTED_COLUMNS]]
    if len(data) > len(names):
        names.append("…")
    listed = ", ".join(names) or "none"
    return (
        f"The row cannot be used: it has neither `{columns.question}` nor `messages`. Its columns are: {listed}. "
        "Choose the question's column with --question-column (Columns in Python)."
    )


def _bad_row(data: Any, row_id: Any, error: str) -> Row:
    digest = _hash(repr(data))  # includes the fields that inputs ignore
    return Row(_format_id(row_id, digest), digest, None, error)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _format_id(row_id: Any, digest: str) -> str:
    if row_id in (None, ""):
        return digest[:16]
    return str(row_id)


def read_rows(path: Path, columns: Columns = DEFAULT_COLUMNS) -> Iterator[Row]:
    """Read a file lazily; its extension determines the format.

    Raises:
        InputError: The extension is unknown, or the file cannot be read in this format.
    """
    readers = {
        ".jsonl": _read_jsonl,
        ".ndjson": _read_jsonl,
        ".csv": _read_csv,
        ".tsv": _read_csv,
        ".parquet": _read_parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"'{path.name}' has an unknown extension: convert it to one of {', '.join(readers)}."
        )
    return reader(path, partial(parse_row, columns=columns))


def _parse_input(content: Mapping[str, Any], sources: Mapping[str, str]) -> Input:
    problem = find_problem(content)
    if problem is not None:
        raise ValueError(problem)
    for name in ("question", "context"):
        if name in content and not isinstance(content[name], str):
            type_name = type(content[name]).__name__
            raise ValueError(f"`{sources[name]}` must be a string, not {type_name}")
    row_input: Input = {}
    if "question" in content:
        row_input["question"] = content["question"]
    if "context" in content:
        row_input["context"] = content["context"]
    if "messages" in content:
        row_input["messages"] = _parse_messages(content["messages"])
        last_message = row_input["messages"][-1]
        if "question" not in content and not isinstance(last_message, HumanMessage):
            raise ValueError(
                f"`messages` must end with a human message, not one of type {last_message.type}; "
                "the loop writes the answer"
            )
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


_RowParser = Callable[..., Row]
"""`parse_row` with the columns of the dataset."""


def _read_jsonl(path: Path, parse: _RowParser) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(_split_lines(file), 1):
            if not line.strip():
                continue
            try:
                data = json.loads(line)
            except (ValueError, RecursionError) as error:  # invalid JSON or UTF-8, or too nested
                text = line.decode("utf-8", "replace")
                yield parse(text, f"Line {number} is not valid JSON: {error}")
            else:
                yield parse(data)


def _split_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file in UTF-8; UTF-16 and UTF-32 need a byte order mark."""
    encoding = _detect_encoding(file)
    if encoding == "utf-8-sig":
        yield from file
        return
    with codecs.getreader(encoding)(file, "replace") as reader:
        for line in reader:
            yield line.encode("utf-8", "replace")


def _detect_encoding(file: IO[bytes]) -> str:
    start = file.read(4)
    file.seek(0)
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    return "utf-8-sig"


def _read_csv(path: Path, parse: _RowParser) -> Iterator[Row]:
    with path.open("rb") as file:
        encoding = _detect_encoding(file)
    for cells, error in read_csv(path, encoding):
        yield parse(cells, error)


def _read_parquet(path: Path, parse: _RowParser) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise InputError(
            "Parquet files need an extra: pip install 'selfcritic[parquet]'."
        ) from error
    with path.open("rb") as source:
        try:
            with ParquetFile(source) as file:
                for batch in file.iter_batches(batch_size=256):
                    yield from _parse_batch(batch, parse)
        except (ArrowException, OSError) as error:  # an OSError if the metadata is damaged
            reason = " ".join(str(error).split())
            raise InputError(f"'{path.name}' cannot be read as Parquet: {reason}") from error


def _parse_batch(batch: Any, parse: _RowParser) -> Iterator[Row]:
    """Parse the rows of an Arrow batch; one by one if a text is not UTF-8."""
    try:
        rows = batch.to_pylist()
    except ValueError as error:
        if batch.num_rows == 1:
            yield parse({}, f"A row cannot be read: {error}")
            return
        for index in range(batch.num_rows):
            yield from _parse_batch(batch.slice(index, 1), parse)
        return
    for row in rows:
        yield parse(row)
