from collections import Counter

import pytest

from selfcritic.graphs.desk.assignments import (
    DeskOptions,
    is_held_out,
    list_units,
    may_work_on,
    shuffle_for,
    wanted_annotators,
)
from tests.support.desk_records import create_record

RECORDS = [create_record(f"r{number}") for number in range(200)]


def test_each_screen_has_its_units():
    records = RECORDS[:2]
    assert len(list_units(records, "review", DeskOptions())) == 2
    assert len(list_units(records, "rate", DeskOptions())) == 6  # gold critiques are compared only
    [first, _] = list_units(records, "compare", DeskOptions())
    assert sorted(first.critiques) == ["c1", "c2", "c3", "c4"]


def test_a_review_is_filled_with_the_best_critique():
    [unit] = list_units(RECORDS[:1], "review", DeskOptions())
    assert unit.critiques == ("c2",)


def test_a_gold_critique_never_fills_a_review():
    record = create_record("r1")
    [gold] = [critique for critique in record.critiques if critique.critic == "gold"]
    only_gold = record.model_copy(update={"critiques": [gold]})
    [unit] = list_units([only_gold], "review", DeskOptions())
    assert unit.critiques == ()


def test_nobody_rates_their_own_critique():
    units = list_units(RECORDS[:1], "rate", DeskOptions())
    allowed = [unit.critiques[0] for unit in units if may_work_on(unit, "ann")]
    assert allowed == ["c2", "c4"]
    [compared] = list_units(RECORDS[:1], "compare", DeskOptions())
    assert not may_work_on(compared, "ann")
    assert may_work_on(compared, "bob")


def test_order_depends_on_the_annotator_and_is_reproducible():
    units = list_units(RECORDS, "compare", DeskOptions())
    orders = [tuple(shuffle_for(unit, "bob", 0)) for unit in units]
    assert orders == [tuple(shuffle_for(unit, "bob", 0)) for unit in units]
    assert orders != [tuple(shuffle_for(unit, "eve", 0)) for unit in units]
    first = Counter(order[0] for order in orders)
    assert min(first.values()) > 25  # of 200, 50 expected


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_shares_of_holdout_and_second_reviews(share):
    options = DeskOptions(holdout=share, second_reviews=share)
    units = list_units(RECORDS, "review", options)
    held_out = sum(is_held_out(unit, "bob", options) for unit in units)
    second = sum(wanted_annotators(unit, options) - 1 for unit in units)
    for count in (held_out, second):
        assert abs(count / len(units) - share) < 0.12
