"""Extract the question, context and existing answer from chat messages."""

from collections.abc import Sequence

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    get_buffer_string,
    trim_messages,
)

from selfcritic.agent.errors import InputError
from selfcritic.agent.state import State


def get_question(state: State) -> str:
    """Return the last message if a human wrote it, else `question`.

    In a thread, the next question arrives as a message.
    """
    messages = state.get("messages", [])
    if messages and isinstance(messages[-1], HumanMessage):
        return messages[-1].text
    return state.get("question", "")


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


def get_context(state: State, max_chars: int) -> str:
    """Return the context of the question, from `context` or the chat.

    Without `context`, this is the chat around the question, including tool messages, but without the final answer. Only
    the latest messages that fit in `max_chars` characters are included.
    """
    context = state.get("context", "")
    messages = state.get("messages", [])
    question_index = _last_human_index(messages)
    if context or question_index is None:
        return context
    if messages[question_index].text != state["question"]:
        return ""
    before = messages[:question_index]
    after = messages[question_index + 1 :]
    if after and is_final_answer(after[-1]):
        after = after[:-1]
    trimmed = trim_messages(
        [*before, *after], max_tokens=max(0, max_chars), token_counter=_count_chars
    )
    return get_buffer_string(trimmed)


def _last_human_index(messages: Sequence[AnyMessage]) -> int | None:
    for index in range(len(messages) - 1, -1, -1):
        if isinstance(messages[index], HumanMessage):
            return index
    return None


def _count_chars(messages: Sequence[BaseMessage]) -> int:
    return len(get_buffer_string(messages))
