"""Fill CriticGPT's rating form from facts about a critique (paper 2, table 2)."""

from collections.abc import Mapping, Sequence

from selfcritic.agent.critic.location import locate
from selfcritic.agent.data.records import (
    AnswerRecord,
    Bug,
    CritiqueSample,
    RaterType,
    Rating,
    RatingForm,
    Score,
)

YES: Score = 7
NO: Score = 1
_COVERAGE_POINTS = 4
_PRECISION_POINTS = 2


def fill_form(
    included: Mapping[str, bool], *, is_invented: bool | None, is_nitpick: bool | None
) -> RatingForm:
    """Return the form of a critique; questions without an answer are None.

    - `bug_inclusion`: 7 for an included bug, else 1.
    - `comprehensiveness`: 7 if all bugs are included, else 1; None without bugs, as there is nothing to point out.
    - `overall`: 1, plus 4 times the share of included bugs, plus 2 without an invented problem. On an answer without
      bugs, 7 without an invented problem, else 1. The paper asks people to compare critiques instead.
    - `conciseness`: None.

    Args:
        included: Whether the critique points out each bug, by bug id.
        is_invented: Whether it contains a problem that does not exist; None if unknown.
        is_nitpick: Whether it contains a nitpick; None if unknown.
    """
    comprehensiveness = None
    if included:
        comprehensiveness = _score(all(included.values()))
    return RatingForm(
        bug_inclusion={bug: YES if is_included else NO for bug, is_included in included.items()},
        comprehensiveness=comprehensiveness,
        nitpick=_score(is_nitpick),
        hallucinated_problem=_score(is_invented),
        overall=_overall(list(included.values()), is_invented),
    )


def build_rating(
    record: AnswerRecord,
    critique: CritiqueSample,
    rater: str,
    rater_type: RaterType,
    *,
    is_helpful: bool | None = None,
    form: RatingForm | None = None,
    error: str | None = None,
) -> Rating:
    """Return the rating of a record's critique."""
    return Rating(
        record=record.id,
        critique=critique.id,
        rater=rater,
        rater_type=rater_type,
        is_helpful=is_helpful,
        form=form,
        error=error,
    )


def locate_bugs(answer: str, bugs: Sequence[Bug]) -> list[Bug]:
    """Return bugs with the offsets of their quotes, as far as the answer contains them."""
    located = []
    for bug in bugs:
        span = None
        if bug.start is None and bug.quote is not None:
            span = locate(bug.quote, answer)
        if span is None:
            located.append(bug)
        else:
            located.append(bug.model_copy(update={"start": span.start, "end": span.end}))
    return located


def _score(is_yes: bool | None) -> Score | None:
    if is_yes is None:
        return None
    return YES if is_yes else NO


def _overall(included: list[bool], is_invented: bool | None) -> Score | None:
    if is_invented is None:
        return None
    if not included:
        return NO if is_invented else YES
    coverage = round(_COVERAGE_POINTS * sum(included) / len(included))
    precision = 0 if is_invented else _PRECISION_POINTS
    return 1 + coverage + precision
