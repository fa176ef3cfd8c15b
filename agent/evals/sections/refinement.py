"""Measure what each arm of refinement changes (paper 1), and whether arms made equal calls."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from selfcritic.agent.data.records import AnswerRecord, Refinement
from selfcritic.agent.evals.dataset import Dataset
from selfcritic.agent.evals.measurement import Item, Label, Measurement, attach_items, measure_items
from selfcritic.agent.evals.measures.refinement import ArmOutcome, measure_arm
from selfcritic.agent.evals.sections.costs import measure_costs

SECTION = "Refinement"
FIRST_DRAFT = "first draft"
BASELINES = ("best_of_n", "resample", "direct")
"""Arms without critiques; the first that exists is what the others are compared with."""
_MAX_CALL_RATIO = 1.1
_ROUND_LIMITS = (1, 2, 3, 4, 5, 6, 8, 16, 32, 64)
ACCURACY = "accuracy"
FIXED = "wrong to correct, of wrong drafts"
BROKEN = "correct to wrong, of correct drafts"


@dataclass(frozen=True)
class _Row:
    """An answer before and after an arm."""

    record: AnswerRecord
    refinement: Refinement

    @property
    def was_correct(self) -> bool:
        return bool(self.record.is_correct)

    @property
    def is_correct(self) -> bool:
        return bool(self.refinement.is_correct)


def measure_refinements(data: Dataset) -> list[Measurement]:
    """Return accuracy, transitions, win rate, calls and costs of each arm."""
    measurements = []
    for origin in data.origins:
        refined = [record for record in data.of_origin(origin) if record.refinements]
        if not refined:
            continue
        drafts = [_item(record, record.is_correct) for record in refined]
        label = Label(SECTION, ACCURACY, origin, FIRST_DRAFT)
        measurements.append(measure_items(label, drafts, is_higher_better=True))
        arms = sorted({row.arm for record in refined for row in record.refinements})
        baseline = next((arm for arm in BASELINES if arm in arms), None)
        for arm in arms:
            label = Label(SECTION, "", origin, arm)
            measurements += _measure_arm(label, refined)
            measurements += _measure_rounds(label, refined)
            if baseline is not None and arm != baseline:
                measurements.append(_compare(label, refined, baseline))
    return measurements


def _measure_arm(label: Label, records: Sequence[AnswerRecord]) -> list[Measurement]:
    arm = label.critic
    graded, missing = _graded_rows(records, arm)
    outcomes = [
        ArmOutcome(row.record.task, row.was_correct, row.is_correct, row.refinement.calls)
        for row in graded
    ]
    result = measure_arm(outcomes)
    values = [
        (ACCURACY, result.accuracy, [_item(row.record, row.is_correct) for row in graded], True),
        (
            FIXED,
            result.wrong_to_correct,
            [_item(row.record, row.is_correct) for row in graded if not row.was_correct],
            True,
        ),
        (
            BROKEN,
            result.correct_to_wrong,
            [_item(row.record, not row.is_correct) for row in graded if row.was_correct],
            False,
        ),
    ]
    measurements = []
    for name, estimate, items, is_higher_better in values:
        shown = replace(estimate, missing=missing)
        measurement = Measurement(
            replace(label, name=name), shown, is_higher_better=is_higher_better
        )
        measurements.append(attach_items(measurement, items))
    wins = [
        Item(row.record.id, row.record.task, (1 + row.is_correct - row.was_correct) / 2)
        for row in graded
    ]
    name = "win rate against the draft (ties 1/2)"
    measurements.append(measure_items(replace(label, name=name), wins, is_higher_better=True))
    return [*measurements, *_measure_costs(label, graded)]


def _measure_costs(label: Label, rows: Sequence[_Row]) -> list[Measurement]:
    """Return calls per answer, and calls, tokens, dollars and seconds per correct answer."""
    measurements = []
    calls = [Item(row.record.id, row.record.task, _number(row.refinement.calls)) for row in rows]
    if any(item.value is not None for item in calls):
        label_calls = replace(label, name="calls per answer")
        measurements.append(
            measure_items(label_calls, calls, unit="number", is_higher_better=False)
        )
    refinements = [row.refinement for row in rows]
    tasks = [row.record.task for row in rows]
    successes = [float(row.is_correct) for row in rows]
    costs = measure_costs(label, refinements, successes, tasks, "correct answer")
    return measurements + costs


def _measure_rounds(label: Label, records: Sequence[AnswerRecord]) -> list[Measurement]:
    """Return the accuracy after at most k rounds; an arm that stopped keeps its last answer."""
    rounds: set[int] = set()
    for record in records:
        own = {row.round for row in record.refinements if row.arm == label.critic}
        if len(own) > 1:
            rounds |= own
    measurements = []
    for limit in _ROUND_LIMITS:
        if limit not in rounds:
            continue
        items = []
        for record in records:
            last = _last_refinement(record, label.critic, limit)
            if last is not None:
                items.append(_item(record, last.is_correct))
        name = f"{ACCURACY}, rounds <= {limit}"
        measurements.append(
            measure_items(replace(label, name=name), items, is_higher_better=True, n=limit)
        )
    return measurements


def _compare(label: Label, records: Sequence[AnswerRecord], baseline: str) -> Measurement:
    """Return the paired difference of accuracy to an arm without critiques."""
    rows = {row.record.id: row for row in _graded_rows(records, label.critic)[0]}
    others = {row.record.id: row for row in _graded_rows(records, baseline)[0]}
    shared = [name for name in rows if name in others]
    items = []
    for name in shared:
        difference = float(rows[name].is_correct) - float(others[name].is_correct)
        items.append(Item(name, rows[name].record.task, difference))
    label = replace(label, name=f"accuracy minus {baseline}, same answers")
    measurement = measure_items(label, items, unit="difference", is_higher_better=True)
    note = _note_calls([rows[name] for name in shared], [others[name] for name in shared])
    notes = [text for text in (measurement.estimate.note, note) if text]
    return replace(measurement, estimate=replace(measurement.estimate, note="; ".join(notes)))


def _note_calls(rows: Sequence[_Row], others: Sequence[_Row]) -> str:
    """Return a note if two arms made different numbers of calls, or if they are unknown."""
    calls = [row.refinement.calls for row in rows if row.refinement.calls is not None]
    other_calls = [row.refinement.calls for row in others if row.refinement.calls is not None]
    if not calls or not other_calls:
        return "calls are unknown, so they may differ"
    first = sum(calls) / len(calls)
    second = sum(other_calls) / len(other_calls)
    if max(first, second) > _MAX_CALL_RATIO * min(first, second):
        return f"not at equal calls: {first:.1f} against {second:.1f} per answer"
    return ""


def _graded_rows(records: Sequence[AnswerRecord], arm: str) -> tuple[list[_Row], int]:
    """Return the last refinement of each answer, and how many have an unknown truth."""
    rows = []
    missing = 0
    for record in records:
        last = _last_refinement(record, arm)
        if last is None or last.is_correct is None or record.is_correct is None:
            missing += 1
        else:
            rows.append(_Row(record, last))
    return rows, missing


def _last_refinement(record: AnswerRecord, arm: str, limit: int | None = None) -> Refinement | None:
    """Return an arm's answer of the last round, up to a limit."""
    rounds = [row for row in record.refinements if row.arm == arm]
    allowed = [row for row in rounds if limit is None or row.round <= limit]
    return max(allowed, key=lambda row: row.round, default=None)


def _item(record: AnswerRecord, hit: bool | None) -> Item:
    return Item(record.id, record.task, None if hit is None else float(hit))


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
