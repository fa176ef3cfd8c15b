"""Store items, assignments and events in SQLite or PostgreSQL.

Events are append-only. One process at a time uses a SQLite file; PostgreSQL serves several.
"""

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, IntegrityError

from selfcritic.agent.errors import InputError
from selfcritic.agent.redaction import redact
from selfcritic.graphs.private_files import create_private

SCHEMA_VERSION = 1
_METADATA = sa.MetaData()
_INFO = sa.Table(
    "desk",
    _METADATA,
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.Column("data_sha256", sa.String(64), nullable=False),
)
_ASSIGNMENTS = sa.Table(
    "assignment",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("screen", sa.String(16), nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("unit", sa.String(64), nullable=False),
    sa.Column("annotator", sa.String(200), nullable=False),
    sa.Column("critiques", sa.Text, nullable=False),
    sa.Column("prefilled", sa.Boolean, nullable=False),
    sa.Column("look_first", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("opened", sa.String(40), nullable=False),
    sa.Column("finished", sa.String(40)),
    sa.Column("active_seconds", sa.Float, nullable=False),
    sa.UniqueConstraint("unit", "annotator"),
)
_EVENTS = sa.Table(
    "event",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("assignment", sa.Integer, sa.ForeignKey("assignment.id"), nullable=False),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.UniqueConstraint("assignment", "key"),
)


class DeskDatabaseError(Exception):
    """The database cannot be opened or written."""


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

    def __init__(self, engine: sa.Engine, lock: IO[bytes] | None) -> None:
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
        url, lock = _resolve(address)
        engine = sa.create_engine(url, pool_pre_ping=True)  # survives a restart of the server
        if url.get_backend_name() == "sqlite":
            sa.event.listen(engine, "connect", _configure_sqlite)
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
            self._lock.close()

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
                _METADATA.create_all(connection)
                values = {"schema_version": SCHEMA_VERSION, "data_sha256": data_sha256}
                connection.execute(sa.insert(_INFO).values(values))
                return
            version, stored_hash = connection.execute(sa.select(_INFO)).one()
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
            reason = " ".join(str(error.orig).split()).rstrip(".")
            raise DeskDatabaseError(redact(f"The desk's database failed: {reason}.")) from None

    def list_assignments(self) -> list[Assignment]:
        """Return all assignments, oldest first."""
        with self._write() as connection:
            rows = connection.execute(sa.select(_ASSIGNMENTS).order_by(_ASSIGNMENTS.c.id)).all()
        return [_to_assignment(row) for row in rows]

    def get_assignment(self, identifier: int) -> Assignment | None:
        """Return an assignment; None for an unknown id."""
        query = sa.select(_ASSIGNMENTS).where(_ASSIGNMENTS.c.id == identifier)
        with self._write() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _to_assignment(row)

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
            connection.execute(sa.insert(_ASSIGNMENTS).values(row))
        query = sa.select(_ASSIGNMENTS).where(
            _ASSIGNMENTS.c.unit == values["unit"], _ASSIGNMENTS.c.annotator == values["annotator"]
        )
        with self._write() as connection:
            return _to_assignment(connection.execute(query).one())

    def list_events(self, assignment: int) -> list[dict[str, Any]]:
        """Return the payloads of an assignment's events, oldest first."""
        query = (
            sa.select(_EVENTS.c.payload)
            .where(_EVENTS.c.assignment == assignment)
            .order_by(_EVENTS.c.id)
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
                    sa.select(_EVENTS.c.key).where(_EVENTS.c.assignment == assignment)
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
                connection.execute(sa.insert(_EVENTS).values(row))
            connection.execute(
                sa.update(_ASSIGNMENTS)
                .where(_ASSIGNMENTS.c.id == assignment)
                .values(status=status, finished=finished)
            )

    def list_event_keys(self, assignment: int) -> set[str]:
        """Return the keys of an assignment's events."""
        query = sa.select(_EVENTS.c.key).where(_EVENTS.c.assignment == assignment)
        with self._write() as connection:
            return set(connection.execute(query).scalars())

    def add_active_seconds(self, assignment: int, seconds: float) -> None:
        """Add to the time that a person spent on an assignment."""
        with self._write() as connection:
            connection.execute(
                sa.update(_ASSIGNMENTS)
                .where(_ASSIGNMENTS.c.id == assignment)
                .values(active_seconds=_ASSIGNMENTS.c.active_seconds + seconds)
            )


def _resolve(address: str) -> tuple[sa.URL, IO[bytes] | None]:
    """Return the URL of an address, and the lock of a SQLite file."""
    if "://" not in address:
        path = Path(address)
        return sa.URL.create("sqlite", database=str(path)), _lock_file(path)
    try:
        url = sa.make_url(address)
    except sa.exc.ArgumentError:
        raise InputError(
            "--db is not a valid address. Pass a file, or postgresql://USER@HOST/NAME."
        ) from None
    if url.get_backend_name() == "sqlite" and url.database:
        return url, _lock_file(Path(url.database))
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg"), None
    raise InputError(
        f"--db: {url.get_backend_name()} is not supported. Pass a SQLite file or a PostgreSQL address."
    )


def _lock_file(path: Path) -> IO[bytes]:
    """Create the database file for its owner, and lock it for this process."""
    try:
        create_private(path)
        lock_path = path.with_name(f"{path.name}.lock")
        create_private(lock_path)
        lock = lock_path.open("rb")
    except OSError as error:
        raise DeskDatabaseError(f"--db: {path} cannot be opened: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise DeskDatabaseError(
            f"--db: another desk uses {path}. Stop it, or let both use one PostgreSQL database."
        ) from None
    return lock


def _configure_sqlite(connection: Any, _record: Any) -> None:
    """Use a write-ahead log, and wait for locks."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _to_assignment(row: sa.Row[Any]) -> Assignment:
    values = dict(row._mapping)
    values["critiques"] = json.loads(values["critiques"])
    return Assignment(**values)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
