"""Measure ratings on CriticGPT's form (paper 2, table 2).

A score of 5 or more counts as a yes, since 4 is "unsure". The paper states no threshold, so 6 is reported, too.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from selfcritic.agent.data.records import RatingForm
from selfcritic.agent.evals.measures.intervals import Estimate, mean, rate

THRESHOLDS = (5, 6)
QUESTIONS = ("comprehensiveness", "nitpick", "hallucinated_problem", "conciseness", "overall")


@dataclass(frozen=True)
class RatedForm:
    """A form with the task of the rated answer; None for a rating that could not be read."""

    task: Hashable
    form: RatingForm | None


def bug_inclusion(forms: Sequence[RatedForm], threshold: int = THRESHOLDS[0]) -> Estimate:
    """Return the share of known bugs that critiques point out (critique-bug inclusion).

    Each bug of each critique is a row.
    """
    hits: list[bool | None] = []
    tasks: list[Hashable] = []
    for rated in forms:
        if rated.form is None:
            hits.append(None)
            tasks.append(rated.task)
            continue
        for score in rated.form.bug_inclusion.values():
            hits.append(score >= threshold)
            tasks.append(rated.task)
    return rate(hits, tasks)


def share_yes(
    forms: Sequence[RatedForm], question: str, threshold: int = THRESHOLDS[0]
) -> Estimate:
    """Return the share of critiques whose score for a question is at least the threshold."""
    hits = [None if score is None else score >= threshold for score in _scores(forms, question)]
    return rate(hits, [rated.task for rated in forms])


def mean_score(forms: Sequence[RatedForm], question: str) -> Estimate:
    """Return the mean score of a question, from 1 to 7."""
    return mean(_scores(forms, question), [rated.task for rated in forms])


def share_with_spurious_claim(
    forms: Sequence[RatedForm], threshold: int = THRESHOLDS[0]
) -> Estimate:
    """Return the share of critiques with a nitpick or a hallucinated problem."""
    hits = [is_spurious(rated.form, threshold) for rated in forms]
    return rate(hits, [rated.task for rated in forms])


def is_spurious(form: RatingForm | None, threshold: int = THRESHOLDS[0]) -> bool | None:
    """Return whether a critique has a nitpick or a hallucinated problem; None if unrated."""
    if form is None or form.nitpick is None or form.hallucinated_problem is None:
        return None
    return max(form.nitpick, form.hallucinated_problem) >= threshold


def _scores(forms: Sequence[RatedForm], question: str) -> list[int | None]:
    """Return each form's score for a question; None if it was not answered."""
    if question not in QUESTIONS:
        raise ValueError(
            f"The form has no question {question!r}. Choose one of {', '.join(QUESTIONS)}."
        )
    scores: list[int | None] = []
    for rated in forms:
        score = None if rated.form is None else getattr(rated.form, question)
        scores.append(score)
    return scores
