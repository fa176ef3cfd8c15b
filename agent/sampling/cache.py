"""Look up replies in a cache before requests are sent (option `cache`).

A cache entry is one reply. Its key is the model, the messages, the parameters, the run's seed and the index of the
sample, so eight samples after four send a request for four. Only whole, readable replies are saved. Keys are hashes: a
cache sees no prompt.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from langchain_core.caches import BaseCache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration

from selfcritic.agent.models.identity import model_identity
from selfcritic.agent.models.normalize import is_truncated
from selfcritic.agent.sampling.disk_cache import DiskCache
from selfcritic.agent.sampling.verdicts import read_logprobs, read_vote
from selfcritic.agent.schemas import Usage

_log = logging.getLogger(__name__)
_open_caches: dict[Path, DiskCache] = {}
_failed: set[int] = set()
"""Identities of caches whose error was logged."""

current_cache: ContextVar[BaseCache | None] = ContextVar("current_cache", default=None)
"""Cache of requests whose run has no `cache`."""


@dataclass(frozen=True)
class CachedReply:
    """A reply, with its share of what its request used."""

    message: AIMessage
    tokens: int
    cost_usd: float | None


def open_cache(cache: str | BaseCache | None) -> BaseCache | None:
    """Return a cache; a folder is opened once per process. Raises InputError."""
    if not isinstance(cache, str):
        return cache
    path = Path(cache).expanduser().absolute()
    if path not in _open_caches:
        _open_caches[path] = DiskCache(path)
    return _open_caches[path]


@contextmanager
def use_cache(cache: str | Path | BaseCache) -> Iterator[None]:
    """Use a cache for all requests in the body whose run has no cache. Raises InputError."""
    if isinstance(cache, Path):
        cache = str(cache)
    token = current_cache.set(open_cache(cache))
    try:
        yield
    finally:
        current_cache.reset(token)


def close_all() -> None:
    """Close all folders, for tests."""
    for cache in _open_caches.values():
        cache.close()
    _open_caches.clear()


@dataclass(frozen=True)
class CachedSamples:
    """The cache entries of one request for several samples."""

    cache: BaseCache
    messages: Sequence[BaseMessage]
    parameters: Mapping[str, Any]
    """What the sampler asked for, also if the provider rejects it."""
    seed: int | None
    indices: range
    """Indices of the samples."""
    is_verdict: bool
    """Whether only replies with a readable Yes or No are saved."""

    async def load(self, model: BaseChatModel) -> dict[int, CachedReply]:
        """Return the saved replies by index."""
        replies: dict[int, CachedReply] = {}
        for index in self.indices:
            try:
                found = await self.cache.alookup(self._prompt(), self._llm_string(model, index))
            except Exception as error:  # noqa: BLE001 - a handed-in cache can raise anything
                self._warn(error)
                return replies
            reply = _read_entry(found)
            if reply is not None:
                replies[index] = reply
        return replies

    async def save(
        self,
        model: BaseChatModel,
        indices: Sequence[int],
        replies: Sequence[AIMessage],
        usage: Usage,
    ) -> None:
        """Save the usable ones of some replies; a failure only logs a warning."""
        tokens = usage.input_tokens + usage.output_tokens
        for number, (index, message) in enumerate(zip(indices, replies, strict=False)):
            if not self._is_usable(message):
                continue
            share = tokens // len(replies)
            if number == 0:
                share += tokens % len(replies)
            cost = None if usage.cost_usd is None else usage.cost_usd / len(replies)
            info = {"tokens": share, "cost_usd": cost}
            entry = ChatGeneration(message=_clean(message), generation_info=info)
            try:
                await self.cache.aupdate(self._prompt(), self._llm_string(model, index), [entry])
            except Exception as error:  # noqa: BLE001 - a handed-in cache can raise anything
                self._warn(error)
                return

    def _is_usable(self, message: AIMessage) -> bool:
        """Whether a reply would also be accepted when it is asked for again."""
        if self.is_verdict:
            # A limit may have cut off the token whose logprobs are the verdict.
            is_cut = bool(self.parameters.get("logprobs")) and is_truncated(message)
            is_vote = not is_cut and read_vote(message.text) is not None
            return is_vote or read_logprobs(message) is not None
        return self.parameters.get("max_tokens") is not None or not is_truncated(message)

    def _prompt(self) -> str:
        contents = [[message.type, message.content] for message in self.messages]
        return _hash(contents)

    def _llm_string(self, model: BaseChatModel, index: int) -> str:
        parameters = dict(self.parameters)
        if parameters.get("logprobs"):
            # A verdict's limit depends on what this process knows about the model, the verdict does not.
            parameters.pop("max_tokens", None)
        values = [model_identity(model), parameters, self.seed]
        return f"selfcritic {_hash(values)} sample {index}"

    def _warn(self, error: Exception) -> None:
        if id(self.cache) not in _failed:
            _failed.add(id(self.cache))
            name = type(self.cache).__name__
            _log.warning(
                "The cache (%s) failed: %s. The run continues.", name, type(error).__name__
            )


def _read_entry(found: Any) -> CachedReply | None:
    """Return the reply of an entry; None if it is missing or unusable."""
    if not found or not isinstance(found[0], ChatGeneration):
        return None
    message = found[0].message
    info = found[0].generation_info or {}
    if not isinstance(message, AIMessage):
        return None
    # LangGraph streams a message once per id.
    message = message.model_copy(update={"id": str(uuid4())}, deep=True)
    return CachedReply(message, info.get("tokens") or 0, info.get("cost_usd"))


def _clean(message: AIMessage) -> AIMessage:
    """Return a reply without its id and without what belongs to its connection."""
    metadata = {
        name: value for name, value in message.response_metadata.items() if name != "headers"
    }
    return message.model_copy(update={"id": None, "response_metadata": metadata})


def _hash(values: Any) -> str:
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
