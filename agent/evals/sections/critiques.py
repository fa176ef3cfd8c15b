"""Measure critiques as paper 1 does: helpfulness, its score, best-of-N, and other authors' answers."""

from collections.abc import Sequence
from dataclasses import replace

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.evals.dataset import Dataset, RatedCritique, author_of, is_flawed
from selfcritic.agent.evals.measurement import Item, Label, Measurement, measure_items
from selfcritic.agent.evals.measures.pools import Pool
from selfcritic.agent.evals.sections.curves import measure_curve
from selfcritic.agent.evals.sections.discrimination import Prediction, measure_discrimination

SECTION = "Critiques"
BEST_CRITIQUES = "Best-of-N critiques"
HELPFULNESS = "Critique score: P(helpful)"
MATRIX = "Cross-model: helpful critiques"
QUOTES = "Quotes"
AUTHOR_PREFIX = "answers of "
RatedPool = tuple[AnswerRecord, list[RatedCritique]]


def measure_helpful(data: Dataset) -> list[Measurement]:
    """Return the fraction of answers whose critique is helpful (paper 1), of all and of flawed ones.

    With several critiques of an answer, its value is their share: the expected value of one critique.
    """
    if not data.has_verdicts:
        return []
    measurements = []
    for origin in data.origins:
        for critic in data.critics:
            pools = data.pools(origin, critic)
            if pools:
                label = Label(SECTION, "helpful, of all answers", origin, critic)
                measurements.append(_measure_pools(label, pools))
                flawed = [pool for pool in pools if is_flawed(pool[0])]
                if flawed and len(flawed) < len(pools):
                    label = replace(label, name="helpful, of critiqueable answers")
                    measurements.append(_measure_pools(label, flawed))
    return measurements


def measure_helpfulness_score(data: Dataset) -> list[Measurement]:
    """Return AUC and calibration of the score by which critiques are selected (paper 1)."""
    measurements = []
    for (origin, critic), rows in helpfulness_predictions(data).items():
        measurements += measure_discrimination(Label(HELPFULNESS, "", origin, critic), rows)
    return measurements


def helpfulness_predictions(data: Dataset) -> dict[tuple[str, str], list[Prediction]]:
    """Return the scored critiques of each flawed origin and critic; on clean answers, no critique is right."""
    groups: dict[tuple[str, str], list[Prediction]] = {}
    for origin in data.flawed_origins:
        for critic in data.critics:
            rated = [critique for _, pool in data.pools(origin, critic) for critique in pool]
            rows = [
                Prediction(
                    f"{row.record.id}/{row.critique.id}", row.record.task, row.score, row.is_helpful
                )
                for row in rated
            ]
            if any(row.score is not None and row.label is not None for row in rows):
                groups[origin, critic] = rows
    return groups


def measure_best_critiques(data: Dataset) -> list[Measurement]:
    """Return the share of helpful critiques among the best of N, from one pool (paper 1)."""
    measurements = []
    for origin in data.flawed_origins:
        for critic in data.critics:
            pools = _scored_pools(data.pools(origin, critic))
            if max((len(pool.scores) for _, pool in pools), default=0) > 1:
                label = Label(BEST_CRITIQUES, "best of {n}", origin, critic)
                measurements += measure_curve(label, pools)
    return measurements


def measure_matrix(data: Dataset) -> list[Measurement]:
    """Return the fraction helpful of each critic on each author's answers (paper 1).

    The author is the record's metadata "model". With one author, there is no matrix.
    """
    authors = sorted({author_of(record) for record in data.records} - {""})
    if len(authors) < 2 or not data.has_verdicts:
        return []
    measurements = []
    for origin in data.origins:
        for critic in data.critics:
            pools = data.pools(origin, critic)
            for author in authors:
                written = [pool for pool in pools if author_of(pool[0]) == author]
                if written:
                    label = Label(MATRIX, f"{AUTHOR_PREFIX}{author}", origin, critic)
                    measurements.append(_measure_pools(label, written))
    return measurements


def measure_quotes(data: Dataset) -> list[Measurement]:
    """Return the share of quotes that are not in the answer, and of critiques with one."""
    measurements = []
    for origin in data.origins:
        for critic in data.critics:
            quotes: list[Item] = []
            critiques: list[Item] = []
            for record, pool in data.pools(origin, critic):
                for row in pool:
                    grounded = len(row.critique.comments)
                    ungrounded = len(row.critique.ungrounded)
                    name = f"{record.id}/{row.critique.id}"
                    quotes += [Item(name, record.task, 0.0)] * grounded
                    quotes += [Item(name, record.task, 1.0)] * ungrounded
                    critiques.append(Item(record.id, record.task, float(ungrounded > 0)))
            if quotes:
                label = Label(QUOTES, "ungrounded quotes, of all quotes", origin, critic)
                measurements.append(measure_items(label, quotes, is_higher_better=False))
                label = replace(label, name="critiques with an ungrounded quote")
                measurements.append(measure_items(label, critiques, is_higher_better=False))
    return measurements


def _measure_pools(label: Label, pools: Sequence[RatedPool]) -> Measurement:
    items = []
    for record, pool in pools:
        verdicts = [row.is_helpful for row in pool if row.is_helpful is not None]
        share = sum(verdicts) / len(verdicts) if verdicts else None
        items.append(Item(record.id, record.task, share))
    return measure_items(label, items, is_higher_better=True)


def _scored_pools(pools: Sequence[RatedPool]) -> list[tuple[str, Pool]]:
    """Return the scores and verdicts of each pool; critiques without one of both are left out."""
    scored = []
    for record, pool in pools:
        scores: list[float] = []
        outcomes: list[float] = []
        for row in pool:
            if row.score is not None and row.is_helpful is not None:
                scores.append(row.score)
                outcomes.append(float(row.is_helpful))
        if scores:
            scored.append((record.id, Pool(record.task, scores, outcomes)))
    return scored
