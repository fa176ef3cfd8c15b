"""What flows through a graph: JSON- and msgpack-clean, every key typed."""

from typing import Annotated, Any, Literal, cast, get_args, get_type_hints

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic, which writes the result as JSON, takes no other before Python 3.12

from selfcritic.agent.schemas import Capabilities, Critique, Record, ReviewedComment, Round, StopReason, Usage


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
    best_round: int
    """The round whose draft is the answer."""
    rounds: list[Round]
    usage: Usage
    capabilities: dict[str, Capabilities]
    """By part, how its model was asked: native n or not, log-probs or votes."""
    self_graded: bool
    """Whether one model both drafted and criticised."""
    error: str | None
    """The failure that ended the run: of a model (`model_error`) or of a stop rule of one's own (`stop_when`)."""
    messages: Annotated[list[AnyMessage], add_messages]


class ReviewInput(TypedDict, total=False):
    """What a review is given: an answer, and what it answers."""

    question: str
    answer: str
    context: str
    """Material that the answer must rest on."""


class ReviewOutput(TypedDict, total=False):
    """What a review comes to."""

    critique: Critique | None
    """The one chosen; None where there is none to choose."""
    rounds: list[Round]
    """One, with the answer, what tools found in it, and all critiques that were drawn."""
    ungrounded_rate: float | None
    """Of the quotes in all critiques, the share that does not stand in the answer; None where nothing is quoted."""
    stop_reason: StopReason
    """`reviewed` where a critique was chosen and nothing cut the search short."""
    usage: Usage
    capabilities: dict[str, Capabilities]
    error: str | None


class HumanReviewOutput(ReviewInput, ReviewOutput, total=False):
    """What a review by a person beside the critic comes to. `answer` is the mended one, where it was to be mended.

    The `critique` is as the person left it, None where they left no comment; what was reviewed is `rounds[0].answer`.
    """

    labels: list[ReviewedComment]
    """What the person did, comment by comment."""
    decision: Literal["continue", "search_again", "accept", "refine"] | None
    """Their last one; a review that is finished ends with accept or refine."""


class State(Input, Output, HumanReviewOutput, total=False):
    """All that the nodes share. `rounds[-1]` is the draft being worked on."""

    beam_prefixes: list[str]
    """Of Force Sampling Beam Search, the beginnings of critiques that its next iteration continues."""
    search_stop_reason: StopReason | None
    """What ended a search for critiques before its time; what it had found until then is chosen from."""
    length_modifier: float | None
    """That a person asked for in place of the run's own."""
    review_error: str | None
    """What a person must know before they decide again."""


def _holds_records(kind: Any) -> bool:
    parts = get_args(kind)
    return any(map(_holds_records, parts)) if parts else isinstance(kind, type) and issubclass(kind, Record)


_RECORDS = {key: TypeAdapter[Any](kind) for key, kind in get_type_hints(State).items() if _holds_records(kind)}


def parse_state(state: State) -> State:
    """The state with its records as such: what is edited in Studio comes as JSON. Raises ValidationError."""
    found = {key: _RECORDS[key].validate_python(value) for key, value in state.items() if key in _RECORDS}
    return cast(State, {**state, **found})
