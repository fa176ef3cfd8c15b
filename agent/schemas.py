"""The records of a run: what was drafted, what was objected to, what it cost and why it ended."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Severity = Literal["low", "medium", "high"]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
StopReason = Literal[
    "accepted",
    "no_helpful_critique",
    "max_rounds",
    "plateau",
    "repeated_answer",
    "budget",
    "model_error",
    "checker_error",
    "rejected",
    "stop_when",
    "interrupted",
    "reviewed",
]


class Record(BaseModel):
    """A closed record: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class Comment(Record):
    """One objection: a quote of the answer and what is wrong with it (CriticGPT's highlight and comment)."""

    quote: str
    text: str
    severity: Severity | None = None
    start: int | None = None
    """Offset of the quote's first character in the answer; None while it has not been located."""
    end: int | None = None
    """Offset behind the quote's last character."""
    source: str | None = None
    """The checker that found it, such as "syntax" or "unit_tests"; None where a critic wrote it."""
    evidence: Literal["confirmed", "refuted"] | None = None
    """What the checkers know of a critic's comment; None where they know nothing of it."""

    def overlaps(self, other: "Comment") -> bool:
        """Whether two located comments quote a character in common."""
        if self.start is None or self.end is None or other.start is None or other.end is None:
            return False
        return max(self.start, other.start) < min(self.end, other.end)


class Critique(Record):
    """One sampled critique of one draft."""

    text: str
    """What the critic wrote, unchanged."""
    comments: list[Comment] = []
    """The comments whose quote stands in the draft, duplicates merged."""
    ungrounded: list[Comment] = []
    """The comments whose quote does not stand in the draft: they are dropped from the critique."""
    unparsed: str = ""
    """What is no comment: a preface, a closing paragraph, or all of a text without any fence."""
    helpfulness: Probability | None = None
    """P(Yes) to "is this critique valid and helpful"; None when it was not scored."""
    reward: float | None = None
    """What the run's scorer makes of it: of the critiques of a draft, the choice is made by this."""
    iteration: int | None = None
    """Of Force Sampling Beam Search, the iteration that it was drawn in, the first being 0; None of other critiques."""
    selected: bool = False


class ReviewedComment(Record):
    """One comment of a review and what a person made of it: labelled data, as the paper's pre-filled reviews."""

    id: int
    """The number by which the person names it."""
    action: Literal["kept", "removed", "edited", "added"]
    before: Comment | None = None
    """As the critic or a checker had it; None where the person added it."""
    after: Comment | None = None
    """As the person left it; None where they removed it."""
    explicit: bool = False
    """Whether the person said so; a comment that they let stand is kept, too."""


class Candidate(Record):
    """One of several drafts of a round."""

    answer: str
    p_critiqueable: Probability | None = None


class Round(Record):
    """One round: a draft, how it was judged, and the critiques drawn of it."""

    answer: str
    p_critiqueable: Probability | None = None
    """P(Yes) to "does this answer have a flaw"; None when the run ended before it was judged."""
    judged_by: Literal["logprobs", "votes"] | None = None
    findings: list[Comment] = []
    """What the checkers know to be wrong with the answer: evidence, not opinion."""
    candidates: list[Candidate] = []
    """All drafts of the round where more than one was drawn; `answer` is the one least critiqueable."""
    critiques: list[Critique] = []


class RoleUsage(Record):
    """What one role of the loop has spent."""

    calls: int = 0
    """Requests sent, failed ones included; a request for n replies is one."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = 0.0
    """In US dollars; None once a reply came whose price is not known."""


class Usage(RoleUsage):
    """What a run has spent, in all and by role."""

    seconds: float = 0.0
    """Time in the nodes of the loop."""
    by_role: dict[str, RoleUsage] = {}


class Capabilities(Record):
    """What is known of a role's model, and how it was used."""

    n: Literal["native", "concurrent"] | None = None
    """Several replies in one request, or one request for each reply."""
    probability: Literal["logprobs", "votes"] | None = None
    prefill: Literal["native", "prompted"] | None = None
    """The model continued the start of its reply, or was asked for it in words."""
    rejected: list[str] = []
    """Parameters that the provider rejects; they are not sent again in this run."""

    def reject(self, names: Sequence[str]) -> None:
        """Add parameters that the provider rejects."""
        self.rejected += [name for name in names if name not in self.rejected]


class FSBSConfig(Record):
    """The sizes of Force Sampling Beam Search: n (k (d - 1) + 1) critiques are ranked, 28 by default (paper 2, 7.1)."""

    n: int = Field(default=4, ge=1, le=64, title="Continuations", description="Sampled of each critique kept.")
    k: int = Field(default=2, ge=1, le=64, title="Kept", description="Critiques continued in each iteration.")
    d: int = Field(default=4, ge=1, le=16, title="Iterations", description="1 is best of n.")


class Budget(Record):
    """What a run may spend over all roles; None is no limit.

    `calls` is exact: request number `calls + 1` is never sent. `tokens` is checked before each request against what
    was spent and the request's own estimated input, `cost_usd` against what was spent; only replies already under way
    can carry a run past them. `seconds` breaks off even a request that hangs.
    """

    calls: int | None = Field(default=None, ge=1, description="Requests at most, failed ones included.")
    tokens: int | None = Field(default=None, ge=1, description="Tokens at most, in and out together.")
    cost_usd: float | None = Field(default=None, gt=0, description="US dollars at most.")
    seconds: float | None = Field(default=None, gt=0, description="Seconds at most in the nodes of the loop.")


class Retries(Record):
    """How a request that failed is tried again where that can help; the waits are in seconds."""

    tries: int = Field(default=4, ge=1, description="Attempts at most, the first one included.")
    first_wait: float = Field(
        default=0.5, ge=0, description="Seconds; it doubles with each attempt, and a random part is added."
    )
    max_wait: float = Field(
        default=30.0, ge=0, description="The longest, in seconds, even where the provider asks for more."
    )
