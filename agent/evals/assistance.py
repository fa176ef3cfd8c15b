"""Read people's reviews, and measure whether the critic's comments helped them."""

from collections.abc import Sequence

from selfcritic.agent.data.records import AnswerRecord, HumanReview, Rating
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.measures.assistance import (
    Assistance,
    ReviewOutcome,
    measure_assistance,
)
from selfcritic.agent.evals.measures.forms import THRESHOLDS
from selfcritic.agent.evals.measures.reviews import match_comments


def measure_reviews(
    records: Sequence[AnswerRecord], reviews: Sequence[HumanReview], ratings: Sequence[Rating]
) -> Assistance:
    """Measure the finished reviews of both conditions.

    A known bug is found if a rating of the review confirms it; without ratings, if a comment quotes at least half of
    the bug's passage. A review is valid if most ratings call it helpful or, where this was not asked, see no problem in
    it that does not exist. Ratings by the reviewers themselves are not used.

    Raises:
        InputError: There is no finished review, or a review's record is missing.
    """
    by_id = {record.id: record for record in records}
    outcomes = []
    for review in reviews:
        if review.skip_reason is not None:
            continue
        if review.record not in by_id:
            raise InputError(
                f"A review refers to the record {review.record!r}, which is missing. "
                "Pass the records and the reviews of the same export."
            )
        own_ratings = [each for each in ratings if _is_about(each, review)]
        outcomes.append(_to_outcome(by_id[review.record], review, own_ratings))
    if not outcomes:
        raise InputError(
            "There is no finished review. Submit reviews in the desk, and export them."
        )
    return measure_assistance(outcomes)


def _is_about(rating: Rating, review: HumanReview) -> bool:
    """Whether a rating by somebody else is about the review."""
    is_same = (rating.record, rating.critique) == (review.record, review.critique)
    return is_same and rating.error is None and rating.rater != review.reviewer


def _to_outcome(
    record: AnswerRecord, review: HumanReview, ratings: Sequence[Rating]
) -> ReviewOutcome:
    comments = [label.after for label in review.labels if label.after is not None]
    matches = match_comments(comments, record.bugs or [])
    hits = [match is not None for match in matches]
    for index, bug in enumerate(record.bugs or []):
        scores = [
            rating.form.bug_inclusion[bug.id]
            for rating in ratings
            if rating.form is not None and bug.id in rating.form.bug_inclusion
        ]
        if scores:
            hits[index] = sum(scores) / len(scores) >= THRESHOLDS[0]
    verdicts = []
    for rating in ratings:
        verdict = _is_valid(rating)
        if verdict is not None:
            verdicts.append(verdict)
    return ReviewOutcome(
        task=record.task,
        is_assisted=review.prefilled,
        num_comments=len(comments),
        hits=hits,
        is_valid=2 * sum(verdicts) >= len(verdicts) if verdicts else None,
        minutes=review.active_seconds / 60,
    )


def _is_valid(rating: Rating) -> bool | None:
    """Whether a rating confirms a review; None if it does not answer this."""
    if rating.is_helpful is not None or rating.form is None:
        return rating.is_helpful
    score = rating.form.hallucinated_problem
    return None if score is None else score < THRESHOLDS[0]


def merge_records(groups: Sequence[Sequence[AnswerRecord]]) -> list[AnswerRecord]:
    """Return each record once, with the critiques of all groups.

    Raises:
        InputError: Two records have the same id, but other answers.
    """
    merged: dict[str, AnswerRecord] = {}
    for records in groups:
        for record in records:
            earlier = merged.get(record.id, record)
            if earlier.answer != record.answer:
                raise InputError(
                    f"The record {record.id!r} has two different answers. Pass the exports of one file."
                )
            critiques = {critique.id: critique for critique in earlier.critiques}
            for critique in record.critiques:
                critiques.setdefault(critique.id, critique)
            update = {"critiques": list(critiques.values())}
            merged[record.id] = earlier.model_copy(update=update)
    return list(merged.values())
