"""Read RealCritic, CriticBench, CodeCriticBench and JudgeBench."""

from typing import Any

from selfcritic.agent.data.readers.fields import (
    Row,
    RowError,
    get_flag,
    get_list,
    get_number,
    get_optional_text,
    get_rest,
    get_text,
    name_task,
)
from selfcritic.agent.data.records import AnswerRecord, Bug

_PYTHON_SOURCES = ("HumanEval", "MBPP")
_JUDGE_LABELS = {"A>B": (1.0, 0.0), "B>A": (0.0, 1.0)}


def read_realcritic(row: Row) -> list[AnswerRecord]:
    """Return a worked solution; the first `previous_score` is its truth."""
    values = row.values
    name = f"{get_text(values, 'source')}/{get_text(values, 'idx')}"
    scores = get_list(values, "previous_score")
    is_correct = None
    if scores:
        is_correct = get_flag({"previous_score": scores[0]}, "previous_score")
    used = ("source", "idx", "question", "reasoning", "previous_score")
    record = AnswerRecord(
        id=name,
        task=name,
        question=get_text(values, "question"),
        answer=get_optional_text(values, "reasoning"),
        is_correct=is_correct,
        metadata={"source": values["source"], **get_rest(values, used)},
    )
    return [record]


def read_criticbench(row: Row) -> list[AnswerRecord]:
    """Return a response; `response_label` is its truth."""
    values = row.values
    question = get_text(values, "question")
    source = get_optional_text(values, "question_source")
    record = AnswerRecord(
        id=get_optional_text(values, "id") or row.number,
        task=name_task(question),
        question=question,
        answer=get_optional_text(values, "response"),
        is_correct=get_flag(values, "response_label"),
        language="python" if source in _PYTHON_SOURCES else None,
        metadata=get_rest(values, ("id", "question", "response", "response_label")),
    )
    return [record]


def read_codecriticbench(row: Row) -> list[AnswerRecord]:
    """Return an answer with its rating; each entry of `error_lists` is a known bug."""
    values = row.values
    question = get_text(values, "question")
    answer_column = "generation" if "generation" in values else "answer"
    rating_column = "rating" if "rating" in values else "score"
    is_correct = get_flag(values, "correctness")
    bugs = _read_error_lists(get_list(values, "error_lists"))
    used = ("question", answer_column, "correctness", rating_column, "error_lists")
    record = AnswerRecord(
        id=row.number,
        task=name_task(question),
        question=question,
        answer=get_text(values, answer_column),
        is_correct=is_correct,
        quality=get_number(values, rating_column),
        bugs=bugs or ([] if is_correct else None),
        metadata=get_rest(values, used),
    )
    return [record]


def _read_error_lists(entries: list[Any]) -> list[Bug]:
    """Return one bug per entry: a category, or a list of a category and details."""
    bugs = []
    for number, entry in enumerate(entries, 1):
        parts = entry if isinstance(entry, list) else [entry]
        words = [part for part in parts if isinstance(part, str) and part.strip()]
        if not words:
            raise RowError("`error_lists` must have a category in each entry")
        bugs.append(Bug(id=str(number), description=": ".join(words)))
    return bugs


def read_judgebench(row: Row) -> list[AnswerRecord]:
    """Return the two responses of a pair; the label makes one of them correct."""
    values = row.values
    label = get_text(values, "label").replace(" ", "").upper()
    if label not in _JUDGE_LABELS:
        raise RowError(f"`label` must be 'A>B' or 'B>A', not {values['label']!r}")
    question = get_text(values, "question")
    pair = get_optional_text(values, "pair_id") or row.number
    used = ("pair_id", "question", "response_A", "response_B", "label")
    records = []
    for letter, quality in zip("AB", _JUDGE_LABELS[label], strict=True):
        record = AnswerRecord(
            id=f"{pair}/{letter}",
            task=pair,
            question=question,
            answer=get_text(values, f"response_{letter}"),
            is_correct=quality == 1.0,
            quality=quality,
            metadata=get_rest(values, used),
        )
        records.append(record)
    return records
