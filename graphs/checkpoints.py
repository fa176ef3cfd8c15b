"""Save runs to SQLite or PostgreSQL, to resume after a crash.

`ainvoke` and `astream` save the reply of each request when it arrives; `invoke` saves each node's update when the node
ends. After a crash, requests whose replies were saved are not repeated, if the run uses `durability="sync"`.
LangGraph's default, "async", starts a step before the previous checkpoint is written. If the process dies in between,
the replies saved since that checkpoint are lost. "exit" saves only at the end.

LangGraph identifies a saved request by its position among the requests of its node. A node that sends requests in two
waves may send the second wave in another order and repeat it. This happens when a model without logprobs judges several
first drafts. The results are the same.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from typing import Any

import aiosqlite
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from selfcritic.agent import schemas
from selfcritic.agent.errors import InputError
from selfcritic.graphs.serialization import RECORDS

_RENAMED_RECORDS = ("Draft", "Method", "Label")
"""Names of records that only earlier versions saved."""


def serializer() -> JsonPlusSerializer:
    """Return a serializer that loads only the record types of a run."""
    return _RecordSerializer(allowed_msgpack_modules=RECORDS)


class _RecordSerializer(JsonPlusSerializer):
    """Rejects records of earlier versions, which LangGraph would read as dicts."""

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        payload = data[1]
        for name in _RENAMED_RECORDS:
            if _msgpack_reference(name) in payload:
                raise InputError(
                    f"This thread was saved by an earlier version of selfcritic (record '{name}'). "
                    "Start a new thread, or continue this one with the earlier version."
                )
        return super().loads_typed(data)


def _msgpack_reference(name: str) -> bytes:
    """Encode a record's module and name as LangGraph saves them.

    These bytes never occur in UTF-8 text.
    """
    encoded = b""
    for text in (schemas.__name__, name):
        header = 0xA0 | len(text)  # a string of up to 31 bytes
        encoded += bytes([header]) + text.encode()
    return encoded


def open_checkpointer(where: str) -> AbstractAsyncContextManager[BaseCheckpointSaver[str]]:
    """Open a checkpointer for a SQLite file or postgresql:// URL.

    Creates a missing file. PostgreSQL needs the extra `postgres`.

    Raises:
        InputError: The file or server cannot be used, or the extra is not installed.
    """
    if where.startswith(("postgresql://", "postgres://")):
        return _open_postgres(where)
    return _open_sqlite(where)


@asynccontextmanager
async def _open_postgres(address: str) -> AsyncIterator[BaseCheckpointSaver[str]]:
    try:
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg import OperationalError
    except ImportError as error:
        raise InputError(
            "PostgreSQL needs an extra: pip install 'selfcritic[postgres]'."
        ) from error
    async with AsyncExitStack() as stack:
        try:
            connection = AsyncPostgresSaver.from_conn_string(address, serde=serializer())
            saver = await stack.enter_async_context(connection)
            await saver.setup()
        except OperationalError as error:
            raise InputError(f"The PostgreSQL server cannot be used: {error}") from error
        yield saver


@asynccontextmanager
async def _open_sqlite(path: str) -> AsyncIterator[BaseCheckpointSaver[str]]:
    await asyncio.to_thread(_check_sqlite, path)
    async with aiosqlite.connect(path) as connection:
        # A commit survives a killed process without waiting for the disk, so replies are saved quickly.
        await connection.execute("PRAGMA synchronous = NORMAL")
        saver = AsyncSqliteSaver(connection, serde=serializer())
        await saver.setup()
        yield saver


def _check_sqlite(path: str) -> None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # also checks write access
    except sqlite3.Error as error:
        raise InputError(f"The checkpoint file '{path}' cannot be used: {error}.") from error
