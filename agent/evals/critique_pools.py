"""Add what a graph returned to the record of an answer: critiques, their costs, and errors."""

from collections.abc import Mapping, Sequence
from typing import Any

from selfcritic.agent.data.records import AnswerRecord, CritiqueSample
from selfcritic.agent.evals.costs import split_usage
from selfcritic.agent.redaction import redact
from selfcritic.agent.schemas import Critique, Usage


def add_pool(
    record: AnswerRecord,
    critic: str,
    pool: Sequence[Critique],
    usage: Usage,
    output: Mapping[str, Any],
) -> AnswerRecord:
    """Add critiques with their share of the usage, and note why a search ended early."""
    shares = split_usage(usage, len(pool))
    samples = [*record.critiques, *to_samples(pool, critic, shares)]
    record = record.model_copy(update={"critiques": samples})
    stop_reason = output.get("stop_reason")
    problem = output.get("error") or f"The review has no critique; it stopped with {stop_reason!r}."
    if stop_reason == "budget":
        problem = "The budget ended before the critiques were complete."
    if stop_reason == "budget" or not pool:
        return record.model_copy(update={"error": redact(problem)})
    return note_error(record, "review_error", output)


def to_samples(
    pool: Sequence[Critique], critic: str, shares: Sequence[Mapping[str, Any]]
) -> list[CritiqueSample]:
    """Return the critiques of a pool with their critic; `shares` are their costs, if known."""
    samples = []
    for index, critique in enumerate(pool):
        costs = shares[index] if shares else {}
        identifier = f"{critic} #{index + 1}"
        samples.append(
            CritiqueSample(id=identifier, critic=critic, **critique.model_dump(), **costs)
        )
    return samples


def note_error(record: AnswerRecord, name: str, output: Mapping[str, Any]) -> AnswerRecord:
    """Note the error of a graph that still returned a result."""
    error = output.get("error")
    if not error:
        return record
    return record.model_copy(update={"metadata": {**record.metadata, name: redact(error)}})
