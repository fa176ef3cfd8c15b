"""Define the records that measuring, rating and training critics share.

Each record is one line of a JSON Lines file and names its schema version.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from selfcritic.agent.schemas import Critique, Probability, Record, ReviewedComment, Severity

SCHEMA_VERSION = 1
Origin = Literal["natural", "inserted", "clean"]
"""Where an answer's bugs come from; "clean" has none."""
RaterType = Literal["oracle", "tests", "judge", "human"]
Score = Annotated[int, Field(ge=1, le=7)]
"""Ordinal score of CriticGPT's form; 4 is "unsure", except for `overall` (paper 2, table 2)."""


class VersionedRecord(Record):
    """Base of the records that are lines of a file."""

    schema_version: Literal[1] = 1


class Bug(Record):
    """A known flaw, described as in a code review (a reference bug of paper 2)."""

    id: str
    """Unique in its answer."""
    description: str
    quote: str | None = None
    """The flawed passage of the answer."""
    start: int | None = None
    """Offset of the quote's first character in the answer."""
    end: int | None = None
    """Offset after the quote's last character."""
    severity: Severity | None = None


class CritiqueSample(Critique):
    """A critique with the critic that wrote it; all samples of a critic are its pool."""

    id: str
    """Unique in its answer."""
    critic: str
    """Name of the critic, such as a model, "human" or "gold"."""
    calls: int | None = None
    """Requests that this sample and its scores cost."""
    tokens: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None
    """Time that it took, while other samples ran at the same time."""


class Refinement(Record):
    """An answer that replaces the record's answer."""

    arm: str
    """How it was made, such as "loop", "direct" or "best_of_n"."""
    answer: str
    is_correct: bool | None = None
    """None if unknown."""
    round: int = 1
    """Number of refinements since the first draft."""
    critique: str | None = None
    """Id of the critique that it follows."""
    calls: int | None = None
    """All requests from the question to this answer."""
    tokens: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None
    """Time that it took, while other samples ran at the same time."""


class AnswerRecord(VersionedRecord):
    """An answer with its known bugs and the critiques of it."""

    id: str
    """Unique in its file."""
    task: str
    """Name of the task; intervals resample tasks, and splits keep the answers of a task together."""
    question: str
    answer: str
    context: str = ""
    """Material that belongs to the question."""
    origin: Origin = "natural"
    split: Literal["train", "dev", "test"] | None = None
    task_type: str | None = None
    """Type with an oracle, such as "alphabetize"; None for others."""
    language: str | None = None
    """Programming language of the answer, in lower case."""
    is_correct: bool | None = None
    """None if unknown."""
    quality: float | None = None
    """Graded truth where right and wrong is too coarse; higher is better."""
    bugs: list[Bug] | None = None
    """Known bugs; None if they are unknown, which differs from none."""
    p_critiqueable: Probability | None = None
    """The model's P(Yes) to "does this answer have a flaw"."""
    critiques: list[CritiqueSample] = Field(default_factory=list)
    refinements: list[Refinement] = Field(default_factory=list)
    error: str | None = None
    """Why the model's output is missing; such records are counted apart."""
    metadata: dict[str, Any] = Field(default_factory=dict)


class RatingForm(Record):
    """CriticGPT's rating form (paper 2, table 2); None for questions without an answer."""

    bug_inclusion: dict[str, Score] = Field(default_factory=dict)
    """By bug id: does the critique point out this bug?"""
    comprehensiveness: Score | None = None
    """Does it point out all clear and severe problems?"""
    nitpick: Score | None = None
    """Does it contain a nitpick?"""
    hallucinated_problem: Score | None = None
    """Does it contain a problem that does not exist?"""
    conciseness: Score | None = None
    overall: Score | None = None
    """Quality relative to the other critiques of the comparison."""
    rationale: str = ""


class Rating(VersionedRecord):
    """What a rater thinks of one critique."""

    record: str
    """Id of the answer record."""
    critique: str
    """Id of the critique."""
    rater: str
    rater_type: RaterType
    is_helpful: bool | None = None
    """Is the critique valid and helpful (paper 1)? None if it was not asked."""
    form: RatingForm | None = None
    error: str | None = None
    """Why no rating could be read; such rows are counted apart."""


class Comparison(VersionedRecord):
    """Critiques of one answer, shown side by side and rated relative to each other."""

    record: str
    critiques: list[str] = Field(min_length=2)
    """Ids in the order in which the rater saw them."""
    rater: str
    rater_type: RaterType
    forms: list[RatingForm] = Field(default_factory=list)
    """One form per critique, in the same order; equal `overall` scores are ties."""
    is_blind: bool = True
    """Whether the rater did not see which critic wrote what."""
    error: str | None = None


class HumanReview(VersionedRecord):
    """A person's review of an answer, perhaps pre-filled with a critic's comments (paper 2)."""

    record: str
    reviewer: str
    critique: str | None
    """Id of the resulting critique in the answer record; None without comments."""
    labels: list[ReviewedComment] = Field(default_factory=list)
    """Every comment before and after the review."""
    prefilled: bool
    """Whether the critic's comments were shown."""
    looked_first: bool = False
    """Whether the person reviewed alone before the critic's comments appeared."""
    num_own_before: int = 0
    """Comments that the person wrote before the critic's comments appeared."""
    active_seconds: float = 0.0
    skip_reason: str | None = None
    """Why the person declined; None if they finished."""
