"""Save each request's charge before it is sent, so that a crash loses none.

A charge is a pending write of the current checkpoint. It is read when the run resumes: the calls of requests that were
in flight count, although their replies are lost. A charge may be saved for a request that was not sent any more, so the
count is never below the provider's.
"""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from importlib import import_module
from typing import Any
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.checkpoint.base import BaseCheckpointSaver

from selfcritic.agent.errors import CheckpointError

_CHANNEL = "selfcritic:charge"
_CHECKPOINTER = "__pregel_checkpointer"
_DURABILITY = "__pregel_durability"
_TASK_ID = "__pregel_task_id"
_NAMESPACE_SEPARATOR = "|"


class ChargeJournal:
    """Charges of one execution of a node, saved with the run's checkpointer."""

    def __init__(
        self,
        saver: BaseCheckpointSaver[Any],
        checkpoint: RunnableConfig,
        node_task: str,
        *,
        is_sync: bool,
    ) -> None:
        self._saver = saver
        self._checkpoint = checkpoint
        self._node_task = node_task
        self._is_sync = is_sync
        self._earlier: list[str] = []
        self.has_loaded = False
        """Whether earlier charges were read, among them those of saved replies."""

    async def write(self, role: str) -> None:
        """Save the charge of a request that is about to be sent.

        Raises:
            CheckpointError: The checkpointer cannot save it; the request must not be sent.
        """
        charge = {"node_task": self._node_task, "role": role}
        arguments = (self._checkpoint, [(_CHANNEL, charge)], f"charge-{uuid4().hex}")
        try:
            if self._is_sync:
                await asyncio.to_thread(self._saver.put_writes, *arguments)
            else:
                await self._saver.aput_writes(*arguments)
        except CheckpointError:
            raise
        except Exception as error:  # noqa: BLE001 - a checkpointer can raise anything
            raise CheckpointError(
                f"The checkpointer cannot save the run ({type(error).__name__}: {error})."
            ) from None

    async def load(self) -> None:
        """Read the charges that earlier executions of this node saved."""
        if self._is_sync:
            saved = await asyncio.to_thread(self._saver.get_tuple, self._checkpoint)
        else:
            saved = await self._saver.aget_tuple(self._checkpoint)
        if saved is None:
            return
        self.has_loaded = True
        for _, channel, charge in saved.pending_writes or []:
            if channel == _CHANNEL and charge["node_task"] == self._node_task:
                self._earlier.append(charge["role"])

    def take_earlier(self) -> list[str]:
        """Return the roles of the loaded charges, once."""
        earlier = self._earlier
        self._earlier = []
        return earlier


current_journal: ContextVar[ChargeJournal | None] = ContextVar("current_journal", default=None)
"""Journal of the node that runs in this context; None without a checkpointer."""


def open_journal(*, is_sync: bool) -> ChargeJournal | None:
    """Return a journal for the node that runs now, None if its run saves nothing."""
    options: Mapping[str, Any] = ensure_config().get("configurable", {})
    saver = options.get(_CHECKPOINTER)
    if not isinstance(saver, BaseCheckpointSaver) or options.get(_DURABILITY) == "exit":
        return None
    namespace, _, _ = str(options.get("checkpoint_ns", "")).rpartition(_NAMESPACE_SEPARATOR)
    checkpoint_id = options.get("checkpoint_map", {}).get(namespace)
    if checkpoint_id is None:
        return None
    checkpoint: RunnableConfig = {
        "configurable": {
            "thread_id": options.get("thread_id"),
            "checkpoint_ns": namespace,
            "checkpoint_id": checkpoint_id,
        }
    }
    return ChargeJournal(saver, checkpoint, str(options.get(_TASK_ID)), is_sync=is_sync)


def is_resuming(remaining_steps: int | None) -> bool:
    """Whether a node runs in the first step after its run was resumed.

    Only this step can have earlier charges. A new run has saved its input in a step before.
    """
    if remaining_steps is None:
        return False
    limit = ensure_config()["recursion_limit"]
    if _DEFAULT_LIMIT is None:
        return remaining_steps > limit
    # LangGraph hides its default limit from the nodes, which see LangChain's.
    return remaining_steps in (limit + 1, _DEFAULT_LIMIT + 1)


def _default_limit() -> int | None:
    """Return LangGraph's default number of steps; None reads the charges in each step, which is only slower."""
    try:
        return int(import_module("langgraph._internal._config").DEFAULT_RECURSION_LIMIT)
    except (ImportError, AttributeError):
        return None


_DEFAULT_LIMIT = _default_limit()
