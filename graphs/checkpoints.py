"""Where a run is saved so that it can go on after a crash: a SQLite file, or a PostgreSQL server by the same code.

`ainvoke` and `astream` save each request's reply as it comes, `invoke` each node's update as it ends. What was saved
is not asked for again after a crash, provided that the run has `durability="sync"`. LangGraph's default "async" starts
a step while the checkpoint it stands on is still being written: replies that were saved before that checkpoint are
lost with it if the process dies in between. "exit" saves nothing before the end.

LangGraph finds a saved request by its place among those of its node. Where a node asks in two goes, which happens in
the first verdicts on several drafts by a model without log-probs, the second goes may come in another order and be
asked for again; the results are the same.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing

import aiosqlite
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from selfcritic.agent import schemas
from selfcritic.agent.errors import InputError

RECORDS = (
    schemas.Round,
    schemas.Candidate,
    schemas.Critique,
    schemas.Comment,
    schemas.ReviewedComment,
    schemas.Usage,
    schemas.RoleUsage,
)


def serializer() -> JsonPlusSerializer:
    """Reads back the records of a run and nothing else."""
    return JsonPlusSerializer(allowed_msgpack_modules=[*RECORDS, schemas.Capabilities])


@asynccontextmanager
async def open_checkpointer(where: str) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """A checkpointer over a file, made where it is missing, or over a postgresql:// address (extra `postgres`)."""
    if where.startswith(("postgresql://", "postgres://")):
        try:
            from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
            from psycopg import OperationalError
        except ImportError as error:
            raise InputError("For PostgreSQL install the extra: pip install 'selfcritic[postgres]'.") from error
        async with AsyncExitStack() as stack:
            try:
                opened = AsyncPostgresSaver.from_conn_string(where, serde=serializer())
                saver = await stack.enter_async_context(opened)
                await saver.setup()
            except OperationalError as error:
                raise InputError(f"The PostgreSQL server cannot be used: {error}") from error
            yield saver
        return
    await asyncio.to_thread(_check, where)
    async with aiosqlite.connect(where) as connection:
        # A commit need not wait for the disk to outlive the process: replies are saved as fast as they come.
        await connection.execute("PRAGMA synchronous = NORMAL")
        sqlite = AsyncSqliteSaver(connection, serde=serializer())
        await sqlite.setup()
        yield sqlite


def _check(path: str) -> None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # asks for the right to write, too
    except sqlite3.Error as error:
        raise InputError(f"The checkpoint file '{path}' cannot be used: {error}.") from error
