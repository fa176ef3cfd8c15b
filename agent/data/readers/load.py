"""Load answers and ratings, and detect the format of a file by its columns."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from selfcritic.agent.data.files import check_ids, read_answers, read_ratings
from selfcritic.agent.data.readers.benchmarks import (
    read_codecriticbench,
    read_criticbench,
    read_judgebench,
    read_realcritic,
)
from selfcritic.agent.data.readers.columns import DEFAULT_COLUMNS, FIELDS, read_columns
from selfcritic.agent.data.readers.fields import Row, RowError, list_names
from selfcritic.agent.data.readers.generated import TASK_TYPES, generate_answers
from selfcritic.agent.data.readers.human_review import read_review, read_review_ratings
from selfcritic.agent.data.readers.preferences import read_preference
from selfcritic.agent.data.readers.prm800k import read_prm800k
from selfcritic.agent.data.readers.programs import HUMAN_EVAL, read_human_eval, read_program
from selfcritic.agent.data.readers.rows import has_versions, raise_problems, read_rows
from selfcritic.agent.data.readers.self_critiquing import read_helpfulness, read_self_critiquing
from selfcritic.agent.data.records import AnswerRecord, Rating
from selfcritic.agent.errors import InputError

RowReader = Callable[[Row], list[AnswerRecord]]
Converted = TypeVar("Converted")


@dataclass(frozen=True)
class Format:
    """A known format, recognized by its columns."""

    columns: tuple[str, ...]
    read: RowReader


_RECORDS = "selfcritic"
_COLUMNS = "columns"
_FORMATS = {
    "self-critiquing": Format(("is_topic_based_summarization", "data"), read_self_critiquing),
    "realcritic": Format(("question", "reasoning", "previous_score"), read_realcritic),
    "criticbench": Format(("question", "response", "response_label"), read_criticbench),
    "codecriticbench": Format(("question", "correctness"), read_codecriticbench),
    "prm800k": Format(("labeler", "question", "label"), read_prm800k),
    "judgebench": Format(("question", "response_A", "response_B", "label"), read_judgebench),
    "human-eval": Format(("task_id", "prompt", "test", "entry_point"), read_program),
    "preference": Format(("chosen", "rejected"), read_preference),
    "human-review": Format(("answer", "labels", "decision"), read_review),
}
_RATINGS = {"self-critiquing": read_helpfulness, "human-review": read_review_ratings}
FORMATS = (_RECORDS, *_FORMATS, _COLUMNS)
"""Names of the formats, in the order in which they are tried."""
_NAMED_SOURCES = (HUMAN_EVAL, *TASK_TYPES)


def load_answers(
    source: str,
    *,
    format: str | None = None,  # noqa: A002 - the name of the command's option
    columns: Mapping[str, str] | None = None,
    count: int | None = None,
    seed: int = 0,
) -> list[AnswerRecord]:
    """Load answers from a file, a package or a generator.

    Args:
        source: A file (JSON Lines, JSON, CSV, TSV or Parquet, also with .gz), `human-eval` (the package's tasks), or a
            task type such as `alphabetize` (generated tasks).
        format: Name of the format, one of `FORMATS`; detected by the columns if None.
        columns: Column of each field, for files in no known format, such as {"question": "prompt"}. The fields are
            those of `FIELDS` in `readers/columns.py`.
        count: Number of tasks: a random sample of the source's tasks, in the source's order. All if None; generators
            then return 100.
        seed: Seed of the sample or the generator.

    Returns:
        Records with different ids. Answers are empty if the source has only tasks.

    Raises:
        InputError: The source cannot be read; the message names rows and columns.
    """
    if count is not None and count < 1:
        raise InputError(f"`count` (--count) must be at least 1, not {count}.")
    _check_format(format, columns)
    if source in _NAMED_SOURCES and (format is not None or columns is not None):
        raise InputError(
            f"{source} is not a file: leave out --format and --columns, or pass ./{source}."
        )
    if source in TASK_TYPES:
        return generate_answers(source, count, seed)
    if source == HUMAN_EVAL:
        return _sample_tasks(read_human_eval(), count, seed)
    return _sample_tasks(_load_file(Path(source), format, columns), count, seed)


def load_ratings(
    source: str,
    *,
    format: str | None = None,  # noqa: A002 - the name of the command's option
) -> list[Rating]:
    """Load ratings of critiques: a ratings file, paper 1's helpfulness records, or human reviews.

    Their `record` and `critique` are the ids that `load_answers` gives to the same file.

    Raises:
        InputError: The file cannot be read or has no ratings.
    """
    path = Path(source)
    _check_format(format, None)
    if format == _RECORDS or (format is None and has_versions(path)):
        return read_ratings(path)
    rows = read_rows(path)
    name = format or _detect(path, rows)
    if name not in _RATINGS:
        raise InputError(
            f"{path} has no ratings of critiques. Its format is {name} (--format); ratings are read from "
            f"{_RECORDS} (a ratings file), {' and '.join(_RATINGS)}."
        )
    ratings = _convert(path, rows, _RATINGS[name])
    if not ratings:
        raise InputError(
            f"{path} has no ratings of critiques. Pass helpfulness records or human reviews."
        )
    return ratings


def _check_format(name: str | None, columns: Mapping[str, str] | None) -> None:
    if name is not None and name not in FORMATS:
        raise InputError(f"Unknown format {name!r} (--format). Use one of {', '.join(FORMATS)}.")
    if columns is None:
        return
    if name not in (None, _COLUMNS):
        raise InputError(f"--columns cannot be combined with --format {name}.")
    for field, column in columns.items():
        if field not in FIELDS:
            raise InputError(
                f"Unknown field {field!r} in --columns {field}={column}. Use {', '.join(FIELDS)}."
            )


def _load_file(
    path: Path, name: str | None, columns: Mapping[str, str] | None
) -> list[AnswerRecord]:
    if path.name == str(path) and not path.suffix:
        raise InputError(
            f"{path} is not a source: pass a file such as answers.jsonl, or one of {', '.join(_NAMED_SOURCES)}."
        )
    if columns is not None:
        name = _COLUMNS
    if name == _RECORDS or (name is None and has_versions(path)):
        return read_answers(path)
    rows = read_rows(path)
    if columns is not None:
        _check_columns(path, rows, columns)
    name = name or _detect(path, rows)
    if name == _COLUMNS:
        names = {**DEFAULT_COLUMNS, **(columns or {})}
        records = _convert(path, rows, lambda row: read_columns(row, names))
    else:
        records = _convert(path, rows, _FORMATS[name].read)
    check_ids(path, records)
    return records


def _convert(
    path: Path, rows: Sequence[Row], read: Callable[[Row], list[Converted]]
) -> list[Converted]:
    converted: list[Converted] = []
    problems: list[str] = []
    for row in rows:
        try:
            converted += read(row)
        except RowError as error:
            problems.append(f"{row.place}: {error}")
    raise_problems(path, problems)
    return converted


def _detect(path: Path, rows: Sequence[Row]) -> str:
    """Return the format's name by the columns of the first row."""
    values = rows[0].values
    for name, known in _FORMATS.items():
        if all(column in values for column in known.columns):
            return name
    if "question" in values:
        return _COLUMNS
    raise InputError(
        f"{path} has an unknown format. Its columns are {list_names(values)}. Formats tried: {', '.join(FORMATS)}. "
        "Name the columns, for example --columns question=COLUMN,answer=COLUMN, or pass --format."
    )


def _check_columns(path: Path, rows: Sequence[Row], columns: Mapping[str, str]) -> None:
    for field, column in columns.items():
        if not any(column in row.values for row in rows):
            raise InputError(
                f"{path} has no column {column!r} (--columns {field}={column}). "
                f"Its columns are {list_names(rows[0].values)}."
            )


def _sample_tasks(records: list[AnswerRecord], count: int | None, seed: int) -> list[AnswerRecord]:
    """Return the records of a random sample of the tasks, in their order."""
    tasks = list(dict.fromkeys(record.task for record in records))
    if count is None or count >= len(tasks):
        return records
    sample = set(random.Random(seed).sample(tasks, count))
    return [record for record in records if record.task in sample]
