"""The rows of a data set: read from JSONL, CSV or Parquet, one at a time, and made a run's input.

A row has `question` and `context`, or `messages` (LangChain's or OpenAI's form; in a CSV cell as JSON); a JSONL line
may also be a bare list of messages. `id` names it; without one its content does.
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

_USED = ("question", "context", "messages")


@dataclass(frozen=True)
class Row:
    """One row: its name, what tells its content from others, and a run's input or what is wrong with it."""

    id: str
    digest: str
    input: Input | None
    error: str | None = None


def parse_row(data: Any, fault: str | None = None) -> Row:
    """Make a row of what was read. What cannot be used is told in `fault`; nothing is raised."""
    if isinstance(data, list):
        data = {"messages": data}
    is_object = isinstance(data, Mapping)
    content = {name: data[name] for name in _USED if data.get(name) not in (None, "")} if is_object else data
    if fault is None and not is_object:
        fault = "The row is neither an object nor a list of messages."
    given = None
    try:
        given = None if fault else _input(content)
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        fault = f"The row cannot be used: {error}"
    # Bad rows differ by what is not used, too.
    told = repr(data) if given is None else json.dumps(content, sort_keys=True, default=str)
    digest = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
    named = data.get("id") if is_object else None
    return Row(digest[:16] if named in (None, "") else str(named), digest, given, fault)


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, by its ending; raises InputError where it cannot be read at all."""
    readers = {".jsonl": _jsonl, ".ndjson": _jsonl, ".csv": _csv, ".parquet": _parquet}
    if (reader := readers.get(path.suffix.lower())) is None:
        raise InputError(f"'{path.name}' ends in none of {', '.join(readers)}: rename or convert it.")
    return reader(path)


def count_rows(path: Path) -> int:
    """How many rows a file has, for the time left."""
    return sum(1 for _ in read_rows(path))


def _input(content: Mapping[str, Any]) -> Input:
    given: Input = {}
    for name in ("question", "context"):
        if name in content and not isinstance(content[name], str):
            raise ValueError(f"`{name}` is no text")
    if "question" in content:
        given["question"] = content["question"]
    if "context" in content:
        given["context"] = content["context"]
    if "messages" in content:
        given["messages"] = _messages(content["messages"])
    if "question" not in given and "messages" not in given:
        raise ValueError("it has neither `question` nor `messages`")
    return given


def _messages(told: Any) -> list[Any]:
    told = json.loads(told) if isinstance(told, str) else told
    if not isinstance(told, list) or not told:
        raise ValueError("`messages` is no list of messages")
    if all(isinstance(one, BaseMessage) for one in told):
        return told
    if all(isinstance(one, dict) and set(one) == {"type", "data"} for one in told):
        return messages_from_dict(told)
    return convert_to_messages(told)


def _jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield parse_row(json.loads(line))
            except ValueError as error:  # of JSON, or of UTF-8
                yield parse_row(line.decode("utf-8", "replace"), f"Line {number} is no JSON: {error}")


def _csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            torn = None in row or None in row.values()
            fault = f"Line {rows.line_num} has not as many cells as the header." if torn else None
            yield parse_row({str(name): value for name, value in row.items()}, fault)


def _parquet(path: Path) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise InputError("For Parquet install the extra: pip install 'selfcritic[parquet]'.") from error
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                for row in batch.to_pylist():
                    yield parse_row(row)
    except ArrowException as error:
        raise InputError(f"'{path.name}' cannot be read as Parquet: {error}") from error
