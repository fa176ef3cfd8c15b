"""Rate critiques by the most exact oracle of their records, and compare them.

Where an oracle cannot know whether an unmatched comment is right, the overall score counts it as spurious: the known
bugs of a tampered answer are all its bugs, because the original passes its tests.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from selfcritic.agent.data.comparisons import (
    add_gold_critique,
    create_comparisons,
    fill_comparison,
)
from selfcritic.agent.data.records import (
    AnswerRecord,
    Comparison,
    CritiqueSample,
    Rating,
    RatingForm,
)
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.evals.oracles import Rater, choose_oracle
from selfcritic.agent.evals.rating import locate_bugs

GOLD_SHOWN = 5
"""Critiques in a comparison: four samples and the gold one."""
_COVERAGE_POINTS = 4


def rate_records(
    records: Sequence[AnswerRecord], judge: Rater | None = None, *, seed: int = 0
) -> tuple[list[Rating], list[Comparison]]:
    """Rate all critiques of records, the gold ones included, and compare those of each record.

    Args:
        records: Records with critiques.
        judge: Rates what the oracle cannot, such as a model.
        seed: Seed of the order in which critiques are compared.
    """
    return asyncio.run(_rate_all(records, judge, seed))


async def _rate_all(
    records: Sequence[AnswerRecord], judge: Rater | None, seed: int
) -> tuple[list[Rating], list[Comparison]]:
    ratings: list[Rating] = []
    comparisons: list[Comparison] = []
    for record in map(with_gold, records):
        by_rater: defaultdict[str, list[Rating]] = defaultdict(list)
        for critique in record.critiques:
            rated = await choose_oracle(record).rate(record, critique)
            if not rated and judge is not None:
                rated = await judge.rate(record, critique)
            for rating in rated:
                by_rater[rating.rater].append(complete(rating))
        for rater, by_one in by_rater.items():
            ratings += by_one
            comparisons += _compare(record, rater, by_one, seed)
    return ratings, comparisons


def with_gold(record: AnswerRecord) -> AnswerRecord:
    """Return the record with its bugs located, and a gold critique that describes them."""
    if record.bugs is None:
        return record
    bugs = locate_bugs(record.answer, record.bugs)
    return add_gold_critique(record.model_copy(update={"bugs": bugs}))


def _compare(
    record: AnswerRecord, rater: str, ratings: Sequence[Rating], seed: int
) -> list[Comparison]:
    rated = {rating.critique for rating in ratings}
    shown = [critique for critique in record.critiques if critique.id in rated]
    part = record.model_copy(update={"critiques": shown})
    rater_type = ratings[0].rater_type
    comparisons = create_comparisons([part], rater, rater_type, size=GOLD_SHOWN, seed=seed)
    return [fill_comparison(comparison, ratings) for comparison in comparisons]


def complete(rating: Rating) -> Rating:
    """Return the rating with an overall score: unmatched comments count as spurious."""
    form = rating.form
    if form is None or form.overall is not None or not form.bug_inclusion:
        return rating
    included = [score > _COVERAGE_POINTS for score in form.bug_inclusion.values()]
    points = round(_COVERAGE_POINTS * sum(included) / len(included))
    return rating.model_copy(update={"form": _with_overall(form, 1 + points)})


def _with_overall(form: RatingForm, overall: int) -> RatingForm:
    return RatingForm.model_validate({**form.model_dump(), "overall": overall})


def rate_truth(
    records: Sequence[AnswerRecord], critiques: Sequence[CritiqueSample]
) -> list[float | None]:
    """Return the overall score of each critique by its record's oracle, from 0 to 1.

    None where the oracle cannot rate.
    """

    async def rate_all() -> list[float | None]:
        pairs = zip(records, critiques, strict=True)
        return [await _rate_truth(record, critique) for record, critique in pairs]

    return asyncio.run(rate_all())


async def _rate_truth(record: AnswerRecord, critique: CritiqueSample) -> float | None:
    score = None
    try:
        for rating in await choose_oracle(record).rate(record, critique):
            form = complete(rating).form
            if form is not None and form.overall is not None:
                score = (form.overall - 1) / 6
    except SelfcriticError:
        return None
    return score
