"""Compare critiques of an answer side by side, blind and in random order (paper 2)."""

import hashlib
import json
import random
import string
from collections.abc import Mapping, Sequence

from selfcritic.agent.critic.format import render
from selfcritic.agent.data.records import (
    AnswerRecord,
    Comparison,
    CritiqueSample,
    RaterType,
    Rating,
    RatingForm,
)
from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Comment

GOLD = "gold"
"""Critic and id of a critique that is built from the known bugs."""
SIZE = 4
"""Critiques that the paper's raters saw side by side."""
_MAX_SIZE = len(string.ascii_lowercase)
_ASSISTED = " + "


def name_assisted(person: str, critic: str) -> str:
    """Return the critic's name of reviews that a person wrote with a critic's help."""
    return f"{person}{_ASSISTED}{critic}"


def is_written_by(critic: str, person: str) -> bool:
    """Whether a critic is this person, alone or with the help of another critic."""
    return critic == person or critic.startswith(f"{person}{_ASSISTED}")


def add_gold_critique(record: AnswerRecord) -> AnswerRecord:
    """Return the record with a critique that describes its known bugs, if it has any."""
    has_gold = any(GOLD in (critique.id, critique.critic) for critique in record.critiques)
    if not record.bugs or has_gold:
        return record
    comments = []
    unquoted = []
    for bug in record.bugs:
        if bug.quote is None:
            unquoted.append(bug.description)
            continue
        comment = Comment(
            quote=bug.quote,
            text=bug.description,
            severity=bug.severity,
            start=bug.start,
            end=bug.end,
        )
        comments.append(comment)
    unparsed = "\n\n".join(unquoted)
    parts = [part for part in (unparsed, render(comments)) if part]
    gold = CritiqueSample(
        id=GOLD, critic=GOLD, text="\n\n".join(parts), comments=comments, unparsed=unparsed
    )
    return record.model_copy(update={"critiques": [*record.critiques, gold]})


def create_comparisons(
    records: Sequence[AnswerRecord],
    rater: str,
    rater_type: RaterType = "human",
    *,
    size: int = SIZE,
    seed: int = 0,
) -> list[Comparison]:
    """Create one comparison per record, for a rater to fill in.

    The gold critique is always shown, if there is one. The other places go to different critics in turn. The order is
    random and stored. Critiques by the rater are left out, since people overrate their work (paper 2). Records with
    fewer than two critiques get no comparison.

    Args:
        records: Answers with critiques; see `add_gold_critique`.
        rater: Name of the rater.
        rater_type: Kind of the rater.
        size: Number of critiques in a comparison, if the record has as many.
        seed: Seed of the choice and the order, which also depend on the record and the rater.

    Raises:
        InputError: `size` is not from 2 to 26.
    """
    if not 2 <= size <= _MAX_SIZE:
        raise InputError(f"`size` must be from 2 to {_MAX_SIZE} critiques, not {size}.")
    comparisons = []
    for record in records:
        rng = random.Random(json.dumps([seed, record.id, rater]))
        chosen = _choose_critiques(record, rater, size, rng)
        if len(chosen) < 2:
            continue
        rng.shuffle(chosen)
        comparison = Comparison(
            record=record.id, critiques=chosen, rater=rater, rater_type=rater_type
        )
        comparisons.append(comparison)
    return comparisons


def _choose_critiques(record: AnswerRecord, rater: str, size: int, rng: random.Random) -> list[str]:
    """Return ids of critiques: the gold one, then one of each critic in turn."""
    pools: dict[str, list[str]] = {}
    chosen: list[str] = []
    for critique in record.critiques:
        if critique.id == GOLD:
            chosen.append(critique.id)
        elif not is_written_by(critique.critic, rater):
            pools.setdefault(critique.critic, []).append(critique.id)
    remaining = list(pools.values())
    for pool in remaining:
        rng.shuffle(pool)
    rng.shuffle(remaining)
    while remaining and len(chosen) < size:
        pool = remaining.pop(0)
        chosen.append(pool.pop())
        if pool:
            remaining.append(pool)
    return chosen


def get_key(comparison: Comparison) -> str:
    """Return an id of what is compared that does not reveal the critics."""
    content = json.dumps([comparison.record, comparison.critiques])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def get_blind_texts(record: AnswerRecord, comparison: Comparison) -> dict[str, str]:
    """Return the critiques by letter, "a" first, in the order in which the rater sees them.

    Raises:
        InputError: The record has no critique of an id.
    """
    texts = {}
    for letter, name in zip(string.ascii_lowercase, comparison.critiques, strict=False):
        texts[letter] = find_critique(record, name).text
    return texts


def find_record(records: Mapping[str, AnswerRecord], name: str) -> AnswerRecord:
    """Return the record of an id; raises InputError if it is missing."""
    if name not in records:
        raise InputError(
            f"There is no record {name!r}: pass the records that the comparisons refer to."
        )
    return records[name]


def find_critique(record: AnswerRecord, name: str) -> CritiqueSample:
    """Return the record's critique of an id; raises InputError if it is missing."""
    for critique in record.critiques:
        if critique.id == name:
            return critique
    hint = " Call add_gold_critique on the records." if name == GOLD else ""
    raise InputError(f"Record {record.id!r} has no critique {name!r}.{hint}")


def fill_comparison(comparison: Comparison, ratings: Sequence[Rating]) -> Comparison:
    """Return the comparison with one rater's forms of its critiques.

    Forms of an oracle, tests or a judge become a comparison this way. Where the form has no overall score, a helpful
    critique has 7 and another 1.

    Raises:
        InputError: The ratings are of several raters, or a critique has none.
    """
    forms: dict[str, RatingForm] = {}
    errors = []
    names = {rating.rater for rating in ratings if rating.record == comparison.record}
    if len(names) > 1:
        raise InputError(f"The ratings are of several raters: {', '.join(sorted(names))}.")
    for rating in ratings:
        if rating.record != comparison.record:
            continue
        form = rating.form or RatingForm()
        if form.overall is None and rating.is_helpful is not None:
            form = form.model_copy(update={"overall": 7 if rating.is_helpful else 1})
        forms[rating.critique] = form
        if rating.error is not None and rating.critique in comparison.critiques:
            errors.append(rating.error)
    missing = [name for name in comparison.critiques if name not in forms]
    if missing:
        raise InputError(f"Record {comparison.record!r} has no rating of critique {missing[0]!r}.")
    return comparison.model_copy(
        update={
            "forms": [forms[name] for name in comparison.critiques],
            "error": errors[0] if errors else None,
        }
    )


def compare_ratings(
    records: Sequence[AnswerRecord], ratings: Sequence[Rating], *, size: int = SIZE, seed: int = 0
) -> list[Comparison]:
    """Return the filled comparisons of every rater who rated two critiques of an answer.

    Failed ratings, and those with neither an overall score nor a verdict, are left out.

    Args:
        records: Answers with critiques.
        ratings: Ratings of these critiques, by any raters.
        size: Number of critiques in a comparison, if as many were rated.
        seed: Seed of the choice and the order.

    Raises:
        InputError: `size` is not from 2 to 26, or a rating refers to an unknown record or critique.
    """
    by_id = {record.id: record for record in records}
    raters: dict[tuple[str, RaterType], dict[str, list[Rating]]] = {}
    for rating in ratings:
        find_critique(find_record(by_id, rating.record), rating.critique)
        has_score = rating.form is not None and rating.form.overall is not None
        if rating.error is None and (has_score or rating.is_helpful is not None):
            rated = raters.setdefault((rating.rater, rating.rater_type), {})
            rated.setdefault(rating.record, []).append(rating)
    comparisons = []
    for (rater, rater_type), rated in raters.items():
        for name, own in rated.items():
            names = {rating.critique for rating in own}
            record = by_id[name]
            critiques = [critique for critique in record.critiques if critique.id in names]
            shown = record.model_copy(update={"critiques": critiques})
            for empty in create_comparisons([shown], rater, rater_type, size=size, seed=seed):
                comparisons.append(fill_comparison(empty, own))
    return comparisons
