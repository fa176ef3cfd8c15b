"""Save runs to a SQLite file."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from selfcritic.agent.errors import InputError
from selfcritic.graphs.checkpoints.guard import GuardedSaver
from selfcritic.graphs.checkpoints.serializer import serializer
from selfcritic.graphs.file_lock import FileLock
from selfcritic.graphs.private_files import create_private

_IN_MEMORY = ":memory:"
_COLUMNS = {
    "checkpoints": {"thread_id", "checkpoint_ns", "checkpoint_id", "type", "checkpoint"},
    "writes": {"thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "channel", "value"},
}
"""Columns that a file of checkpoints has, by table."""


class _SqliteSaver(GuardedSaver, AsyncSqliteSaver):
    database_errors = (sqlite3.Error, OSError)
    path = ""

    def describe_database_error(self, error: Exception) -> str:
        return describe_sqlite_error(f"The checkpoint file '{self.path}'", error)

    def describe_payload_error(self, error: Exception) -> str:
        return (
            f"A run in the checkpoint file '{self.path}' cannot be read or saved ({type(error).__name__}): the file "
            "is damaged or from another program. Use another thread or file."
        )


@asynccontextmanager
async def open_sqlite(path: str) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """Open a file, and create a missing one. Raises InputError."""
    await asyncio.to_thread(_check_file, path)
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(aiosqlite.connect(path))
            # A commit survives a killed process without waiting for the disk, so replies are saved quickly.
            await connection.execute("PRAGMA synchronous = NORMAL")
            saver = _SqliteSaver(connection, serde=serializer())
            saver.path = path
            await saver.setup()
        except sqlite3.Error as error:
            raise _unusable(path, error) from None
        yield saver


def describe_sqlite_error(subject: str, error: Exception) -> str:
    """Describe an error of SQLite, with a remedy."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    if "full" in text or "disk I/O" in text or "No space" in text:
        remedy = "Free some space on its disk, then rerun to resume."
    elif "malformed" in text or "not a database" in text:
        return f"{subject} is damaged ({text}). Restore it from a backup, or use another file."
    elif "locked" in text:
        remedy = "Wait for the other process that writes to it, then rerun to resume."
    else:
        remedy = "Check that the file and its folder are writable, or use another file."
    return f"{subject} cannot be used: {text}. {remedy}"


def _check_file(path: str) -> None:
    """Create the file or check that it has checkpoints. Raises InputError."""
    try:
        if path != _IN_MEMORY and Path(path).parent.is_dir():
            create_private(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # also checks write access
            _check_tables(connection, path)
    except (sqlite3.Error, OSError) as error:
        raise _unusable(path, error) from None


def _check_tables(connection: sqlite3.Connection, path: str) -> None:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    tables = {str(name) for (name,) in connection.execute(query)}
    for table in sorted(tables & _COLUMNS.keys()):
        columns = {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")}
        if not _COLUMNS[table] <= columns:
            raise InputError(_describe_foreign(path))
    if tables and not tables & _COLUMNS.keys():
        raise InputError(_describe_foreign(path))


def _describe_foreign(path: str) -> str:
    return (
        f"The checkpoint file '{path}' is a SQLite database of another program, not a file of checkpoints. "
        "Pass another file."
    )


def _unusable(path: str, error: Exception) -> InputError:
    return InputError(describe_sqlite_error(f"The checkpoint file '{path}'", error))


@asynccontextmanager
async def lock_sqlite_thread(path: str, thread: str) -> AsyncIterator[None]:
    """Lock a thread with a file next to the database. Raises InputError."""
    if path == _IN_MEMORY:
        yield
        return
    lock_path = await asyncio.to_thread(_lock_path, path, thread)
    try:
        lock = await asyncio.to_thread(FileLock.acquire, lock_path)
    except BlockingIOError:
        raise InputError(
            f"The thread '{thread}' in '{path}' is in use by another run. Wait until it ends, or use another --thread."
        ) from None
    except OSError as error:
        raise InputError(
            f"The thread '{thread}' cannot be locked: {error.strerror} ('{lock_path}'). Check that its folder exists "
            "and is writable."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _lock_path(path: str, thread: str) -> Path:
    digest = hashlib.sha256(thread.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    database = Path(path).resolve()
    return database.with_name(f"{database.name}.{digest}.lock")
