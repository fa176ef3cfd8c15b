"""What of a chat a run works on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from selfcritic.agent.errors import InputError
from selfcritic.agent.messages import get_context, get_question, is_final_answer, last_exchange

CALL = AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Lyon"}, "id": "1"}])
LOOKED_UP: list[Any] = [CALL, ToolMessage("21 degrees", tool_call_id="1", name="weather")]
EARLIER: list[Any] = [HumanMessage("Is it warm in Nice?"), AIMessage("Yes.")]
ASKED = HumanMessage("And in Lyon?")


def state(*messages: Any, question: str = "And in Lyon?", **more: Any) -> Any:
    return {"question": question, "messages": list(messages), **more}


def test_the_rest_of_the_chat_is_material():
    said = "Human: Is it warm in Nice?\nAI: Yes."
    assert get_context(state(*EARLIER, ASKED), 1000) == said
    taken_up = get_context(state(*EARLIER, ASKED, *LOOKED_UP, AIMessage("It is warm.")), 1000)
    assert taken_up.startswith(said)
    assert "weather" in taken_up
    assert taken_up.endswith("Tool: 21 degrees")
    assert "And in Lyon?" not in taken_up


def test_a_context_that_is_given_is_the_material():
    assert get_context(state(*EARLIER, ASKED, context="Lyon: 21"), 1000) == "Lyon: 21"


def test_answers_left_on_a_thread_by_questions_without_messages_are_no_material():
    assert get_context(state(AIMessage("An earlier answer.")), 1000) == ""
    assert get_context(state(*EARLIER, question="Another question"), 1000) == ""
    assert get_context({"question": "And in Lyon?"}, 1000) == ""


@given(st.lists(st.text(max_size=30), max_size=12), st.integers(-5, 200))
def test_of_a_long_chat_the_latest_messages_are_taken(texts: list[str], room: int):
    chat = [(AIMessage if at % 2 else HumanMessage)(text) for at, text in enumerate(texts)]
    material = get_context(state(*chat, ASKED), room)
    assert len(material) <= max(0, room)
    everything = get_context(state(*chat, ASKED), 10**6)
    assert everything.endswith(material)
    assert room < len(everything) or material == everything


def test_the_question_is_the_last_message_where_that_is_a_humans():
    assert get_question(state(*EARLIER, ASKED, question="older")) == "And in Lyon?"
    assert get_question(state(*EARLIER, question="newer")) == "newer"


def test_an_answer_is_taken_up_with_its_question():
    assert last_exchange([*EARLIER, ASKED, *LOOKED_UP, AIMessage(" It is warm.\n")]) == ("And in Lyon?", "It is warm.")


@pytest.mark.parametrize("messages", [[], [AIMessage("Hello.")], [ASKED], [ASKED, CALL], [ASKED, AIMessage(" ")]])
def test_without_question_or_answer_there_is_nothing_to_take_up(messages: list[Any]):
    with pytest.raises(InputError, match="end with the model's in words"):
        last_exchange(messages)


def test_a_message_to_tools_is_no_answer():
    assert not is_final_answer(CALL)
    assert not is_final_answer(AIMessage("I shall look it up.", tool_calls=CALL.tool_calls))
    assert is_final_answer(AIMessage([{"type": "text", "text": "It is warm."}]))
