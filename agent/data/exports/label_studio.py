"""Export comparisons to Label Studio's JSON tasks, and read people's annotations."""

import string
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from selfcritic.agent.data.comparisons import get_key
from selfcritic.agent.data.exports.forms import (
    RATIONALE,
    TITLES,
    count_bugs,
    fill,
    find_comparison,
    get_answers,
    get_fields,
    index_comparisons,
)
from selfcritic.agent.data.records import AnswerRecord, Comparison
from selfcritic.agent.errors import InputError

_KEY = "comparison"


def create_label_config(records: Sequence[AnswerRecord], comparisons: Sequence[Comparison]) -> str:
    """Return the labeling interface, as XML for the settings of a Label Studio project."""
    num_bugs = count_bugs({record.id: record for record in records}, comparisons)
    num_critiques = max((len(comparison.critiques) for comparison in comparisons), default=0)
    lines = ["<View>"]
    for name in ("question", "context", "answer", "bugs"):
        lines += _show(name, name.capitalize())
    for letter in string.ascii_lowercase[:num_critiques]:
        lines += _show(f"critique_{letter}", f"Critique {letter.upper()}")
        titles = {}
        for number in range(1, num_bugs + 1):
            titles[f"bug_{number}"] = f"Does it point out bug {number}? (1 no, 7 yes)"
        for name, title in {**titles, **TITLES}.items():
            control = f'<Rating name="{name}_{letter}" toName="critique_{letter}" maxRating="7"/>'
            lines += [f'  <Header value={quoteattr(title)} size="5"/>', f"  {control}"]
        lines.append(
            f'  <TextArea name="{RATIONALE}_{letter}" toName="critique_{letter}" placeholder="Why?"/>'
        )
    return "\n".join([*lines, "</View>", ""])


def _show(name: str, title: str) -> list[str]:
    return [f'  <Header value="{title}"/>', f'  <Text name="{name}" value="${name}"/>']


def to_label_studio(
    records: Sequence[AnswerRecord], comparisons: Sequence[Comparison]
) -> list[dict[str, Any]]:
    """Return one task per comparison; filled comparisons become annotations or predictions."""
    by_id = {record.id: record for record in records}
    tasks: dict[str, dict[str, Any]] = {}
    for comparison in comparisons:
        key = get_key(comparison)
        data = {_KEY: key, **get_fields(by_id, comparison)}
        task = tasks.setdefault(key, {"data": data, "annotations": [], "predictions": []})
        results = []
        for name, value in get_answers(by_id, comparison).items():
            results.append(_to_result(name, value))
        if not results:
            continue
        if comparison.rater_type == "human":
            # Label Studio rejects a `completed_by` that is no account of it.
            for result in results:
                result["meta"] = {"text": [comparison.rater]}
            task["annotations"].append({"result": results})
        else:
            task["predictions"].append({"model_version": comparison.rater, "result": results})
    return list(tasks.values())


def _to_result(name: str, value: int | str) -> dict[str, Any]:
    letter = name.rpartition("_")[2]
    result: dict[str, Any] = {"id": name, "from_name": name, "to_name": f"critique_{letter}"}
    if isinstance(value, int):
        return {**result, "type": "rating", "value": {"rating": value}}
    return {**result, "type": "textarea", "value": {"text": [value]}}


def from_label_studio(
    tasks: Sequence[Mapping[str, Any]],
    records: Sequence[AnswerRecord],
    comparisons: Sequence[Comparison],
) -> list[Comparison]:
    """Return a filled comparison for each annotation that was not skipped.

    The rater is the one that `to_label_studio` wrote into the `meta` of results, else `completed_by`: a name, an id, or
    an object with an email or an id.

    Args:
        tasks: Tasks of Label Studio's JSON export.
        records: Records of the answers.
        comparisons: The comparisons that were exported.

    Raises:
        InputError: A task is unknown or an annotation is invalid.
    """
    by_id = {record.id: record for record in records}
    by_key = index_comparisons(comparisons)
    filled = []
    for number, task in enumerate(tasks, 1):
        try:
            comparison = find_comparison(by_key, task["data"][_KEY])
            for annotation in task.get("annotations") or []:
                if annotation.get("was_cancelled"):
                    continue
                answers = {}
                for result in annotation["result"]:
                    answers[result["from_name"]] = _read_value(result["value"])
                rater = _read_rater(annotation)
                filled.append(fill(by_id, comparison, rater, answers))
        except (AttributeError, KeyError, TypeError, IndexError):
            raise InputError(
                f"Task {number} has an unknown form: export the project as JSON (not JSON-MIN)."
            ) from None
    return filled


def _read_value(value: Mapping[str, Any]) -> Any:
    if "rating" in value:
        return value["rating"]
    text = value["text"]
    return text if isinstance(text, str) else "\n".join(text)


def _read_rater(annotation: Mapping[str, Any]) -> str:
    for result in annotation["result"]:
        if result.get("meta", {}).get("text"):
            return str(result["meta"]["text"][0])
    value = annotation.get("completed_by")
    if isinstance(value, Mapping):
        value = value.get("email") or value.get("id")
    return "unknown" if value is None else str(value)
