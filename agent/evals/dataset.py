"""Index the records, ratings and comparisons of a run."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.data.records import (
    AnswerRecord,
    Comparison,
    CritiqueSample,
    Origin,
    RaterType,
    Rating,
    RatingForm,
)
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.measurement import ORIGINS, finite_or_none

T = TypeVar("T")
TRUST: tuple[RaterType, ...] = ("oracle", "tests", "human", "judge")
"""Types of raters, most trusted first; a report uses the first that rated something."""
_FORM_QUESTIONS = (
    "comprehensiveness",
    "nitpick",
    "hallucinated_problem",
    "conciseness",
    "overall",
)
Key = tuple[str, str]
"""Ids of a record and of its critique."""


@dataclass(frozen=True)
class RatedCritique:
    """A critique with its answer and its ratings."""

    record: AnswerRecord
    critique: CritiqueSample
    is_helpful: bool | None
    """None if it is unrated or the rating could not be read."""
    form: RatingForm | None

    @property
    def score(self) -> float | None:
        """What selection maximizes: the reward, or P(helpful) without one."""
        if self.critique.reward is not None:
            return finite_or_none(self.critique.reward)
        return finite_or_none(self.critique.helpfulness)


class Dataset:
    """Answers with their critiques and ratings."""

    def __init__(
        self,
        records: Sequence[AnswerRecord],
        ratings: Sequence[Rating] = (),
        comparisons: Sequence[Comparison] = (),
        *,
        rater: str | None = None,
    ) -> None:
        """Index the records, and choose the ratings that are the truth.

        Args:
            records: All answers, also those with an error.
            ratings: Ratings of their critiques, by any raters.
            comparisons: Comparisons of their critiques.
            rater: Name of the rater to use; by default, all raters of the most trusted type.

        Raises:
            InputError: There are no records, or `rater` rated nothing.
        """
        if not records:
            raise InputError("There are no records to measure.")
        self.all_records = list(records)
        self.records = [record for record in records if record.error is None]
        self.ratings = list(ratings)
        self.comparisons = list(comparisons)
        self._by_id = {record.id: record for record in records}
        self._critiques: dict[Key, CritiqueSample] = {}
        for record in self.records:
            for critique in record.critiques:
                self._critiques[record.id, critique.id] = _parse(critique, record.answer)
        self._check_rater(rater)
        known = [rating for rating in self.ratings if self.find(rating) is not None]
        self.num_dangling = len(self.ratings) - len(known)
        """Ratings of records or critiques that do not exist."""
        self.helpful_raters, self._helpful = _choose(known, rater, _has_verdict, _merge_verdicts)
        self.form_raters, self._forms = _choose(known, rater, _has_form, _merge_forms)

    @property
    def origins(self) -> list[Origin]:
        """Origins that occur in the records."""
        present = {record.origin for record in self.all_records}
        return [origin for origin in ORIGINS if origin in present]

    @property
    def flawed_origins(self) -> list[Origin]:
        """Origins of answers that can have a flaw."""
        return [origin for origin in self.origins if origin != "clean"]

    @property
    def critics(self) -> list[str]:
        """Names of all critics, sorted."""
        names = {critique.critic for critique in self._critiques.values()}
        return sorted(names)

    @property
    def has_verdicts(self) -> bool:
        """Whether any critique was rated as helpful or not."""
        return bool(self._helpful)

    @property
    def has_forms(self) -> bool:
        """Whether any critique was rated on the form."""
        return bool(self._forms)

    def of_origin(self, origin: str) -> list[AnswerRecord]:
        """Return the records of an origin that have no error."""
        return [record for record in self.records if record.origin == origin]

    def pool(self, record: AnswerRecord, critic: str) -> list[RatedCritique]:
        """Return all critiques that a critic wrote about an answer."""
        rated = []
        for sample in record.critiques:
            if sample.critic == critic:
                key = (record.id, sample.id)
                critique = self._critiques[key]
                rated.append(
                    RatedCritique(record, critique, self._helpful.get(key), self._forms.get(key))
                )
        return rated

    def pools(self, origin: str, critic: str) -> list[tuple[AnswerRecord, list[RatedCritique]]]:
        """Return the answers of an origin that a critic wrote about, with its critiques."""
        pools = []
        for record in self.of_origin(origin):
            pool = self.pool(record, critic)
            if pool:
                pools.append((record, pool))
        return pools

    def find(self, rating: Rating) -> CritiqueSample | None:
        """Return the rated critique; None if it does not exist."""
        return self._critiques.get((rating.record, rating.critique))

    def find_critique(self, record: str, critique: str) -> CritiqueSample | None:
        """Return a critique by its ids; None if it does not exist."""
        return self._critiques.get((record, critique))

    def find_record(self, name: str) -> AnswerRecord | None:
        """Return a record by its id; None if it does not exist."""
        return self._by_id.get(name)

    def _check_rater(self, rater: str | None) -> None:
        names = sorted({rating.rater for rating in self.ratings})
        if rater is not None and rater not in names:
            listed = ", ".join(map(repr, names)) or "no rater"
            raise InputError(f"--rater {rater!r} rated nothing. The ratings are by {listed}.")


def is_flawed(record: AnswerRecord) -> bool | None:
    """Return whether an answer has a flaw; None if it is unknown."""
    if record.bugs:
        return True
    if record.is_correct is not None:
        return not record.is_correct
    if record.bugs is not None:
        return False
    return None


def quality_of(record: AnswerRecord) -> float | None:
    """Return the truth about an answer: its quality, or 1 if it is correct and 0 if not."""
    quality = finite_or_none(record.quality)
    if quality is not None:
        return quality
    flawed = is_flawed(record)
    return None if flawed is None else float(not flawed)


def author_of(record: AnswerRecord) -> str:
    """Return the name of the model that wrote the answer; empty if it is unknown."""
    author = record.metadata.get("model")
    return author if isinstance(author, str) else ""


def _parse(critique: CritiqueSample, answer: str) -> CritiqueSample:
    """Locate the quotes of a critique of which only the text is known."""
    if critique.comments or critique.ungrounded or critique.unparsed or not critique.text:
        return critique
    parsed = ground(critique.text, answer, is_truncated=critique.is_truncated)
    update = {
        "comments": parsed.comments,
        "ungrounded": parsed.ungrounded,
        "unparsed": parsed.unparsed,
    }
    return critique.model_copy(update=update)


def _has_verdict(rating: Rating) -> bool:
    return rating.is_helpful is not None


def _has_form(rating: Rating) -> bool:
    return rating.form is not None


def _choose(
    ratings: Iterable[Rating],
    rater: str | None,
    has_value: Callable[[Rating], bool],
    merge: Callable[[list[Rating]], T],
) -> tuple[list[str], dict[Key, T]]:
    """Return the raters whose ratings are used, and the merged value of each critique."""
    used = [rating for rating in ratings if rater is None or rating.rater == rater]
    types = Counter(rating.rater_type for rating in used if has_value(rating))
    chosen = next((rater_type for rater_type in TRUST if types[rater_type]), None)
    by_critique: dict[Key, list[Rating]] = {}
    names: set[str] = set()
    for rating in used:
        if rating.rater_type == chosen and has_value(rating):
            by_critique.setdefault((rating.record, rating.critique), []).append(rating)
            names.add(rating.rater)
    return sorted(names), {key: merge(group) for key, group in by_critique.items()}


def _merge_verdicts(ratings: list[Rating]) -> bool | None:
    """Return what most raters think; None for a tie."""
    votes = sum(1 if rating.is_helpful else -1 for rating in ratings)
    return None if votes == 0 else votes > 0


def _merge_forms(ratings: list[Rating]) -> RatingForm:
    """Return the median score of each question, the lower one of two."""
    forms = [rating.form for rating in ratings if rating.form is not None]
    if len(forms) == 1:
        return forms[0]
    merged: dict[str, int] = {}
    for question in _FORM_QUESTIONS:
        answered = [getattr(form, question) for form in forms]
        scores = [score for score in answered if score is not None]
        if scores:
            merged[question] = statistics.median_low(scores)
    by_bug: dict[str, list[int]] = {}
    for form in forms:
        for bug, score in form.bug_inclusion.items():
            by_bug.setdefault(bug, []).append(score)
    inclusion = {bug: statistics.median_low(scores) for bug, scores in by_bug.items()}
    return RatingForm(bug_inclusion=inclusion, **merged)
