"""Extract questions, contexts and answers from chats."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from selfcritic.agent.errors import InputError
from selfcritic.agent.messages import (
    ChatContext,
    get_question,
    is_final_answer,
    last_exchange,
)
from selfcritic.agent.messages import get_context as read_context

TOOL_CALL = AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Lyon"}, "id": "1"}])
TOOL_MESSAGES: list[Any] = [TOOL_CALL, ToolMessage("21 degrees", tool_call_id="1", name="weather")]
EARLIER: list[Any] = [HumanMessage("Is it warm in Nice?"), AIMessage("Yes.")]
QUESTION = HumanMessage("And in Lyon?")


def state(*messages: Any, question: str = "And in Lyon?", **keys: Any) -> Any:
    return {"question": question, "messages": list(messages), **keys}


def get_context(state: Any, max_chars: int) -> str:
    """Return the context with no other limit of the chat."""
    return read_context(state, max_chars, max_chat_chars=10**6).text


def test_context_is_the_chat_around_the_question():
    earlier = "Human: Is it warm in Nice?\nAI: Yes."
    assert get_context(state(*EARLIER, QUESTION), 1000) == earlier
    context = get_context(state(*EARLIER, QUESTION, *TOOL_MESSAGES, AIMessage("It is warm.")), 1000)
    assert context.startswith(earlier)
    assert "weather" in context
    assert context.endswith("Tool: 21 degrees")
    assert "And in Lyon?" not in context


def test_explicit_context_overrides_the_chat():
    assert get_context(state(*EARLIER, QUESTION, context="Lyon: 21"), 1000) == "Lyon: 21"


def test_chat_without_the_question_is_no_context():
    assert get_context(state(AIMessage("An earlier answer.")), 1000) == ""
    assert get_context(state(*EARLIER, question="Another question"), 1000) == ""
    assert get_context({"question": "And in Lyon?"}, 1000) == ""


@given(st.lists(st.text(max_size=30), max_size=12), st.integers(-5, 200))
def test_context_keeps_the_latest_messages_of_a_long_chat(texts: list[str], limit: int):
    chat = [(AIMessage if index % 2 else HumanMessage)(text) for index, text in enumerate(texts)]
    context = get_context(state(*chat, QUESTION), limit)
    assert len(context) <= max(0, limit)
    everything = get_context(state(*chat, QUESTION), 10**6)
    assert everything.endswith(context)
    assert limit < len(everything) or context == everything


def test_only_messages_before_the_question_have_a_limit_of_their_own():
    chat = state(*EARLIER, QUESTION, *TOOL_MESSAGES)
    limited = read_context(chat, 1000, max_chat_chars=len("AI: Yes."))
    assert limited.text.startswith("AI: Yes.\nAI: ")
    assert limited.text.endswith("Tool: 21 degrees")
    assert limited.omitted_messages == 1
    without = read_context(chat, 1000, max_chat_chars=0)
    assert without.text.endswith("Tool: 21 degrees")
    assert "Yes." not in without.text
    assert without.omitted_messages == 2
    assert read_context(chat, 1000, max_chat_chars=1000).omitted_messages == 0
    assert read_context(chat, 20, max_chat_chars=1000) == ChatContext("Tool: 21 degrees", 3)


def test_question_is_the_last_message_if_a_human_wrote_it():
    assert get_question(state(*EARLIER, QUESTION, question="older")) == "And in Lyon?"
    assert get_question(state(*EARLIER, question="newer")) == "newer"


def test_last_exchange_is_the_question_and_the_answer():
    assert last_exchange([*EARLIER, QUESTION, *TOOL_MESSAGES, AIMessage(" It is warm.\n")]) == (
        "And in Lyon?",
        "It is warm.",
    )


@pytest.mark.parametrize(
    "messages",
    [[], [AIMessage("Hello.")], [QUESTION], [QUESTION, TOOL_CALL], [QUESTION, AIMessage(" ")]],
)
def test_last_exchange_needs_a_question_and_an_answer(messages: list[Any]):
    with pytest.raises(InputError, match="end with a text reply from the model"):
        last_exchange(messages)


def test_tool_call_is_no_final_answer():
    assert not is_final_answer(TOOL_CALL)
    assert not is_final_answer(AIMessage("I will look it up.", tool_calls=TOOL_CALL.tool_calls))
    assert is_final_answer(AIMessage([{"type": "text", "text": "It is warm."}]))
