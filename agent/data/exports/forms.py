"""Convert comparisons to blind questions and answers, which any annotation tool can show."""

import string
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from selfcritic.agent.data.comparisons import find_record, get_blind_texts, get_key
from selfcritic.agent.data.records import AnswerRecord, Comparison, RatingForm
from selfcritic.agent.errors import InputError, format_validation_error

QUESTIONS = ("comprehensiveness", "nitpick", "hallucinated_problem", "conciseness", "overall")
"""Questions of the form with a score from 1 to 7, one each (paper 2, table 2)."""
TITLES = {
    "comprehensiveness": "Does it point out all clear and severe problems? (1 no, 7 yes)",
    "nitpick": "Does it contain a nitpick? (1 no, 7 yes)",
    "hallucinated_problem": "Does it contain a problem that does not exist? (1 no, 7 yes)",
    "conciseness": "Is it concise? (1 very wordy, 7 very concise)",
    "overall": "Overall, relative to the other critiques (1 worst, 7 best)",
}
RATIONALE = "rationale"
Answers = dict[str, int | str]
"""Answers to the questions of a comparison, by names such as "overall_a" or "bug_1_a"."""


def get_fields(records: Mapping[str, AnswerRecord], comparison: Comparison) -> dict[str, str]:
    """Return the texts that the rater reads; nothing in them names a critic."""
    record = find_record(records, comparison.record)
    bugs = [f"{number}. {bug.description}" for number, bug in enumerate(record.bugs or [], 1)]
    fields = {
        "question": record.question,
        "context": record.context,
        "answer": record.answer,
        "bugs": "\n".join(bugs),
    }
    for letter, text in get_blind_texts(record, comparison).items():
        fields[f"critique_{letter}"] = text
    return fields


def get_answers(records: Mapping[str, AnswerRecord], comparison: Comparison) -> Answers:
    """Return the answers of a filled comparison."""
    record = find_record(records, comparison.record)
    answers: Answers = {}
    for letter, form in zip(string.ascii_lowercase, comparison.forms, strict=False):
        for number, bug in enumerate(record.bugs or [], 1):
            if bug.id in form.bug_inclusion:
                answers[f"bug_{number}_{letter}"] = form.bug_inclusion[bug.id]
        for question in QUESTIONS:
            score = getattr(form, question)
            if score is not None:
                answers[f"{question}_{letter}"] = score
        if form.rationale:
            answers[f"{RATIONALE}_{letter}"] = form.rationale
    return answers


def fill(
    records: Mapping[str, AnswerRecord],
    comparison: Comparison,
    rater: str,
    answers: Mapping[str, Any],
) -> Comparison:
    """Return the comparison with the forms of a person's answers.

    Raises:
        InputError: An answer is not a score from 1 to 7.
    """
    record = find_record(records, comparison.record)
    forms = []
    for letter, _name in zip(string.ascii_lowercase, comparison.critiques, strict=False):
        data: dict[str, Any] = {"bug_inclusion": {}}
        for number, bug in enumerate(record.bugs or [], 1):
            score = answers.get(f"bug_{number}_{letter}")
            if score is not None:
                data["bug_inclusion"][bug.id] = score
        for question in (*QUESTIONS, RATIONALE):
            value = answers.get(f"{question}_{letter}")
            if value is not None:
                data[question] = value
        try:
            forms.append(RatingForm.model_validate(data, strict=True))
        except ValidationError as error:
            details = format_validation_error(error, "form", limit=2)
            raise InputError(
                f"Record {record.id!r}, rater {rater!r}, critique {letter!r}: {details}."
            ) from None
    return comparison.model_copy(update={"forms": forms, "rater": rater, "rater_type": "human"})


def count_bugs(records: Mapping[str, AnswerRecord], comparisons: Sequence[Comparison]) -> int:
    """Return the largest number of known bugs of a compared answer."""
    return max(
        (len(find_record(records, comparison.record).bugs or []) for comparison in comparisons),
        default=0,
    )


def index_comparisons(comparisons: Sequence[Comparison]) -> dict[str, Comparison]:
    """Return the comparisons by their blind key."""
    return {get_key(comparison): comparison for comparison in comparisons}


def find_comparison(comparisons: Mapping[str, Comparison], key: Any) -> Comparison:
    """Return the comparison of a key; raises InputError if it is missing."""
    if not isinstance(key, str) or key not in comparisons:
        raise InputError(
            f"There is no comparison {key!r}: pass the comparisons that were exported."
        )
    return comparisons[key]
