"""Save runs to a PostgreSQL server."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from selfcritic.agent.errors import InputError
from selfcritic.graphs.checkpoints.address import PostgresAddress
from selfcritic.graphs.checkpoints.guard import GuardedSaver
from selfcritic.graphs.checkpoints.serializer import serializer

if TYPE_CHECKING:
    from psycopg import AsyncConnection


@asynccontextmanager
async def open_postgres(address: PostgresAddress) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """Connect to a server and create missing tables. Raises InputError."""
    try:
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    except ImportError as error:
        raise InputError(
            "PostgreSQL needs an extra: pip install 'selfcritic[postgres]'."
        ) from error
    from psycopg import Error

    class PostgresSaver(GuardedSaver, AsyncPostgresSaver):
        database_errors = (Error, OSError)

        def describe_database_error(self, error: Exception) -> str:
            return (
                f"The PostgreSQL server ({address}) failed: {address.redact(str(error))}. "
                "Rerun to resume when it is back."
            )

        def describe_payload_error(self, error: Exception) -> str:
            return (
                f"A run in PostgreSQL ({address}) cannot be read or saved ({type(error).__name__}): it is damaged or "
                "from another program. Use another thread or database."
            )

    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(_connect(address))
        saver = PostgresSaver(conn=connection, serde=serializer())
        try:
            await saver.setup()
        except Error as error:
            raise _unusable(address, error) from None
        yield saver


@asynccontextmanager
async def lock_postgres_thread(address: PostgresAddress, thread: str) -> AsyncIterator[None]:
    """Lock a thread with an advisory lock on a separate connection. Raises InputError."""
    from psycopg import Error

    digest = hashlib.sha256(f"selfcritic {thread}".encode("utf-8", "surrogatepass")).digest()
    key = int.from_bytes(digest[:8], "big", signed=True)
    async with _connect(address) as connection:
        try:
            cursor = await connection.execute("SELECT pg_try_advisory_lock(%s) AS locked", (key,))
            row = await cursor.fetchone()
        except Error as error:
            raise _unusable(address, error) from None
        if row is None or not row["locked"]:
            raise InputError(
                f"The thread '{thread}' in PostgreSQL ({address}) is in use by another run. Wait until it ends, or "
                "use another --thread."
            )
        yield


@asynccontextmanager
async def _connect(address: PostgresAddress) -> AsyncIterator["AsyncConnection[Any]"]:
    from psycopg import AsyncConnection, Error
    from psycopg.rows import dict_row

    try:
        connection = await AsyncConnection.connect(
            address.conninfo, autocommit=True, prepare_threshold=0, row_factory=dict_row
        )
    except (Error, OSError, UnicodeError) as error:
        raise _unusable(address, error) from None
    try:
        yield connection
    finally:
        await connection.close()


def _unusable(address: PostgresAddress, error: Exception) -> InputError:
    return InputError(
        f"The PostgreSQL server ({address}) cannot be used: {address.redact(str(error))}. Check the address and that "
        "the server is running."
    )
