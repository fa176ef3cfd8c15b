"""What flows through a graph: JSON- and msgpack-clean, every key typed."""

from typing import Annotated

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict  # pydantic, which writes the result as JSON, takes no other before Python 3.12

from selfcritic.agent.schemas import Draft, Method, StopReason, Usage


class Input(TypedDict, total=False):
    """What a run is given: a question, or messages whose last human one is the question."""

    question: str
    context: str
    """Material that the answer must rest on, such as the passage to summarise."""
    messages: Annotated[list[AnyMessage], add_messages]


class Output(TypedDict, total=False):
    """What a run comes to."""

    answer: str
    """The best draft: the one least critiqueable by the loop's own measure."""
    stop_reason: StopReason
    p_critiqueable: float | None
    """Of the answer."""
    best: int
    """The round whose draft is the answer."""
    rounds: list[Draft]
    usage: Usage
    methods: dict[str, Method]
    """By part, how its model was asked: native n or not, log-probs or votes."""
    self_graded: bool
    """Whether one model both drafted and criticised."""
    error: str | None
    """The failure that ended the run: of a model (`model_error`) or of a stop rule of one's own (`stop_when`)."""
    messages: Annotated[list[AnyMessage], add_messages]


class State(Input, Output, total=False):
    """All that the nodes share. `rounds[-1]` is the draft being worked on."""
