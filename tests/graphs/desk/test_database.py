import sqlite3
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import sqlalchemy as sa

from selfcritic.agent.errors import InputError
from selfcritic.graphs.desk.addresses import DeskDatabaseError
from selfcritic.graphs.desk.database import Database
from tests.support.postgres_server import PostgresServer


def create(database: Database, unit: str = "u", annotator: str = "bob"):
    return database.create_assignment(
        {
            "screen": "review",
            "record": "r1",
            "unit": unit,
            "annotator": annotator,
            "critiques": ["c2"],
            "prefilled": True,
            "look_first": False,
        }
    )


def test_stores_events_in_order_and_each_key_once(database):
    assignment = create(database)
    database.append_events(assignment.id, [("a", {"n": 1}), ("b", {"n": 2})], "open")
    database.append_events(assignment.id, [("b", {"n": 3}), ("c", {"n": 4})], "submitted")
    assert database.list_events(assignment.id) == [{"n": 1}, {"n": 2}, {"n": 4}]
    stored = database.get_assignment(assignment.id)
    assert (stored.status, stored.finished is not None) == ("submitted", True)


def test_a_unit_is_assigned_once_to_each_annotator(database):
    assert create(database).id == create(database).id
    assert create(database, annotator="eve").id != create(database).id


def test_the_file_is_for_its_owner_only(tmp_path):
    path = tmp_path / "desk.sqlite"
    Database.open(str(path), "hash").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_refuses_a_second_desk(tmp_path):
    path = str(tmp_path / "desk.sqlite")
    first = Database.open(path, "hash")
    with pytest.raises(DeskDatabaseError, match="another desk uses"):
        Database.open(path, "hash")
    first.close()
    Database.open(path, "hash").close()


def test_leaves_no_other_file(tmp_path):
    database = Database.open(str(tmp_path / "desk.sqlite"), "hash")
    create(database)
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["desk.sqlite"]


def test_adds_the_indexes_that_older_databases_lack(tmp_path):
    path = tmp_path / "desk.sqlite"
    Database.open(str(path), "hash").close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP INDEX assignment_progress")
    connection.close()
    Database.open(str(path), "hash").close()
    with sqlite3.connect(path) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        names = {name for (name,) in connection.execute(query)}
    connection.close()
    assert names == {"assignment_progress", "assignment_order"}


def test_refuses_other_data(tmp_path):
    path = str(tmp_path / "desk.sqlite")
    Database.open(path, "hash").close()
    with pytest.raises(InputError, match="belongs to other data"):
        Database.open(path, "other")


def test_refuses_another_version(tmp_path):
    path = tmp_path / "desk.sqlite"
    Database.open(str(path), "hash").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE desk SET schema_version = 7")
    connection.close()
    with pytest.raises(InputError, match="schema version 7; this version of selfcritic uses 1"):
        Database.open(str(path), "hash")


def test_refuses_a_foreign_database(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (id INTEGER)")
    connection.close()
    with pytest.raises(InputError, match="not a desk's"):
        Database.open(str(path), "hash")


def test_refuses_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "text.sqlite"
    path.write_text("no database " * 100)
    with pytest.raises(DeskDatabaseError, match="not a database"):
        Database.open(str(path), "hash")


@pytest.mark.parametrize(
    ("address", "message"),
    [("mysql://u:secret@h/n", "mysql is not supported"), ("://", "not a valid address")],
)
def test_refuses_other_addresses_without_printing_secrets(address, message):
    with pytest.raises(InputError, match=message) as caught:
        Database.open(address, "hash")
    assert "secret" not in str(caught.value)


def test_reports_a_full_disk_and_keeps_what_is_stored(tmp_path):
    database = Database.open(str(tmp_path / "desk.sqlite"), "hash")
    assignment = create(database)
    database.append_events(assignment.id, [("a", {"n": 1})], "open")

    def limit_size(connection, _record):
        connection.execute("PRAGMA max_page_count = 1")

    database._engine.dispose()
    sa.event.listen(database._engine, "connect", limit_size)
    with pytest.raises(DeskDatabaseError, match=r"disk is full\. Check the free disk space\."):
        database.append_events(assignment.id, [("b", {"text": "x" * 100_000})], "open")
    sa.event.remove(database._engine, "connect", limit_size)
    database._engine.dispose()
    assert database.list_events(assignment.id) == [{"n": 1}]
    database.close()


def test_a_killed_desk_loses_no_stored_event(tmp_path):
    path = tmp_path / "desk.sqlite"
    script = textwrap.dedent(
        f"""
        import os, signal
        from selfcritic.graphs.desk.database import Database
        from tests.graphs.desk.test_database import create
        database = Database.open({str(path)!r}, "hash")
        assignment = create(database)
        for number in range(20):
            database.append_events(assignment.id, [(str(number), {{"n": number}})], "open")
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=Path.cwd(), timeout=60)
    assert result.returncode == -9
    database = Database.open(str(path), "hash")
    assert database.list_events(1) == [{"n": number} for number in range(20)]
    database.close()


@pytest.mark.slow
def test_several_desks_share_a_postgresql_database():
    with PostgresServer() as server:
        first = Database.open(server.address, "hash")
        second = Database.open(server.address, "hash")
        assignment = create(first)
        second.append_events(assignment.id, [("a", {"n": 1})], "open")
        assert create(second).id == assignment.id
        assert first.list_events(assignment.id) == [{"n": 1}]
        assert first.list_workers(["u", "v"]) == {"u": [("bob", "open")], "v": []}
        assert second.find_open("bob", "review") == first.get_assignment(assignment.id)
        assert first.find_neighbor(assignment, is_later=True) is None
        server.stop()
        with pytest.raises(DeskDatabaseError, match="database failed"):
            first.append_events(assignment.id, [("b", {"n": 2})], "open")
        server.start()
        first.append_events(assignment.id, [("b", {"n": 2})], "submitted")
        assert second.list_events(assignment.id) == [{"n": 1}, {"n": 2}]
        assert second.count_submitted("review") == {"bob": 1}
        first.close()
        second.close()


@pytest.mark.slow
def test_an_unreachable_server_is_reported_in_one_line():
    with pytest.raises(DeskDatabaseError, match="database failed") as caught:
        Database.open("postgresql://bob:secret@127.0.0.1:1/none", "hash")
    assert "secret" not in str(caught.value)
