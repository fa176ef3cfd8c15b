"""What of a chat a run works on: its question, what was said besides, and an answer that is there already."""

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, get_buffer_string, trim_messages

from selfcritic.agent.errors import InputError
from selfcritic.agent.state import State


def get_question(state: State) -> str:
    """The last message where it is a human's, else the question: a thread's next turn comes as a message."""
    messages = state.get("messages", [])
    if messages and isinstance(messages[-1], HumanMessage):
        return messages[-1].text
    return state.get("question", "")


def last_exchange(messages: list[AnyMessage]) -> tuple[str, str]:
    """The last question of a chat and the answer that it ends with; raises InputError where it ends otherwise."""
    asked = [message.text for message in messages if isinstance(message, HumanMessage)]
    if not asked or not is_final_answer(messages[-1]):
        raise InputError("An answer is taken up from `messages` that hold a human's and end with the model's in words.")
    return asked[-1], messages[-1].text.strip()


def is_final_answer(message: AnyMessage) -> bool:
    """Whether a message is what a model says to the person, rather than to its tools."""
    return isinstance(message, AIMessage) and not message.tool_calls and bool(message.text.strip())


def get_context(state: State, characters: int) -> str:
    """What the answer must rest on: the context given, else the rest of the chat that the question stands in.

    Of the chat, what tools said included, the latest messages are taken whose text has at most so many characters.
    """
    messages = state.get("messages", [])
    asked = max((at for at, message in enumerate(messages) if isinstance(message, HumanMessage)), default=None)
    if state.get("context") or asked is None or messages[asked].text != state["question"]:
        return state.get("context", "")
    behind = messages[asked + 1 :]
    rest = [*messages[:asked], *(behind[:-1] if behind and is_final_answer(behind[-1]) else behind)]
    kept = trim_messages(rest, max_tokens=max(0, characters), token_counter=lambda some: len(get_buffer_string(some)))
    return get_buffer_string(kept)
