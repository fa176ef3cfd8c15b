"""Extract the question, context and existing answer from chat messages."""

from collections.abc import Sequence
from typing import NamedTuple

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    get_buffer_string,
)

from selfcritic.agent.errors import InputError
from selfcritic.agent.state import State


def get_question(state: State) -> str:
    """Return the last message if a human wrote it, else `question`.

    In a thread, the next question arrives as a message.

    Raises:
        InputError: The question is not a text.
    """
    messages = state.get("messages", [])
    if messages and isinstance(messages[-1], HumanMessage):
        return messages[-1].text
    check_is_text(state.get("question", ""))
    return state.get("question", "")


def check_is_text(question: object) -> None:
    """Raise InputError if a question is not a text."""
    if not isinstance(question, str):
        raise InputError(f"`question` must be a text, not {type(question).__name__}.")


def last_exchange(messages: list[AnyMessage]) -> tuple[str, str]:
    """Return the last question of a chat and the answer that ends it.

    Raises:
        InputError: There is no human message, or the last message is not a text reply from the model.
    """
    question_index = _last_human_index(messages)
    if question_index is None or not is_final_answer(messages[-1]):
        raise InputError(
            "`messages` must contain a human message and end with a text reply from the model."
        )
    return messages[question_index].text, messages[-1].text.strip()


def is_final_answer(message: AnyMessage) -> bool:
    """Whether a message is a model's text reply without tool calls."""
    return isinstance(message, AIMessage) and not message.tool_calls and bool(message.text.strip())


class ChatContext(NamedTuple):
    """Context of a question, and the number of chat messages that did not fit."""

    text: str
    omitted_messages: int = 0


def get_context(state: State, max_chars: int, max_chat_chars: int) -> ChatContext:
    """Return the context of the question, from `context` or the chat.

    Without `context`, this is the chat around the question, including tool messages, but without the final answer.

    Args:
        state: The state of the run.
        max_chars: Maximum length of the chat in total; the oldest messages are left out.
        max_chat_chars: Maximum length of the messages before the question.
    """
    context = state.get("context", "")
    messages = state.get("messages", [])
    question_index = _last_human_index(messages)
    if context or question_index is None:
        return ChatContext(context)
    if messages[question_index].text != state["question"]:
        return ChatContext("")
    after = messages[question_index + 1 :]
    if after and is_final_answer(after[-1]):
        after = after[:-1]
    lines = _latest_lines(after, max_chars)
    max_chars -= sum(len(line) + 1 for line in lines)
    if len(lines) == len(after):
        before = messages[:question_index]
        lines = _latest_lines(before, min(max_chars, max_chat_chars)) + lines
    omitted = question_index + len(after) - len(lines)
    return ChatContext("\n".join(lines), omitted)


def _latest_lines(messages: Sequence[BaseMessage], max_chars: int) -> list[str]:
    """Render the latest messages that fit in `max_chars` characters, joined by line feeds."""
    lines: list[str] = []
    length = -1
    for message in reversed(messages):
        line = get_buffer_string([message])
        length += len(line) + 1
        if length > max_chars:
            break
        lines.append(line)
    return lines[::-1]


def _last_human_index(messages: Sequence[AnyMessage]) -> int | None:
    for index in range(len(messages) - 1, -1, -1):
        if isinstance(messages[index], HumanMessage):
            return index
    return None
