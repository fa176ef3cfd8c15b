"""Tag the messages of LangGraph's `messages` stream, so that an app can choose what to show."""

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.messages import AIMessage
from langchain_core.runnables.config import ensure_config, set_config_context
from langgraph.graph.message import push_message

ANSWER_TAG = "selfcritic:answer"
"""Tag of the final answer."""


def role_tag(role: str) -> str:
    """Return the tag of a role's replies."""
    return f"selfcritic:{role}"


def stream_message(message: AIMessage, tag: str) -> None:
    """Write a message with an id to the `messages` stream; LangGraph does not repeat it."""
    config = ensure_config()
    callbacks = config.get("callbacks")
    if not isinstance(callbacks, BaseCallbackManager) or not callbacks.handlers:
        return  # not in a graph, or nobody reads its messages
    config["metadata"] = {**config["metadata"], "tags": [*config["tags"], tag]}
    with set_config_context(config) as context:
        context.run(push_message, message, state_key=None)
