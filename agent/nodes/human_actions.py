"""Apply a person's decision to the comments of a review.

Actions refer to comments by the `id` of their label. They are applied in order, all or nothing. Each `quote` is
located in the answer like a critic's quote; `start`, the offset of its first character, selects an occurrence.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from selfcritic.agent.critic.format import render
from selfcritic.agent.critic.grounding import place_comment
from selfcritic.agent.critic.location import Span, locate
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment, Critique, Record, ReviewedComment, Severity

NonEmptyStr = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_MAX_QUOTE_SHOWN = 80


class Keep(Record):
    """Keep the comment as the critic wrote it, and undo earlier changes."""

    type: Literal["keep"]
    id: int


class Remove(Record):
    """Remove the comment from the review."""

    type: Literal["remove"]
    id: int


class Edit(Record):
    """Change the given fields of a comment; a removed comment is restored."""

    type: Literal["edit"]
    id: int
    quote: str | None = None
    start: int | None = Field(default=None, ge=0)
    text: NonEmptyStr | None = None
    severity: Severity | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set & {"quote", "text", "severity"}:
            raise ValueError("set the new quote, text or severity")
        if self.start is not None and self.quote is None:
            raise ValueError("start requires a quote")
        return self


class Add(Record):
    """Add a comment."""

    type: Literal["add"]
    quote: str
    start: int | None = Field(default=None, ge=0)
    text: NonEmptyStr
    severity: Severity | None = None


Action = Annotated[Keep | Remove | Edit | Add, Field(discriminator="type")]


class Decision(Record):
    """A person's reply to a review: changes to its comments, and what to do next."""

    actions: list[Action] = Field(default_factory=list)
    next: Literal["continue", "search_again", "accept", "refine"] = "continue"
    """continue: show the review again; search_again: with another length modifier; refine: refine the answer."""
    length_modifier: float | None = Field(default=None, allow_inf_nan=False)
    """For search_again: value of one more quoted passage, in units of the score. Higher is more thorough."""

    @model_validator(mode="after")
    def _has_its_modifier(self) -> Self:
        if (self.length_modifier is not None) != (self.next == "search_again"):
            raise ValueError(
                "search_again requires length_modifier, and only search_again takes it"
            )
        return self


def read_decision(reply: Any) -> Decision:
    """Read a decision from JSON text or parsed JSON. Raises pydantic's ValidationError."""
    if isinstance(reply, str):
        return Decision.model_validate_json(reply)
    return Decision.model_validate(reply)


def merge_labels(
    comments: Sequence[Comment], labels: Sequence[ReviewedComment]
) -> list[ReviewedComment]:
    """Label the comments of a search, keeping labels that a person set.

    All other labels are replaced by the new comments; equal comments keep their id.
    """
    merged = [label for label in labels if label.explicit]
    untouched = {
        _key(label.before): label for label in labels if label.before and not label.explicit
    }
    keys = {_key(comment) for label in merged for comment in (label.before, label.after) if comment}
    last_id = max((label.id for label in labels), default=0)
    for comment in comments:
        key = _key(comment)
        if key in keys:
            continue
        keys.add(key)
        label = untouched.get(key)
        if label is None:
            last_id += 1
            label = ReviewedComment(id=last_id, action="kept", before=comment, after=comment)
        merged.append(label)
    return sorted(merged, key=lambda label: label.id)


def _key(comment: Comment) -> tuple[object, ...]:
    return comment.start, comment.end, comment.quote, comment.text


def apply_actions(
    actions: Sequence[Action], labels: Sequence[ReviewedComment], answer: str
) -> list[ReviewedComment]:
    """Return the labels after the actions.

    Raises:
        InputError: An action cannot be applied; the message names it.
    """
    for number, action in enumerate(actions):
        try:
            labels = _apply(action, labels, answer)
        except InputError as error:
            raise InputError(f"actions[{number}] ({action.type}): {error}") from None
    return list(labels)


def _apply(action: Action, labels: Sequence[ReviewedComment], answer: str) -> list[ReviewedComment]:
    if isinstance(action, Add):
        comment = Comment(quote=action.quote, text=action.text, severity=action.severity)
        comment = _locate_quote(comment, action.start, answer)
        last_id = max((label.id for label in labels), default=0)
        return [
            *labels,
            ReviewedComment(id=last_id + 1, action="added", after=comment, explicit=True),
        ]
    ids = [label.id for label in labels]
    if action.id not in ids:
        raise InputError(f"there is no comment {action.id}; the ids are {ids}.")
    changed_labels = []
    for label in labels:
        if label.id != action.id:
            changed_labels.append(label)
        elif changed := _change(action, label, answer):
            changed_labels.append(changed)
    return changed_labels


def _change(
    action: Keep | Remove | Edit, label: ReviewedComment, answer: str
) -> ReviewedComment | None:
    """Return the label after an action; None if it removes an added comment."""
    before = label.before
    after: Comment | None
    if isinstance(action, Edit):
        current = label.after or before or Comment(quote="", text="")
        after = _edit(current, action, answer)
    elif isinstance(action, Remove):
        after = None
    else:
        after = before or label.after
    if before is not None:
        return ReviewedComment(
            id=label.id,
            action=_action_name(before, after),
            before=before,
            after=after,
            explicit=True,
        )
    if after is None:
        return None
    return label.model_copy(update={"after": after})


def _action_name(before: Comment, after: Comment | None) -> Literal["kept", "removed", "edited"]:
    if after is None:
        return "removed"
    return "kept" if after == before else "edited"


def _edit(comment: Comment, edit: Edit, answer: str) -> Comment:
    changes: dict[str, Any] = {}
    if edit.quote is not None:
        changes["quote"] = edit.quote
    if edit.text is not None:
        changes["text"] = edit.text
    if "severity" in edit.model_fields_set:
        changes["severity"] = edit.severity
    edited = comment.model_copy(update=changes)
    if edit.quote is not None:
        edited = _locate_quote(edited, edit.start, answer)
    if _key(edited) == _key(comment):
        return edited
    # The evidence refers to the original words.
    return edited.model_copy(update={"source": None, "evidence": None})


def _locate_quote(comment: Comment, start: int | None, answer: str) -> Comment:
    """Place a comment at its quote in the answer, at `start` if given."""
    quote = comment.quote
    if start is not None:
        if not quote.strip() or not answer.startswith(quote, start):
            raise InputError(f"the quote {_shorten(quote)} is not at offset {start} of the answer.")
        return place_comment(comment, Span(start, start + len(quote)), answer)
    span = locate(quote, answer)
    if span is None:
        raise InputError(f"the quote {_shorten(quote)} is not in the answer; quote words that are.")
    return place_comment(comment, span, answer)


def _shorten(text: str) -> str:
    if len(text) > _MAX_QUOTE_SHOWN:
        text = f"{text[: _MAX_QUOTE_SHOWN - 3]}..."
    return repr(text)


def build_critique(labels: Sequence[ReviewedComment], selected: Critique | None) -> Critique | None:
    """Build the critique of the labels; None without comments.

    If the comments are those of the selected critique, returns it unchanged.
    """
    comments = [label.after for label in labels if label.after]
    if selected is not None and comments == selected.comments:
        return selected
    if not comments:
        return None
    return Critique(text=render(comments), comments=comments, selected=True)
