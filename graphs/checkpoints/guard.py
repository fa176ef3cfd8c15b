"""Turn a database's errors into CheckpointError, with the database's name and a remedy."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from selfcritic.agent.errors import CheckpointError, SelfcriticError

_KEYS = {"v", "id", "channel_values", "channel_versions", "versions_seen"}
"""Keys of a checkpoint that LangGraph reads."""


class GuardedSaver(BaseCheckpointSaver[str]):
    """Mixin that raises CheckpointError; list it first among the bases."""

    database_errors: tuple[type[Exception], ...] = ()
    """Errors of the database's driver."""

    def describe_database_error(self, error: Exception) -> str:
        """Return what is wrong with the database, and a remedy."""
        raise NotImplementedError

    def describe_payload_error(self, error: Exception) -> str:
        """Return that a saved value cannot be read or written."""
        raise NotImplementedError

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Convert errors of the database and its payload."""
        try:
            yield
        except SelfcriticError:
            raise
        except self.database_errors as error:
            raise CheckpointError(self.describe_database_error(error)) from None
        except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
            raise CheckpointError(self.describe_payload_error(error)) from None

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Read a checkpoint."""
        with self.guard():
            saved = await super().aget_tuple(config)
            if saved is not None:
                _check_payload(saved.checkpoint)
            return saved

    async def alist(
        self, config: RunnableConfig | None, **options: Any
    ) -> AsyncIterator[CheckpointTuple]:
        """Read the checkpoints of a thread."""
        with self.guard():
            async for saved in super().alist(config, **options):
                yield saved

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint."""
        with self.guard():
            return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Save the writes of a task."""
        with self.guard():
            await super().aput_writes(config, writes, task_id, task_path)


def _check_payload(checkpoint: object) -> None:
    """Raise TypeError for a value that is no checkpoint."""
    if not isinstance(checkpoint, dict) or not checkpoint.keys() >= _KEYS:
        raise TypeError("not a checkpoint")
