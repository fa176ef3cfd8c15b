"""Resolve the address of the desk's database, and describe its failures."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from selfcritic.agent.errors import InputError
from selfcritic.agent.redaction import redact
from selfcritic.graphs.file_lock import FileLock
from selfcritic.graphs.private_files import create_private


class DeskDatabaseError(Exception):
    """The database cannot be opened or written."""


def resolve_address(address: str) -> tuple[sa.URL, FileLock | None]:
    """Return the URL of an address, and the lock of a SQLite file.

    Args:
        address: A path of a SQLite file, or an SQLAlchemy URL.

    Raises:
        InputError: The address is invalid.
        DeskDatabaseError: The file cannot be created, or another desk uses it.
    """
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


def _lock_file(path: Path) -> FileLock:
    """Create the database file for its owner, and lock it for this process."""
    try:
        create_private(path)
        return FileLock.acquire(path.with_name(f"{path.name}.lock"))
    except BlockingIOError:
        raise DeskDatabaseError(
            f"--db: another desk uses {path}. Stop it, or let both use one PostgreSQL database."
        ) from None
    except OSError as error:
        raise DeskDatabaseError(f"--db: {path} cannot be opened: {error.strerror}.") from None


def configure_sqlite(connection: Any, _record: Any) -> None:
    """Use a write-ahead log, and wait for locks."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def describe_failure(error: DatabaseError) -> str:
    """Return a database's error in one line, without secrets."""
    reason = " ".join(str(error.orig).split()).rstrip(".")
    is_disk_problem = "disk" in reason.lower()  # "database or disk is full", "disk I/O error"
    hint = " Check the free disk space." if is_disk_problem else ""
    return redact(f"The desk's database failed: {reason}.{hint}")
