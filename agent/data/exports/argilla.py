"""Export comparisons to Argilla's JSON records, and read people's responses."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from selfcritic.agent.data.comparisons import get_key
from selfcritic.agent.data.exports.forms import (
    fill,
    find_comparison,
    get_answers,
    get_fields,
    index_comparisons,
)
from selfcritic.agent.data.records import AnswerRecord, Comparison
from selfcritic.agent.errors import InputError


def to_argilla(
    records: Sequence[AnswerRecord], comparisons: Sequence[Comparison]
) -> list[dict[str, Any]]:
    """Return one record per comparison, for Argilla's `dataset.records.from_json`.

    The fields are `question`, `context`, `answer`, `bugs`, `critique_a` and so on; the questions are `overall_a`,
    `bug_1_a` and so on (ratings from 1 to 7), and `rationale_a` (text). People's answers become responses; those of a
    judge or an oracle become suggestions.
    """
    by_id = {record.id: record for record in records}
    rows: dict[str, dict[str, Any]] = {}
    for comparison in comparisons:
        key = get_key(comparison)
        row = rows.setdefault(
            key,
            {
                "id": key,
                "fields": get_fields(by_id, comparison),
                "metadata": {},
                "suggestions": {},
                "responses": {},
                "vectors": {},
            },
        )
        for question, value in get_answers(by_id, comparison).items():
            if comparison.rater_type == "human":
                user = str(_to_user_id(comparison.rater))
                row["responses"].setdefault(question, []).append({"value": value, "user_id": user})
            else:
                row["suggestions"][question] = {"value": value, "agent": comparison.rater}
    return list(rows.values())


def from_argilla(
    rows: Sequence[Mapping[str, Any]],
    records: Sequence[AnswerRecord],
    comparisons: Sequence[Comparison],
) -> list[Comparison]:
    """Return a filled comparison for each person who responded.

    The rater is the user's id; raters of exported comparisons keep their names.

    Args:
        rows: Records that Argilla exported with `to_json`.
        records: Records of the answers.
        comparisons: The comparisons that were exported.

    Raises:
        InputError: A record is unknown or a response is invalid.
    """
    by_id = {record.id: record for record in records}
    by_key = index_comparisons(comparisons)
    names = {str(_to_user_id(comparison.rater)): comparison.rater for comparison in comparisons}
    filled = []
    for row in rows:
        comparison = find_comparison(by_key, row.get("id"))
        for user, answers in _group_responses(row).items():
            filled.append(fill(by_id, comparison, names.get(user, user), answers))
    return filled


def _group_responses(row: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the answers of each user."""
    responses = row.get("responses") or {}
    users: dict[str, dict[str, Any]] = {}
    try:
        for question, values in responses.items():
            for response in values:
                users.setdefault(str(response["user_id"]), {})[question] = response["value"]
    except (AttributeError, KeyError, TypeError):
        raise InputError(
            f"Record {row.get('id')!r} has responses in an unknown form: export it with Argilla 2's `to_json`."
        ) from None
    return users


def _to_user_id(rater: str) -> uuid.UUID:
    """Return the id of an Argilla user; a name becomes a stable one."""
    try:
        return uuid.UUID(rater)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_URL, f"selfcritic:{rater}")
