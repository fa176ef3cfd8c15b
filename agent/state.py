"""Define the state of the graphs: typed keys, JSON and msgpack serializable."""

from typing import Any, Literal, cast, get_args, get_type_hints

from langgraph.managed import RemainingSteps
from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from selfcritic.agent.channels import Messages, Rounds, changed_rounds, merge_rounds
from selfcritic.agent.schemas import (
    Capabilities,
    Critique,
    Record,
    ReviewedComment,
    StopReason,
    Usage,
)


class Input(TypedDict, total=False):
    """Input of a run: a question, or messages that contain it as the last human message."""

    question: str
    context: str
    """Text that the answer must be based on, such as the passage to summarize."""
    messages: Messages


class Output(TypedDict, total=False):
    """Output of a run."""

    answer: str
    """The best draft of the run."""
    stop_reason: StopReason
    p_critiqueable: float | None
    """P(critiqueable) of the answer."""
    best_round: int
    """Index of the round with the answer."""
    rounds: Rounds
    usage: Usage
    capabilities: dict[str, Capabilities]
    """Detected capabilities of each role's model."""
    ungrounded_critiques: int
    """Number of critiques in all rounds without a comment that quotes the draft; by default, they are not used."""
    omitted_messages: int
    """Number of earlier messages of the chat that are not sent; see `max_chat_chars`."""
    self_graded: bool
    """Whether one model both drafts and criticizes."""
    error: str | None
    """Error of a model (`model_error`) or custom stop condition (`stop_when`) that ended the run."""
    messages: Messages


class ReviewInput(TypedDict, total=False):
    """Input of a review: a question and its answer."""

    question: str
    answer: str
    context: str
    """Text that the answer must be based on."""


class ReviewOutput(TypedDict, total=False):
    """Output of a review."""

    critique: Critique | None
    """The selected critique; None if no critique is eligible."""
    rounds: Rounds
    """One round: the answer, the findings of the checkers, and all sampled critiques."""
    ungrounded_rate: float | None
    """Share of the quotes in all critiques that are not in the answer; None without quotes."""
    ungrounded_critiques: int
    """Number of critiques without a comment that quotes the answer; by default, they are not used."""
    stop_reason: StopReason
    """`reviewed` if a critique was selected and nothing stopped the search early."""
    usage: Usage
    capabilities: dict[str, Capabilities]
    error: str | None


class HumanReviewOutput(ReviewInput, ReviewOutput, total=False):
    """Output of a review by a person and a critic.

    `answer` is the refined answer, if the person asked for refinement; the reviewed answer is `rounds[0].answer`.
    `critique` has the person's changes, or is None without comments.
    """

    labels: list[ReviewedComment]
    """The person's action on each comment."""
    decision: Literal["continue", "search_again", "accept", "refine"] | None
    """The person's last decision; a finished review has accept or refine."""


class SavedState(Input, Output, HumanReviewOutput, total=False):
    """State that checkpoints save; input and output of the FSBS graph."""

    beam_prefixes: list[str]
    """Critique prefixes that the next iteration of Force Sampling Beam Search continues."""
    search_stop_reason: StopReason | None
    """Why a critique search ended early; its critiques so far are used."""
    length_modifier: float | None
    """Overrides the run's `length_modifier` for this review."""
    review_error: str | None
    """Error to show a person before the next decision."""


class State(SavedState, total=False):
    """State shared by all nodes; `rounds[-1]` is the current round.

    An update's `rounds` are the new and changed ones, from the `index` of the first one on.
    """

    remaining_steps: RemainingSteps
    """Steps up to LangGraph's `recursion_limit`, including the current one; LangGraph sets it."""


def has_steps(state: State, count: int) -> bool:
    """Whether LangGraph's `recursion_limit` allows more steps after the current one."""
    remaining = state.get("remaining_steps")
    return remaining is None or remaining > count


def with_all_rounds(state: State, update: State) -> State:
    """Return a streamed update with all rounds of the run, given the state before it."""
    if "rounds" not in update:
        return update
    rounds = merge_rounds(state.get("rounds"), [update["rounds"]])
    return cast(State, {**update, "rounds": rounds})


def with_changed_rounds(state: State, update: State) -> State:
    """Return a node's update with only its new and changed rounds."""
    if "rounds" not in update:
        return update
    rounds = changed_rounds(state.get("rounds", []), update["rounds"])
    return cast(State, {**update, "rounds": rounds})


def _contains_record(annotation: Any) -> bool:
    arguments = get_args(annotation)
    if arguments:
        return any(map(_contains_record, arguments))
    return isinstance(annotation, type) and issubclass(annotation, Record)


_RECORD_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    key: TypeAdapter(annotation)
    for key, annotation in get_type_hints(State).items()
    if _contains_record(annotation)
}


def parse_state(state: State) -> State:
    """Validate records that are plain JSON, such as those edited in Studio.

    Returns a state with all records as instances of their classes. Raises pydantic's ValidationError.
    """
    parsed = dict(state)
    for key, adapter in _RECORD_ADAPTERS.items():
        if key in parsed:
            parsed[key] = adapter.validate_python(parsed[key])
    return cast(State, parsed)
