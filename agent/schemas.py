"""Define the records of a run: rounds, critiques, usage and limits."""

from collections.abc import Sequence
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Severity = Literal["low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Least severe first."""
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
StopReason = Literal[
    "accepted",
    "no_helpful_critique",
    "max_rounds",
    "plateau",
    "repeated_answer",
    "budget",
    "model_error",
    "judge_unreadable",
    "truncated",
    "checker_error",
    "scorer_error",
    "stop_when",
    "step_limit",
    "invalid_input",
    "interrupted",
    "reviewed",
]


JudgeMethod = Literal["logprobs", "votes"]
"""How a probability was measured; values of different methods are not comparable."""


class Record(BaseModel):
    """Base of all records; rejects unknown fields."""

    model_config = ConfigDict(extra="forbid")


class Comment(Record):
    """A quote of the answer and what is wrong with it (CriticGPT's highlight and comment)."""

    quote: str
    text: str
    severity: Severity | None = None
    start: int | None = None
    """Offset of the quote's first character in the answer; None if it is not located."""
    end: int | None = None
    """Offset after the quote's last character."""
    source: str | None = None
    """Name of the checker that found it, such as "syntax" or "unit_tests"; None for a critic's comment."""
    rule: str | None = None
    """Identifier of the underlying rule, such as "ruff/F821"; None for a critic's comment."""
    evidence: Literal["confirmed", "refuted"] | None = None
    """Result of verifying a critic's comment with the checkers; None if they cannot verify it."""

    def overlaps(self, other: "Comment") -> bool:
        """Whether both comments are located and share a character of the answer."""
        if self.start is None or self.end is None:
            return False
        if other.start is None or other.end is None:
            return False
        return max(self.start, other.start) < min(self.end, other.end)


class Critique(Record):
    """A critique of a draft."""

    text: str
    """The critic's unchanged reply."""
    comments: list[Comment] = []
    """Comments with a quote that is in the draft, duplicates merged."""
    ungrounded: list[Comment] = []
    """Comments with a quote that is not in the draft; they are not used."""
    unparsed: str = ""
    """Text that belongs to no comment: a preface, a closing paragraph, or a text without fences."""
    helpfulness: Probability | None = None
    """P(Yes) to "is this critique valid and helpful"; None if it was not scored."""
    reward: float | None = None
    """Score from the run's scorer, by which critiques of a draft are selected."""
    judged_by: JudgeMethod | None = None
    """How `helpfulness` was measured."""
    votes: int | None = None
    """Votes sampled for `helpfulness`; None if it was read from logprobs."""
    votes_read: int | None = None
    """Votes that were a readable Yes or No."""
    is_truncated: bool = False
    """Whether the reply stopped at its length limit; a comment that was cut off is dropped."""
    iteration: int | None = None
    """Iteration of Force Sampling Beam Search that sampled it, from 0; None for other critiques."""
    selected: bool = False


class ReviewedComment(Record):
    """A review comment labeled by a person, as in the paper's pre-filled reviews."""

    id: int
    """Number by which the person refers to it."""
    action: Literal["kept", "removed", "edited", "added"]
    before: Comment | None = None
    """The comment of the critic or checker; None if the person added it."""
    after: Comment | None = None
    """The comment after the person's changes; None if they removed it."""
    explicit: bool = False
    """Whether the person chose the action; a comment that they do not mention is kept."""


class Candidate(Record):
    """A draft and its judgment."""

    answer: str
    is_truncated: bool = False
    """Whether the reply stopped at its length limit; a whole draft is always better."""
    p_critiqueable: Probability | None = None
    """P(Yes) to "does this answer have a flaw"; None if the run ended first."""
    judged_by: JudgeMethod | None = None
    votes: int | None = None
    """Votes sampled for `p_critiqueable`; None if it was read from logprobs."""
    votes_read: int | None = None
    """Votes that were a readable Yes or No; the others count as half a Yes."""


class Round(Candidate):
    """A draft with its judgment, findings and critiques."""

    index: int | None = Field(default=None, ge=0)
    """Index in `rounds`; None before the round is part of a run."""
    findings: list[Comment] = []
    """Errors that the checkers found in the answer."""
    is_unchecked: bool = False
    """Whether a checker failed, so `findings` may lack some."""
    candidates: list[Candidate] = []
    """All drafts, if the round has several; `answer` is the least critiqueable one."""
    critiques: list[Critique] = []


class RoleUsage(Record):
    """Requests, tokens and cost of one role."""

    calls: int = 0
    """Requests sent, including failed ones; a request for n replies counts once."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    """Output tokens that the model spent on thinking; included in `output_tokens`."""
    estimated_tokens: int = 0
    """Tokens that the provider did not report; included in `input_tokens` and `output_tokens`."""
    cost_usd: float | None = 0.0
    """Cost in US dollars; None if the price of any reply is unknown."""
    cached_calls: int = 0
    """Requests whose replies all came from the cache (`cache`); they were not sent and are not in `calls`."""
    cached_call_tokens: int = 0
    """Tokens that replies from the cache used when they were sent; not in `input_tokens` and `output_tokens`."""
    cached_call_cost_usd: float | None = 0.0
    """Cost of replies from the cache when they were sent; not in `cost_usd`."""


class Usage(RoleUsage):
    """Usage of a run, in total and by role."""

    seconds: float = 0.0
    """Seconds spent in nodes."""
    by_role: dict[str, RoleUsage] = {}

    def copy_counts(self) -> "Usage":
        """Return a copy that can be changed; much faster than a deep copy."""
        by_role = {role: usage.model_copy() for role, usage in self.by_role.items()}
        return self.model_copy(update={"by_role": by_role})


class Capabilities(Record):
    """Capabilities of a role's model, as detected so far."""

    n: Literal["native", "concurrent"] | None = None
    """Several replies in one request, or one request for each reply."""
    probability: Literal["logprobs", "votes"] | None = None
    prefill: Literal["native", "prompted"] | None = None
    """Whether the model continues a prefilled reply, or is prompted to continue it."""
    reasoning: bool = False
    """Whether the model was seen to think before it replies."""
    verdict_tokens: int | None = None
    """Tokens of a verdict that suffice to read its logprobs; later verdicts are limited to them."""
    rejected: list[str] = []
    """Parameters that the provider rejects; they are not sent again in this run."""

    def copy_learned(self) -> "Capabilities":
        """Return a copy that can be changed; `rejected` is the only field that changes in place."""
        return self.model_copy(update={"rejected": list(self.rejected)})

    def reject(self, names: Sequence[str]) -> None:
        """Add parameters that the provider rejects."""
        for name in names:
            if name not in self.rejected:
                self.rejected.append(name)


class FSBSConfig(Record):
    """Sizes of Force Sampling Beam Search (paper 2, section 7.1).

    It ranks n (k (d - 1) + 1) critiques, 28 by default.
    """

    n: int = Field(
        default=4,
        ge=1,
        le=64,
        title="Continuations",
        description="Continuations of each kept critique.",
    )
    k: int = Field(
        default=2, ge=1, le=64, title="Kept", description="Critiques kept in each iteration."
    )
    d: int = Field(
        default=4,
        ge=1,
        le=16,
        title="Iterations",
        description="Number of iterations; 1 is best of n.",
    )


class Budget(Record):
    """Limits of a run over all roles; None means no limit.

    `calls` is exact: request number `calls + 1` is never sent. `tokens` and `cost_usd` are checked before each request;
    `tokens` includes the estimated input of that request. Only requests in flight can exceed them. `seconds` also
    cancels requests in flight.
    """

    calls: int | None = Field(
        default=None, ge=1, description="Maximum requests, including failed ones."
    )
    tokens: int | None = Field(
        default=None, ge=1, description="Maximum tokens, input and output together."
    )
    cost_usd: float | None = Field(default=None, gt=0, description="Maximum cost in US dollars.")
    seconds: float | None = Field(default=None, gt=0, description="Maximum seconds in nodes.")


class Retries(Record):
    """Retry policy for requests that failed with a transient error."""

    tries: int = Field(default=4, ge=1, description="Maximum attempts, including the first one.")
    first_wait: float = Field(
        default=0.5,
        ge=0,
        description="Seconds before the first retry; doubles each time, plus jitter.",
    )
    max_wait: float = Field(
        default=30.0, ge=0, description="Maximum seconds, even if the provider asks for more."
    )
    startup_seconds: float = Field(
        default=60.0,
        ge=0,
        description="Seconds to wait for a server that refuses connections or still loads its model.",
    )
