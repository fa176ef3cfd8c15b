"""Read the reviews that `append_review` saves: people's labels of a critic's comments."""

from pydantic import ValidationError

from selfcritic.agent.critic.format import render
from selfcritic.agent.data.readers.fields import (
    Row,
    RowError,
    get_objects,
    get_optional_text,
    get_text,
    name_task,
)
from selfcritic.agent.data.records import AnswerRecord, CritiqueSample, Rating
from selfcritic.agent.errors import format_validation_error
from selfcritic.agent.schemas import Comment, ReviewedComment

_HELPFUL = {"kept": True, "removed": False}


def read_review(row: Row) -> list[AnswerRecord]:
    """Return the reviewed answer; each comment is a critique.

    The critic of a comment is "critic", the checker that found it, or "human" for added and edited comments. An edited
    comment is two critiques.
    """
    values = row.values
    question = get_text(values, "question")
    context = get_optional_text(values, "context")
    critiques = []
    for label in _read_labels(row):
        if label.before is not None:
            critic = label.before.source or "critic"
            critiques.append(_to_critique(f"{label.id}", critic, label.before))
        if label.after is not None and label.action in ("edited", "added"):
            critiques.append(_to_critique(f"{label.id}-{label.action}", "human", label.after))
    record = AnswerRecord(
        id=row.number,
        task=name_task(question, context),
        question=question,
        context=context,
        answer=get_text(values, "answer"),
        critiques=critiques,
        metadata={"decision": values.get("decision")},
    )
    return [record]


def read_review_ratings(row: Row) -> list[Rating]:
    """Return a rating of each comment that the person kept (helpful) or removed (not helpful)."""
    ratings = []
    for label in _read_labels(row):
        if label.action in _HELPFUL:
            rating = Rating(
                record=row.number,
                critique=f"{label.id}",
                rater="reviewer",
                rater_type="human",
                is_helpful=_HELPFUL[label.action],
            )
            ratings.append(rating)
    return ratings


def _read_labels(row: Row) -> list[ReviewedComment]:
    labels = []
    for data in get_objects(row.values, "labels"):
        try:
            labels.append(ReviewedComment.model_validate(data))
        except ValidationError as error:
            raise RowError(
                f"`labels` is invalid: {format_validation_error(error, 'label', limit=2)}"
            ) from None
    return labels


def _to_critique(name: str, critic: str, comment: Comment) -> CritiqueSample:
    return CritiqueSample(id=name, critic=critic, text=render([comment]), comments=[comment])
