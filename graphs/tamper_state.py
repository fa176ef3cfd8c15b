"""Input, output and state of the tampering graph, serializable as JSON and msgpack."""

from typing import Any

from typing_extensions import TypedDict

from selfcritic.agent.data.tampering.plan import Split
from selfcritic.agent.schemas import Usage


class TamperInput(TypedDict, total=False):
    """A correct answer, and how to tamper with it."""

    record: dict[str, Any]
    """`AnswerRecord` as JSON."""
    id: str
    """Id of the new record (default: that of the answer)."""
    num_bugs: int
    """Flaws to insert (default 1); 0 only checks that the answer is correct."""
    variant: int
    """Number of this record among those of its answer (default 0)."""
    num_variants: int
    """Records of this answer (default 1); they share no flaw."""
    seed: int
    split: Split


class TamperOutput(TypedDict, total=False):
    """The tampered record, or the reason why it is missing."""

    result: dict[str, Any] | None
    """`AnswerRecord` as JSON; None if no silent flaw was found."""
    rejected: list[dict[str, Any]]
    """`AnswerRecord` of each flaw that crashes or hangs, as JSON."""
    counts: dict[str, int]
    """Candidate flaws by outcome."""
    usage: Usage


class TamperState(TamperInput, TamperOutput, total=False):
    """State of the graph; flaws are `Flaw` as JSON."""

    position: int
    """Candidates so far."""
    candidate: dict[str, Any] | None
    flaws: list[dict[str, Any]]
    """Accepted flaws."""
    caught: list[dict[str, Any]]
    """Silent flaws that all samples of the critic find."""
    failed: list[dict[str, Any]]
    """Flaws that crash or hang."""
    critiques: list[dict[str, Any]]
    """The critic's samples of the answer with all accepted flaws."""
    samples: list[dict[str, Any]]
    """The critic's samples of the answer with the candidate."""
    caught_samples: list[dict[str, Any]]
    """The critic's samples of the answer with the first flaw of `caught`."""
