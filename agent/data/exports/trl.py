"""Export training data in TRL's formats: conversational, without nulls."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import SystemMessage

from selfcritic.agent.data.comparisons import find_critique, find_record
from selfcritic.agent.data.preference_pairs import PreferencePair
from selfcritic.agent.data.records import AnswerRecord, Rating
from selfcritic.prompts import PromptSet, load

Message = dict[str, str]
_HELPFUL_SCORE = 5
"""Least overall score of a good critique, where `is_helpful` is missing; 4 is in the middle."""


def to_preference(
    pairs: Sequence[PreferencePair], prompts: PromptSet | None = None
) -> list[dict[str, Any]]:
    """Return rows with `prompt`, `chosen` and `rejected`, for reward models and DPO.

    `margin` is the difference of the overall scores; `record` and `task` are ids.

    Args:
        pairs: Preferred and rejected critiques.
        prompts: Prompt set whose critique prompt is used; the default set if None.
    """
    rows = []
    for pair in pairs:
        row = {
            "prompt": _create_prompt(pair.record, prompts),
            "chosen": [_to_reply(pair.chosen.text)],
            "rejected": [_to_reply(pair.rejected.text)],
            "margin": float(pair.margin),
            "record": pair.record.id,
            "task": pair.record.task,
        }
        rows.append(row)
    return rows


def to_unpaired(
    records: Sequence[AnswerRecord], ratings: Sequence[Rating], prompts: PromptSet | None = None
) -> list[dict[str, Any]]:
    """Return rows with `prompt`, `completion` and `label`, for KTO.

    The label is `is_helpful`, else whether the overall score is at least 5. Other ratings are left out.

    Raises:
        InputError: A rating refers to an unknown record or critique.
    """
    by_id = {record.id: record for record in records}
    rows = []
    for rating in ratings:
        label = rating.is_helpful
        if label is None and rating.form is not None and rating.form.overall is not None:
            label = rating.form.overall >= _HELPFUL_SCORE
        if label is None or rating.error is not None:
            continue
        record = find_record(by_id, rating.record)
        row = {
            "prompt": _create_prompt(record, prompts),
            "completion": [_to_reply(find_critique(record, rating.critique).text)],
            "label": label,
            "record": record.id,
            "task": record.task,
        }
        rows.append(row)
    return rows


def to_prompt_only(
    records: Sequence[AnswerRecord], prompts: PromptSet | None = None
) -> list[dict[str, Any]]:
    """Return rows with `prompt`, for GRPO and RLOO."""
    rows = []
    for record in records:
        prompt = _create_prompt(record, prompts)
        rows.append({"prompt": prompt, "record": record.id, "task": record.task})
    return rows


def _create_prompt(record: AnswerRecord, prompts: PromptSet | None) -> list[Message]:
    """Return the messages that ask for a critique, as the loop does."""
    prompt_set = prompts or load("default")
    data: Mapping[str, str] = {
        "question": record.question,
        "answer": record.answer,
        "context": record.context,
        "findings": "",
    }
    messages = []
    for message in prompt_set.render("critique", "code" if record.language else "question", **data):
        role = "system" if isinstance(message, SystemMessage) else "user"
        messages.append({"role": role, "content": str(message.content)})
    return messages


def _to_reply(text: str) -> Message:
    return {"role": "assistant", "content": text}
