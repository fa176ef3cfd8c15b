"""Type the events that `stream_answer` yields and the loop writes to LangGraph's custom stream."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from selfcritic.agent.schemas import JudgeMethod, StopReason


class TokenEvent(TypedDict):
    """A piece of the first draft or of an agent's reply; only `stream_answer` yields it."""

    event: Literal["token"]
    text: str
    id: str | None
    """Id of the message; a new id starts another message."""


class DraftEvent(TypedDict):
    """A draft was sampled or loaded."""

    event: Literal["draft"]
    round: int
    """Index of the draft in `rounds`."""
    answer: str
    is_truncated: bool


class FoundEvent(TypedDict):
    """A checker reported an error."""

    event: Literal["found"]
    round: int
    finding: dict[str, Any]
    """A `Comment` as JSON."""


class JudgedEvent(TypedDict):
    """A draft was judged."""

    event: Literal["judged"]
    round: int
    answer: str
    p_critiqueable: float
    by: JudgeMethod
    votes: int | None
    votes_read: int | None


class CritiqueEvent(TypedDict):
    """A critique was sampled."""

    event: Literal["critique"]
    round: int
    index: int
    """Index in the `critiques` of the round."""
    critique: dict[str, Any]
    """A `Critique` as JSON."""


class ScoredEvent(TypedDict):
    """A critique was scored by the judge (`helpfulness`) or another scorer (`score`)."""

    event: Literal["scored"]
    round: int
    index: int | None
    """Index in the `critiques` of the round, the first of equal critiques; None if it is not saved there yet."""
    critique: str
    """The scored text."""
    by: str
    """How the judge was read (logprobs or votes), or the scorer's name."""
    helpfulness: NotRequired[float]
    score: NotRequired[float | None]


class SelectedEvent(TypedDict):
    """Critiques were selected."""

    event: Literal["selected"]
    round: int
    index: int | None
    """Index of the best selected critique; None if no critique was selected."""
    ungrounded_critiques: int


class StoppedEvent(TypedDict):
    """The run ended."""

    event: Literal["stopped"]
    round: int
    reason: StopReason
    error: str | None
    usage: dict[str, Any]
    """The run's `Usage` as JSON."""
    answer: NotRequired[str]
    """The best draft, which replaces the streamed text; absent in a review."""
    best_round: NotRequired[int]
    """Index of the round with the answer; absent in a review."""


Event = (
    TokenEvent
    | DraftEvent
    | FoundEvent
    | JudgedEvent
    | CritiqueEvent
    | ScoredEvent
    | SelectedEvent
    | StoppedEvent
)
"""An event of a run; `event["event"]` is its type."""
