"""Read TRL's preference data: a pair becomes two answers of one task."""

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from selfcritic.agent.data.readers.fields import (
    Row,
    RowError,
    get_objects,
    get_rest,
    get_text,
    name_task,
)
from selfcritic.agent.data.records import AnswerRecord

_SIDES = ("chosen", "rejected")
_REPLY_MARK = "\n\nAssistant: "
"""Begins a reply in dialogs that are one text."""


def read_preference(row: Row) -> list[AnswerRecord]:
    """Return the chosen answer with quality 1 and the rejected one with quality 0.

    Both answers have quality 0.5 if they are equal. Texts and conversations are accepted. Without a `prompt`, the part
    that both sides begin with is the prompt.
    """
    values = row.values
    if isinstance(values.get("chosen"), list):
        prompt, answers = _read_conversations(values)
    else:
        prompt, answers = _read_texts(values)
    question, context = prompt
    if not question.strip():
        raise RowError("has no prompt: add the column `prompt`")
    qualities = (0.5, 0.5) if answers[0] == answers[1] else (1.0, 0.0)
    metadata = get_rest(values, ("prompt", *_SIDES))
    records = []
    for side, answer, quality in zip(_SIDES, answers, qualities, strict=True):
        record = AnswerRecord(
            id=f"{row.number}/{side}",
            task=name_task(question, context),
            question=question,
            context=context,
            answer=answer,
            quality=quality,
            metadata=metadata,
        )
        records.append(record)
    return records


def _read_texts(values: Mapping[str, Any]) -> tuple[tuple[str, str], tuple[str, str]]:
    chosen = get_text(values, "chosen")
    rejected = get_text(values, "rejected")
    if values.get("prompt") is not None:
        return (get_text(values, "prompt"), ""), (chosen, rejected)
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))
    length = len(list(pairs))
    start = max(chosen.rfind(" ", 0, length), chosen.rfind("\n", 0, length)) + 1
    turn = chosen.rfind(_REPLY_MARK, 0, length)
    if turn >= 0:  # so that words with which both replies begin belong to the replies
        start = turn + len(_REPLY_MARK)
    return (chosen[:start].rstrip(), ""), (chosen[start:], rejected[start:])


def _read_conversations(values: Mapping[str, Any]) -> tuple[tuple[str, str], tuple[str, str]]:
    sides = [_read_messages(values, side) for side in _SIDES]
    prompt: list[tuple[str, str]] = []
    if isinstance(values.get("prompt"), str):
        prompt = [("user", values["prompt"])]
    elif values.get("prompt") is not None:
        prompt = _read_messages(values, "prompt")
    else:
        prompt = sides[0][:-1]
        if any(messages[:-1] != prompt for messages in sides):
            raise RowError("`chosen` and `rejected` must differ only in their last message")
        sides = [messages[-1:] for messages in sides]
    answers = []
    for name, messages in zip(_SIDES, sides, strict=True):
        if len(messages) != 1 or messages[0][0] != "assistant":
            raise RowError(f"`{name}` must have one reply of the assistant after the prompt")
        answers.append(messages[0][1])
    return _split_prompt(prompt), (answers[0], answers[1])


def _split_prompt(messages: list[tuple[str, str]]) -> tuple[str, str]:
    """Return the last message as the question, and the earlier ones as the context."""
    if not messages:
        return "", ""
    earlier = [f"{role}: {text}" for role, text in messages[:-1]]
    return messages[-1][1], "\n\n".join(earlier)


def _read_messages(values: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    messages = []
    for message in get_objects(values, name):
        role = message.get("role")
        if not isinstance(role, str):
            raise RowError(f"`{name}` must have a `role` in each message")
        messages.append((role, _read_content(message.get("content"), name)))
    if not messages:
        raise RowError(f"`{name}` is empty")
    return messages


def _read_content(content: Any, name: str) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for part in content if isinstance(content, list) else [None]:
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            raise RowError(f"`{name}` must have messages whose `content` is text")
        texts.append(part["text"])
    return "".join(texts)
