"""Input, output and state of the tampering graph, serializable as JSON and msgpack."""

from typing import Any

from pydantic import ValidationError
from typing_extensions import TypedDict

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.data.tampering.plan import Split
from selfcritic.agent.data.tampering.tampered import Flaw
from selfcritic.agent.errors import InputError, format_validation_error
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


def read_record(state: TamperState) -> AnswerRecord:
    """Return the answer; raise InputError if it is missing or invalid."""
    if "record" not in state:
        raise InputError(
            "`record` is required: an answer record with `metadata.tests` or a `task_type`."
        )
    try:
        return AnswerRecord.model_validate(state["record"])
    except ValidationError as error:
        details = format_validation_error(error, "record", limit=2)
        raise InputError(f"`record` is not an answer record: {details}.") from None


def read_candidate(state: TamperState) -> Flaw:
    """Return the candidate flaw."""
    return Flaw.model_validate(state["candidate"])


def read_flaws(data: list[dict[str, Any]]) -> list[Flaw]:
    """Return flaws of the state."""
    return [Flaw.model_validate(flaw) for flaw in data]


def dump_flaw(flaw: Flaw | None) -> dict[str, Any] | None:
    """Return a flaw as JSON."""
    return None if flaw is None else flaw.model_dump()
