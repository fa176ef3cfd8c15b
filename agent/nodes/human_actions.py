"""What a person decides on the comments of a review, and what becomes of the comments by it.

Comments are named by the `id` of their label. Actions are carried out in order, all of them or, where one cannot be,
none. Each `quote` is located in the answer as a critic's is; `start`, the offset of its first character, picks one of
several occurrences.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from selfcritic.agent.critic.format import render
from selfcritic.agent.critic.grounding import Span, locate, place_comment
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment, Critique, Record, ReviewedComment, Severity

NonEmptyStr = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Keep(Record):
    """The comment as the critic wrote it; takes back what was done to it before."""

    type: Literal["keep"]
    id: int


class Remove(Record):
    """No longer part of the review."""

    type: Literal["remove"]
    id: int


class Edit(Record):
    """Change what is given and leave the rest; a removed comment comes back so."""

    type: Literal["edit"]
    id: int
    quote: str | None = None
    start: int | None = Field(default=None, ge=0)
    text: NonEmptyStr | None = None
    severity: Severity | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set & {"quote", "text", "severity"}:
            raise ValueError("give the quote, the text or the severity that it is to have")
        if self.start is not None and self.quote is None:
            raise ValueError("start goes with a quote")
        return self


class Add(Record):
    """A comment of the person's own."""

    type: Literal["add"]
    quote: str
    start: int | None = Field(default=None, ge=0)
    text: NonEmptyStr
    severity: Severity | None = None


Action = Annotated[Keep | Remove | Edit | Add, Field(discriminator="type")]


class Decision(Record):
    """A person's reply to a review: what is to be done to its comments, and what is to come then."""

    actions: list[Action] = Field(default_factory=list)
    next: Literal["continue", "search_again", "accept", "refine"] = "continue"
    """ask: show the review again; search_again: with another length modifier; refine: mend the answer by the review."""
    length_modifier: float | None = Field(default=None, allow_inf_nan=False)
    """For search_again: worth of one more quoted passage, in units of the score; more is thorough, less precise."""

    @model_validator(mode="after")
    def _has_its_modifier(self) -> Self:
        if (self.length_modifier is not None) != (self.next == "search_again"):
            raise ValueError("length_modifier goes with next: search_again, and that with it")
        return self


def read_decision(reply: Any) -> Decision:
    """A decision as JSON text or as what that stands for; raises pydantic's ValidationError."""
    return Decision.model_validate_json(reply) if isinstance(reply, str) else Decision.model_validate(reply)


def merge_labels(comments: Sequence[Comment], labels: Sequence[ReviewedComment]) -> list[ReviewedComment]:
    """The comments of a search, put before a person who had these labels.

    What they have said something of stays, whatever the search found; the rest is replaced.
    """
    said = [label for label in labels if label.explicit]
    shown = {_key(label.before): label for label in labels if label.before and not label.explicit}
    known = {_key(comment) for label in said for comment in (label.before, label.after) if comment}
    last = max((label.id for label in labels), default=0)
    for comment in comments:
        if _key(comment) not in known:
            known.add(_key(comment))
            last += _key(comment) not in shown
            said.append(
                shown.get(_key(comment)) or ReviewedComment(id=last, action="kept", before=comment, after=comment)
            )
    return sorted(said, key=lambda label: label.id)


def _key(comment: Comment) -> tuple[object, ...]:
    return comment.start, comment.end, comment.quote, comment.text


def apply_actions(actions: Sequence[Action], labels: Sequence[ReviewedComment], answer: str) -> list[ReviewedComment]:
    """The labels after the actions; raises InputError, which names the action, where one cannot be carried out."""
    for number, action in enumerate(actions):
        try:
            labels = _carry_out(action, labels, answer)
        except InputError as error:
            raise InputError(f"actions[{number}] ({action.type}): {error}") from None
    return list(labels)


def _carry_out(action: Action, labels: Sequence[ReviewedComment], answer: str) -> list[ReviewedComment]:
    if isinstance(action, Add):
        comment = Comment(quote=action.quote, text=action.text, severity=action.severity)
        comment = _locate_quote(comment, action.start, answer)
        last = max((label.id for label in labels), default=0)
        return [*labels, ReviewedComment(id=last + 1, action="added", after=comment, explicit=True)]
    label = next((label for label in labels if label.id == action.id), None)
    if label is None:
        raise InputError(f"there is no comment {action.id}; there are {[label.id for label in labels]}.")
    changed = _changed(action, label, answer)
    return [one for label in labels if (one := changed if label.id == action.id else label)]


def _changed(action: Keep | Remove | Edit, label: ReviewedComment, answer: str) -> ReviewedComment | None:
    """The label after an action; None where the person takes back what they had added."""
    before = label.before
    if isinstance(action, Edit):
        after: Comment | None = _edited(label.after or before or Comment(quote="", text=""), action, answer)
    else:
        after = None if isinstance(action, Remove) else before or label.after
    if before is None:
        return label.model_copy(update={"after": after}) if after else None
    return ReviewedComment(id=label.id, action=_name(before, after), before=before, after=after, explicit=True)


def _name(before: Comment, after: Comment | None) -> Literal["kept", "removed", "edited"]:
    if after is None:
        return "removed"
    return "kept" if after == before else "edited"


def _edited(comment: Comment, edit: Edit, answer: str) -> Comment:
    changes: dict[str, Any] = {} if edit.quote is None else {"quote": edit.quote}
    changes |= {} if edit.text is None else {"text": edit.text}
    changes |= {"severity": edit.severity} if "severity" in edit.model_fields_set else {}
    edited = comment.model_copy(update=changes)
    if edit.quote is not None:
        edited = _locate_quote(edited, edit.start, answer)
    # What a checker knew was of other words.
    unknown = {} if _key(edited) == _key(comment) else {"source": None, "evidence": None}
    return edited.model_copy(update=unknown)


def _locate_quote(comment: Comment, start: int | None, answer: str) -> Comment:
    """Place a comment at its quote; raises InputError if the answer has no such quote."""
    quote = comment.quote
    if start is not None:
        if not quote.strip() or not answer.startswith(quote, start):
            raise InputError(f"the quote {_short(quote)} does not stand at offset {start} of the answer.")
        return place_comment(comment, Span(start, start + len(quote)), answer)
    span = locate(quote, answer)
    if span is None:
        raise InputError(f"the quote {_short(quote)} does not stand in the answer; quote words that do.")
    return place_comment(comment, span, answer)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def build_critique(labels: Sequence[ReviewedComment], selected_critique: Critique | None) -> Critique | None:
    """The review as the person left it: the chosen critique itself where that is just what they kept."""
    comments = [label.after for label in labels if label.after]
    if selected_critique is not None and comments == selected_critique.comments:
        return selected_critique
    return Critique(text=render(comments), comments=comments, selected=True) if comments else None
