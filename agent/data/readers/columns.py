"""Read data of any other kind by the names of its columns."""

from collections.abc import Mapping

from selfcritic.agent.data.readers.fields import (
    Row,
    RowError,
    get_flag,
    get_number,
    get_optional_text,
    get_rest,
    get_split,
    get_text,
    list_names,
    name_task,
)
from selfcritic.agent.data.records import AnswerRecord, Bug, CritiqueSample

FIELDS = (
    "question",
    "answer",
    "context",
    "id",
    "task",
    "split",
    "language",
    "task_type",
    "is_correct",
    "quality",
    "bug",
    "bug_quote",
    "critique",
    "critic",
)
"""Fields that a column can fill; `question` is required."""
DEFAULT_COLUMNS = {name: name for name in FIELDS}


def read_columns(row: Row, columns: Mapping[str, str]) -> list[AnswerRecord]:
    """Return an answer whose fields are in the given columns; other columns become metadata."""
    source = row.values
    values = {name: source[column] for name, column in columns.items() if column in source}
    if "question" not in values:
        raise RowError(f"`{columns['question']}` is missing; the row has {list_names(source)}")
    question = get_text(values, "question")
    context = get_optional_text(values, "context")
    is_correct = get_flag(values, "is_correct")
    language = get_optional_text(values, "language").lower()
    record = AnswerRecord(
        id=get_optional_text(values, "id") or row.number,
        task=get_optional_text(values, "task") or name_task(question, context),
        question=question,
        context=context,
        answer=get_optional_text(values, "answer"),
        split=get_split(values),
        language=language or None,
        task_type=get_optional_text(values, "task_type") or None,
        is_correct=is_correct,
        quality=get_number(values, "quality"),
        bugs=[] if is_correct else None,
        metadata=get_rest(source, tuple(columns.values())),
    )
    description = get_optional_text(values, "bug")
    if description.strip():
        record.bugs = [
            _read_bug(record.answer, description, get_optional_text(values, "bug_quote"))
        ]
    critique = get_optional_text(values, "critique")
    if critique.strip():
        critic = get_optional_text(values, "critic") or "unknown"
        record.critiques = [CritiqueSample(id="1", critic=critic, text=critique)]
    return [record]


def _read_bug(answer: str, description: str, quote: str) -> Bug:
    if not quote.strip():
        return Bug(id="1", description=description)
    start = answer.find(quote)
    if start < 0:
        raise RowError("`bug_quote` is not in the answer")
    return Bug(id="1", description=description, quote=quote, start=start, end=start + len(quote))
