"""Export ratings as scores for inspect's `precomputed_scores`."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from pydantic import ValidationError

from selfcritic.agent.data.exports.forms import QUESTIONS
from selfcritic.agent.data.records import Rating
from selfcritic.agent.errors import InputError, format_validation_error

SampleId = Callable[[Rating], str]


def _default_id(rating: Rating) -> str:
    return f"{rating.record}/{rating.critique}"


def to_inspect_scores(
    ratings: Sequence[Rating], sample_id: SampleId = _default_id
) -> list[dict[str, Any]]:
    """Return one score per rating: a value for each question of the form, and `is_helpful`.

    `bug_inclusion` is the mean over the bugs. The whole rating is in the metadata. Ratings with an error or without any
    value are left out: inspect counts their samples as unscored.

    Args:
        ratings: Ratings of one rater.
        sample_id: Returns the id of a rating's sample in the log; the default is RECORD/CRITIQUE.

    Raises:
        InputError: Two ratings belong to one sample.
    """
    scores: dict[str, dict[str, Any]] = {}
    for rating in ratings:
        values = _get_values(rating)
        if rating.error is not None or not values:
            continue
        name = sample_id(rating)
        if name in scores:
            raise InputError(
                f"Two ratings belong to the sample {name!r}. Export one rater at a time, and pass another `sample_id` "
                "if a sample has several critiques."
            )
        scores[name] = {"id": name, "value": values, "metadata": {"rating": _dump(rating)}}
        if rating.form is not None and rating.form.rationale:
            scores[name]["explanation"] = rating.form.rationale
    return list(scores.values())


def from_inspect_scores(rows: Sequence[Mapping[str, Any]]) -> list[Rating]:
    """Return the ratings of exported scores.

    Raises:
        InputError: A score was not exported by `to_inspect_scores`.
    """
    ratings = []
    for number, row in enumerate(rows, 1):
        metadata = row.get("metadata")
        data = metadata.get("rating") if isinstance(metadata, Mapping) else None
        try:
            ratings.append(Rating.model_validate(data))
        except ValidationError as error:
            details = format_validation_error(error, "metadata.rating", limit=2)
            raise InputError(f"Score {number} has no valid rating: {details}.") from None
    return ratings


def _get_values(rating: Rating) -> dict[str, float]:
    values: dict[str, float] = {}
    if rating.is_helpful is not None:
        values["is_helpful"] = float(rating.is_helpful)
    if rating.form is None:
        return values
    if rating.form.bug_inclusion:
        values["bug_inclusion"] = fmean(rating.form.bug_inclusion.values())
    for question in QUESTIONS:
        score = getattr(rating.form, question)
        if score is not None:
            values[question] = float(score)
    return values


def _dump(rating: Rating) -> dict[str, Any]:
    return rating.model_dump(mode="json", exclude_defaults=True)
