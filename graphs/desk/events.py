"""Define the events of an assignment, and compute its state from them.

Every change of a person is an event that is appended to the database. The state is never stored: it is computed from
the events, so that undo, autosave and audits need nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, TypeAdapter, model_validator

from selfcritic.agent.data.records import RatingForm
from selfcritic.agent.errors import InputError
from selfcritic.agent.nodes.human_actions import (
    Add,
    Edit,
    Keep,
    Remove,
    apply_actions,
    merge_labels,
)
from selfcritic.agent.schemas import Comment, Record, ReviewedComment

MAX_TEXT = 10_000
Question = Literal[
    "bug_inclusion",
    "comprehensiveness",
    "nitpick",
    "hallucinated_problem",
    "conciseness",
    "overall",
]
FORM_QUESTIONS = get_args(Question)[1:]
"""Questions that a form has once; the first one is asked for each bug."""
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]


class Score(Record):
    """Answer one question of the form for one critique; None clears it."""

    type: Literal["score"]
    critique: str
    question: Question
    bug: str | None = None
    """Id of the bug, for `bug_inclusion` only."""
    value: Annotated[int, Field(ge=1, le=7)] | None

    @model_validator(mode="after")
    def _has_its_bug(self) -> "Score":
        if (self.bug is not None) != (self.question == "bug_inclusion"):
            raise ValueError("bug_inclusion requires a bug, and only bug_inclusion takes it")
        return self


class Rationale(Record):
    """Explain the scores of a critique."""

    type: Literal["rationale"]
    critique: str
    text: Text


class Reveal(Record):
    """Show the critic's comments after the person's own look."""

    type: Literal["reveal"]


class Found(Record):
    """Replace the critic's comments by those of another search; only the server creates it."""

    type: Literal["found"]
    length_modifier: float
    comments: list[Comment]


class Undo(Record):
    """Take back the last change."""

    type: Literal["undo"]


class Submit(Record):
    """Finish the assignment."""

    type: Literal["submit"]


class Skip(Record):
    """Decline the assignment."""

    type: Literal["skip"]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


Event = Annotated[
    Keep | Remove | Edit | Add | Score | Rationale | Reveal | Found | Undo | Submit | Skip,
    Field(discriminator="type"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
_CHANGES = (Keep, Remove, Edit, Add, Score, Rationale)
"""Events that `Undo` takes back."""


@dataclass
class Work:
    """What an assignment starts with."""

    answer: str
    critiques: Sequence[str]
    """Labels of the critiques to rate, such as A to D; empty in a review."""
    bugs: Sequence[str]
    """Ids of the known bugs."""
    comments: Sequence[Comment]
    """The critic's comments of a review; empty in the hold-out share."""
    look_first: bool = False
    """Whether the critic's comments stay hidden until the person asks for them."""


@dataclass
class State:
    """The current state of an assignment."""

    labels: list[ReviewedComment] = field(default_factory=list)
    forms: dict[str, RatingForm] = field(default_factory=dict)
    is_revealed: bool = True
    status: Literal["open", "submitted", "skipped"] = "open"
    reason: str | None = None
    can_undo: bool = False
    length_modifier: float | None = None
    own_before_reveal: int = 0
    """Comments that the person added before the critic's were shown."""


def compute_state(work: Work, events: Sequence[Event]) -> State:
    """Return the state after the events.

    Raises:
        InputError: An event does not fit the assignment.
    """
    effective = _drop_undone(events)
    state = State(is_revealed=not work.look_first)
    state.forms = {label: RatingForm() for label in work.critiques}
    comments = list(work.comments)
    if state.is_revealed:
        state.labels = merge_labels(comments, [])
    for event in effective:
        if isinstance(event, Found):
            comments = event.comments
            state.length_modifier = event.length_modifier
            if state.is_revealed:
                state.labels = merge_labels(comments, state.labels)
        elif isinstance(event, Reveal) and not state.is_revealed:
            state.is_revealed = True
            state.own_before_reveal = len(state.labels)
            state.labels = merge_labels(comments, state.labels)
        else:
            _apply(event, work, state)
    state.can_undo = any(isinstance(event, _CHANGES) for event in effective)
    return state


def _drop_undone(events: Sequence[Event]) -> list[Event]:
    """Return the events without undo events and the changes they take back."""
    kept: list[Event] = []
    for event in events:
        if not isinstance(event, Undo):
            kept.append(event)
            continue
        for index in range(len(kept) - 1, -1, -1):
            if isinstance(kept[index], _CHANGES):
                del kept[index]
                break
        else:
            raise InputError("There is nothing to undo.")
    return kept


def _apply(event: Event, work: Work, state: State) -> None:
    if isinstance(event, Keep | Remove | Edit | Add):
        if work.critiques:
            raise InputError("Comments can be changed in a review only.")
        state.labels = apply_actions([event], state.labels, work.answer)
    elif isinstance(event, Score):
        _set_score(event, work, state)
    elif isinstance(event, Rationale):
        form = _form(event.critique, state)
        state.forms[event.critique] = form.model_copy(update={"rationale": event.text})
    elif isinstance(event, Submit):
        state.status = "submitted"
    elif isinstance(event, Skip):
        state.status = "skipped"
        state.reason = event.reason


def _set_score(event: Score, work: Work, state: State) -> None:
    form = _form(event.critique, state)
    update: dict[str, object] = {event.question: event.value}
    if event.bug is not None:
        if event.bug not in work.bugs:
            raise InputError(
                f"There is no bug {event.bug!r}. The answer's bugs are {list(work.bugs)}."
            )
        scores = dict(form.bug_inclusion)
        scores.pop(event.bug, None)
        if event.value is not None:
            scores[event.bug] = event.value
        update = {"bug_inclusion": scores}
    state.forms[event.critique] = form.model_copy(update=update)


def _form(label: str, state: State) -> RatingForm:
    if label not in state.forms:
        raise InputError(f"There is no critique {label!r}. Choose one of {list(state.forms)}.")
    return state.forms[label]


def find_missing_scores(work: Work, state: State) -> list[str]:
    """Return what must be scored before the assignment can be submitted, in words."""
    missing: list[str] = []
    for label, form in state.forms.items():
        questions = [f"bug {bug}" for bug in work.bugs if bug not in form.bug_inclusion]
        for question in FORM_QUESTIONS:
            if getattr(form, question) is None:
                questions.append(question.replace("_", " "))
        missing.extend(f"{label}: {question}" for question in questions)
    return missing
