from typing import Any

import pytest

from selfcritic.graphs.desk.assignments import DeskOptions, Unit, hash_unit
from selfcritic.graphs.desk.database import Database
from selfcritic.graphs.desk.unit_queue import UnitQueue

UNITS = [Unit("rate", f"r{number}", ("c1",), ("model",)) for number in range(60)]


class CountingDatabase:
    """Counts the units that are looked up."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.num_units = 0

    def list_workers(self, units: list[str]) -> dict[str, list[tuple[str, str]]]:
        self.num_units += len(units)
        return self._database.list_workers(units)


@pytest.fixture
def counting(database: Database) -> Any:
    return CountingDatabase(database)


def assign(database: Database, unit: Unit, annotator: str, status: str = "open") -> None:
    values = {
        "screen": unit.screen,
        "record": unit.record,
        "unit": hash_unit(unit),
        "annotator": annotator,
        "critiques": list(unit.critiques),
        "prefilled": False,
        "look_first": False,
    }
    assignment = database.create_assignment(values)
    database.append_events(assignment.id, [], status)


def test_units_come_in_the_order_of_the_file(database: Database):
    queue = UnitQueue(UNITS, DeskOptions(), database)
    assert queue.total == 60
    assert queue.find_next("bob") == UNITS[0]
    assign(database, UNITS[0], "bob")
    assert queue.find_next("eve") == UNITS[1]


def test_finished_units_are_looked_up_once(database: Database, counting: Any):
    for unit in UNITS[:55]:
        assign(database, unit, "bob", "submitted")
    queue = UnitQueue(UNITS, DeskOptions(), counting)
    assert queue.find_next("bob") == UNITS[55]
    assert counting.num_units == 60
    assert queue.find_next("eve") == UNITS[55]
    assert counting.num_units == 65
    for unit in UNITS[55:]:
        assign(database, unit, "bob", "submitted")
    assert queue.find_next("bob") is None
    assert queue.find_next("bob") is None
    assert counting.num_units == 70


def test_a_skipped_unit_stays_for_others(database: Database):
    queue = UnitQueue(UNITS[:2], DeskOptions(), database)
    assign(database, UNITS[0], "bob", "skipped")
    assert queue.find_next("bob") == UNITS[1]
    assert queue.find_next("eve") == UNITS[0]


def test_own_units_are_not_looked_up_again(database: Database, counting: Any):
    queue = UnitQueue(UNITS, DeskOptions(second_reviews=1.0), counting)
    for unit in UNITS[:52]:
        assign(database, unit, "bob", "submitted")
    assert queue.find_next("bob") == UNITS[52]
    counting.num_units = 0
    assert queue.find_next("bob") == UNITS[52]
    assert counting.num_units == 8
    assert queue.find_next("eve") == UNITS[0]


def test_nobody_gets_their_own_critique(database: Database):
    units = [
        Unit("rate", "r1", ("c1",), ("ann",)),
        Unit("rate", "r1", ("c2",), ("ann + model",)),
        Unit("rate", "r1", ("c3",), ("anna",)),
    ]
    queue = UnitQueue(units, DeskOptions(), database)
    assert queue.find_next("ann") == units[2]
    assert queue.find_next("bob") == units[0]
