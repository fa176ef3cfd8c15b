"""Store items, assignments and events in SQLite or PostgreSQL.

Events are append-only. One process at a time uses a SQLite file; PostgreSQL serves several.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, IntegrityError

from selfcritic.agent.errors import InputError
from selfcritic.agent.redaction import redact
from selfcritic.graphs.desk.addresses import (
    DeskDatabaseError,
    configure_sqlite,
    describe_failure,
    resolve_address,
)
from selfcritic.graphs.desk.schema import ASSIGNMENTS, EVENTS, INFO, METADATA, SCHEMA_VERSION
from selfcritic.graphs.file_lock import FileLock


class Assignment(NamedTuple):
    """One row of the table of assignments."""

    id: int
    screen: str
    record: str
    unit: str
    annotator: str
    critiques: list[str]
    """Ids, in the order in which the annotator sees them."""
    prefilled: bool
    look_first: bool
    status: str
    opened: str
    finished: str | None
    active_seconds: float


class Database:
    """The database of a desk."""

    def __init__(self, engine: sa.Engine, lock: FileLock | None) -> None:
        self._engine = engine
        self._lock = lock

    @classmethod
    def open(cls, address: str, data_sha256: str) -> "Database":
        """Open or create a database for the data with this hash.

        Args:
            address: A path of a SQLite file, or an SQLAlchemy URL.
            data_sha256: Hash of the file that the desk shows.

        Raises:
            InputError: The address is invalid, or the database is of another version or other data.
            DeskDatabaseError: The database cannot be opened, or another desk uses the file.
        """
        url, lock = resolve_address(address)
        engine = sa.create_engine(url, pool_pre_ping=True)  # survives a restart of the server
        if url.get_backend_name() == "sqlite":
            sa.event.listen(engine, "connect", configure_sqlite)
        database = cls(engine, lock)
        try:
            database._prepare(data_sha256, address)
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Close all connections and release the file."""
        self._engine.dispose()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _prepare(self, data_sha256: str, address: str) -> None:
        """Create the tables, or check those that exist."""
        name = redact(address)
        with self._write() as connection:
            tables = sa.inspect(connection).get_table_names()
            if "desk" not in tables:
                if tables:
                    raise InputError(
                        f"--db: {name} has tables that are not a desk's. Pass an empty database."
                    )
                METADATA.create_all(connection)
                values = {"schema_version": SCHEMA_VERSION, "data_sha256": data_sha256}
                connection.execute(sa.insert(INFO).values(values))
                return
            version, stored_hash = connection.execute(sa.select(INFO)).one()
            if version == SCHEMA_VERSION:
                for index in ASSIGNMENTS.indexes:  # older databases have none
                    connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
        if version != SCHEMA_VERSION:
            raise InputError(
                f"--db: {name} has schema version {version}; this version of selfcritic uses "
                f"{SCHEMA_VERSION}. Pass another database."
            )
        if stored_hash != data_sha256:
            raise InputError(
                f"--db: {name} belongs to other data: the file has changed, or it is another file. "
                "Restore the file, or pass another database."
            )

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        """Open a transaction; report database errors in one line."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except DatabaseError as error:
            raise DeskDatabaseError(describe_failure(error)) from None

    def list_assignments(self) -> list[Assignment]:
        """Return all assignments, oldest first."""
        with self._write() as connection:
            rows = connection.execute(sa.select(ASSIGNMENTS).order_by(ASSIGNMENTS.c.id)).all()
        return [_to_assignment(row) for row in rows]

    def get_assignment(self, identifier: int) -> Assignment | None:
        """Return an assignment; None for an unknown id."""
        query = sa.select(ASSIGNMENTS).where(ASSIGNMENTS.c.id == identifier)
        with self._write() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _to_assignment(row)

    def find_open(self, annotator: str, screen: str) -> Assignment | None:
        """Return the annotator's oldest open assignment of a screen, if there is one."""
        query = (
            sa.select(ASSIGNMENTS)
            .where(
                ASSIGNMENTS.c.screen == screen,
                ASSIGNMENTS.c.status == "open",
                ASSIGNMENTS.c.annotator == annotator,
            )
            .order_by(ASSIGNMENTS.c.id)
            .limit(1)
        )
        with self._write() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _to_assignment(row)

    def find_neighbor(self, assignment: Assignment, *, is_later: bool) -> Assignment | None:
        """Return the annotator's next or previous assignment of the same screen, if there is one."""
        identifier = ASSIGNMENTS.c.id
        query = sa.select(ASSIGNMENTS).where(
            ASSIGNMENTS.c.annotator == assignment.annotator,
            ASSIGNMENTS.c.screen == assignment.screen,
        )
        if is_later:
            query = query.where(identifier > assignment.id).order_by(identifier)
        else:
            query = query.where(identifier < assignment.id).order_by(identifier.desc())
        with self._write() as connection:
            row = connection.execute(query.limit(1)).one_or_none()
        return None if row is None else _to_assignment(row)

    def list_workers(self, units: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        """Return the annotators of each unit and the status of their assignments."""
        columns = (ASSIGNMENTS.c.unit, ASSIGNMENTS.c.annotator, ASSIGNMENTS.c.status)
        query = sa.select(*columns).where(ASSIGNMENTS.c.unit.in_(units))
        workers: dict[str, list[tuple[str, str]]] = {unit: [] for unit in units}
        with self._write() as connection:
            for unit, annotator, status in connection.execute(query):
                workers[unit].append((annotator, status))
        return workers

    def count_submitted(self, screen: str) -> dict[str, int]:
        """Return how many assignments of a screen each annotator has submitted."""
        annotator = ASSIGNMENTS.c.annotator
        query = (
            sa.select(annotator, sa.func.count())
            .where(ASSIGNMENTS.c.screen == screen, ASSIGNMENTS.c.status == "submitted")
            .group_by(annotator)
        )
        counts: dict[str, int] = {}
        with self._write() as connection:
            for name, count in connection.execute(query):
                counts[name] = count
        return counts

    def create_assignment(self, values: dict[str, Any]) -> Assignment:
        """Create an assignment; return the existing one of the same unit and annotator."""
        row = {
            **values,
            "critiques": json.dumps(values["critiques"]),
            "status": "open",
            "opened": _now(),
            "active_seconds": 0.0,
        }
        with suppress(IntegrityError), self._write() as connection:
            connection.execute(sa.insert(ASSIGNMENTS).values(row))
        query = sa.select(ASSIGNMENTS).where(
            ASSIGNMENTS.c.unit == values["unit"], ASSIGNMENTS.c.annotator == values["annotator"]
        )
        with self._write() as connection:
            return _to_assignment(connection.execute(query).one())

    def list_events(self, assignment: int) -> list[dict[str, Any]]:
        """Return the payloads of an assignment's events, oldest first."""
        query = (
            sa.select(EVENTS.c.payload)
            .where(EVENTS.c.assignment == assignment)
            .order_by(EVENTS.c.id)
        )
        with self._write() as connection:
            payloads = connection.execute(query).scalars().all()
        return [json.loads(payload) for payload in payloads]

    def append_events(
        self, assignment: int, events: Sequence[tuple[str, dict[str, Any]]], status: str
    ) -> None:
        """Append events, and set the assignment's status; a key that is stored is not stored again."""
        finished = None if status == "open" else _now()
        with self._write() as connection:
            stored = set(
                connection.execute(
                    sa.select(EVENTS.c.key).where(EVENTS.c.assignment == assignment)
                ).scalars()
            )
            for key, payload in events:
                if key in stored:
                    continue
                stored.add(key)
                row = {
                    "assignment": assignment,
                    "key": key,
                    "at": _now(),
                    "payload": json.dumps(payload),
                }
                connection.execute(sa.insert(EVENTS).values(row))
            connection.execute(
                sa.update(ASSIGNMENTS)
                .where(ASSIGNMENTS.c.id == assignment)
                .values(status=status, finished=finished)
            )

    def list_event_keys(self, assignment: int) -> set[str]:
        """Return the keys of an assignment's events."""
        query = sa.select(EVENTS.c.key).where(EVENTS.c.assignment == assignment)
        with self._write() as connection:
            return set(connection.execute(query).scalars())

    def add_active_seconds(self, assignment: int, seconds: float) -> None:
        """Add to the time that a person spent on an assignment."""
        with self._write() as connection:
            connection.execute(
                sa.update(ASSIGNMENTS)
                .where(ASSIGNMENTS.c.id == assignment)
                .values(active_seconds=ASSIGNMENTS.c.active_seconds + seconds)
            )


def _to_assignment(row: sa.Row[Any]) -> Assignment:
    values = dict(row._mapping)
    values["critiques"] = json.loads(values["critiques"])
    return Assignment(**values)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
