"""Save runs to SQLite or PostgreSQL, to resume after a crash.

`ainvoke` and `astream` save the reply of each request when it arrives; `invoke` saves each node's update when the node
ends. After a crash, requests whose replies were saved are not repeated, if the run uses `durability="sync"`.
LangGraph's default, "async", starts a step before the previous checkpoint is written. If the process dies in between,
the replies saved since that checkpoint are lost. "exit" saves only at the end.

The charge of a request is saved before the request is sent. After a crash, `usage.calls` includes the requests that
were in flight, so a budget of calls holds. Their tokens and cost are unknown and do not count.

LangGraph identifies a saved request by its position among the requests of its node. A node that sends requests in two
waves may send the second wave in another order and repeat it. This happens when a model without logprobs judges several
first drafts. The results are the same.
"""

from contextlib import AbstractAsyncContextManager

from langgraph.checkpoint.base import BaseCheckpointSaver

from selfcritic.graphs.checkpoints.address import is_database_address, parse_address
from selfcritic.graphs.checkpoints.postgres import lock_postgres_thread, open_postgres
from selfcritic.graphs.checkpoints.serializer import serializer
from selfcritic.graphs.checkpoints.sqlite import lock_sqlite_thread, open_sqlite

__all__ = ["lock_thread", "open_checkpointer", "serializer"]


def open_checkpointer(where: str) -> AbstractAsyncContextManager[BaseCheckpointSaver[str]]:
    """Open a checkpointer for a SQLite file or a PostgreSQL address.

    Creates a missing file, readable only by its owner. An address is a `postgresql://` URL or `key=value` pairs, and
    needs the extra `postgres`. If the database fails during a run, the run raises CheckpointError.

    Raises:
        InputError: The file or server cannot be used, or the extra is not installed.
    """
    if is_database_address(where):
        return open_postgres(parse_address(where))
    return open_sqlite(where)


def lock_thread(where: str, thread: str) -> AbstractAsyncContextManager[None]:
    """Lock a thread of a SQLite file or PostgreSQL database, as long as the context is open.

    Two runs of one thread pay for every reply twice and overwrite each other. The lock ends with the process, even if
    it is killed.

    Raises:
        InputError: Another run has locked the thread, or the lock cannot be created.
    """
    if is_database_address(where):
        return lock_postgres_thread(parse_address(where), thread)
    return lock_sqlite_thread(where, thread)
