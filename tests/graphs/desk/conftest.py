from collections.abc import Iterator
from pathlib import Path

import pytest

from selfcritic.graphs.desk.assignments import DeskOptions
from selfcritic.graphs.desk.database import Database
from selfcritic.graphs.desk.session import Desk
from tests.support.desk_records import create_record


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(str(tmp_path / "desk.sqlite"), "hash")
    yield opened
    opened.close()


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk([create_record("r1"), create_record("r2")], database, DeskOptions())
