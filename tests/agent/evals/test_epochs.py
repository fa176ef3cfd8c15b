"""Test the ids, seeds and spread of epochs."""

import math
from dataclasses import replace

import pytest

from selfcritic.agent.evals.epochs import (
    drop_repeated_answers,
    epoch_of,
    epoch_seed,
    mark_epoch,
    measure_spread,
)
from selfcritic.agent.evals.measurement import Item, Label, measure_items
from tests.support.eval_records import record

LABEL = Label("Answers", "correct", "natural")


def measure(records, _ratings):
    items = []
    for row in records:
        value = None if row.is_correct is None else float(row.is_correct)
        items.append(Item(row.id, row.task, value))
    return [measure_items(LABEL, items)]


def make_epochs(*epochs):
    records = []
    for epoch, outcomes in enumerate(epochs, 1):
        items = [
            record(f"r{number}", is_correct=is_right) for number, is_right in enumerate(outcomes)
        ]
        records += mark_epoch(items, [], epoch)[0]
    return records


def test_spread_compares_the_same_items():
    records = make_epochs([True, True, False, False], [True, False, True, False], [True] * 4)
    [spread] = measure_spread(records, [], measure)
    assert spread.values == [0.5, 0.5, 1.0]
    # The deviations from 2/3 are 1/6, 1/6 and 1/3; their squares add up to 1/6.
    assert spread.deviation == pytest.approx(math.sqrt(1 / 12))
    assert spread.changed == 0.75  # all but the first item


def test_one_epoch_has_no_spread():
    assert measure_spread(make_epochs([True, False]), [], measure) == []


def test_an_epoch_without_a_value_has_no_spread():
    assert measure_spread(make_epochs([True, False], [None, None]), [], measure) == []


def test_values_between_0_and_1_do_not_count_as_changed():
    def measure_quality(records, _ratings):
        items = [Item(row.id, row.task, row.quality) for row in records]
        return [measure_items(LABEL, items)]

    records = [record("a", quality=0.2), *mark_epoch([record("a", quality=0.4)], [], 2)[0]]
    [spread] = measure_spread(records, [], measure_quality)
    assert spread.values == [0.2, 0.4]
    assert math.isnan(spread.changed)


def test_epochs_keep_the_task_and_change_the_seed():
    [marked] = mark_epoch([record("a", task="t")], [], 3)[0]
    assert (marked.id, marked.task, epoch_of(marked)) == ("a@3", "t", 3)
    assert epoch_seed(7, 1) == 7
    assert len({epoch_seed(7, epoch) for epoch in range(1, 20)}) == 19
    assert epoch_seed(7, 2) != epoch_seed(8, 2)


def test_unknown_epochs_are_the_first():
    assert epoch_of(record("a", metadata={"epoch": "second"})) == 1


def test_measures_of_equal_names_have_their_section():
    def measure_twice(records, ratings):
        [first] = measure(records, ratings)
        other = replace(first, label=Label("Costs", "correct", "natural"))
        return [first, other, replace(first, label=Label("Costs", "calls", "natural"))]

    spreads = measure_spread(make_epochs([True, False], [True, True]), [], measure_twice)
    assert [spread.name for spread in spreads] == ["correct, Answers", "correct, Costs", "calls"]


def test_given_answers_of_later_epochs_are_dropped():
    first = record("a")
    [given] = mark_epoch([first], [], 2, repeats_answer=True)[0]
    [sampled] = mark_epoch([first], [], 2)[0]
    assert drop_repeated_answers([first, given, sampled]) == [first, sampled]
