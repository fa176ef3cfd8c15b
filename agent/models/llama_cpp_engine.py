"""Run llama.cpp in this process, through xllamacpp.

xllamacpp is imported when the first request runs. An engine is shared by all models with the same file and sizes. Its
HTTP port on 127.0.0.1 cannot be turned off, so a random API key protects it.
"""

import atexit
import functools
import importlib
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Literal

from selfcritic.agent.models.errors import ModelCallError
from selfcritic.agent.models.llama_cpp_replies import Delta, ReplyAccumulator

_QUIET = -1
_LOG_LEVEL = 3
_ERROR_KINDS: dict[str, Literal["too_long", "rejected"]] = {
    "exceed_context_size_error": "too_long",
    "invalid_request_error": "rejected",
    "not_supported_error": "rejected",
}
"""Kinds by llama.cpp's error type; others are server errors."""


@dataclass(frozen=True)
class EngineConfig:
    """What an engine loads; engines with equal values are shared."""

    path: str
    n_ctx: int
    """Context of a slot in tokens."""
    slots: int
    """Replies that are generated at the same time."""
    threads: int
    lora: str | None = None
    chat_template: str | None = None
    """A Jinja template or "chatml"; None uses the template in the file."""
    log: bool = False
    """Whether llama.cpp logs to stderr."""


@dataclass
class Job:
    """Requests that run one after the other, and their replies."""

    requests: Sequence[dict[str, Any]]
    on_delta: Callable[[Delta], None] | None = None
    """Called in a worker thread with each piece of the replies."""
    replies: ReplyAccumulator = field(default_factory=ReplyAccumulator)
    _cancelled: Event = field(default_factory=Event)

    def cancel(self) -> None:
        """Stop at the next token; has no effect on a finished job."""
        self._cancelled.set()

    def run(self, engine: "Engine") -> ReplyAccumulator:
        """Run the requests and return their replies."""
        for request in self.requests:
            if self._cancelled.is_set():
                break
            self.replies.start_request()
            engine.complete(request, self._receive)
        return self.replies

    def _receive(self, chunk: dict[str, Any]) -> bool:
        """Add a chunk; return whether llama.cpp has to stop."""
        delta = self.replies.add(chunk)
        if delta is not None and self.on_delta is not None:
            self.on_delta(delta)
        return self._cancelled.is_set()


class Engine:
    """A model in memory; loaded by the first request."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.api_key = secrets.token_urlsafe(32)
        """Key of the engine's HTTP port."""
        self._server: Any = None
        self._lock = Lock()
        self._executor = ThreadPoolExecutor(config.slots, thread_name_prefix="llama.cpp")

    @property
    def address(self) -> str:
        """URL of the engine's HTTP port."""
        return str(self.load().listening_address)

    def submit(self, job: Job) -> Future[ReplyAccumulator]:
        """Run a job in a worker thread."""
        return self._executor.submit(job.run, self)

    def complete(self, request: dict[str, Any], on_chunk: Callable[[dict[str, Any]], bool]) -> None:
        """Send a streamed request; block until it ends or `on_chunk` returns True.

        Raises:
            ModelCallError: llama.cpp cannot load the model, or reported an error.
        """
        server = self.load()
        errors: list[dict[str, Any]] = []

        def receive(chunk: dict[str, Any]) -> bool:
            if "error" in chunk:
                errors.append(chunk["error"])
                return False
            return on_chunk(chunk)

        try:
            server.handle_chat_completions(request, receive)
        except (ValueError, TypeError, RuntimeError, MemoryError) as error:
            # C++ exceptions about the request, or options that are not JSON
            raise ModelCallError(f"llama.cpp: {error}", "rejected") from None
        if errors:
            raise self._request_error(errors[0])

    def load(self) -> Any:
        """Load the model unless it is loaded, and return xllamacpp's server.

        Raises:
            ModelCallError: llama.cpp cannot load the model.
        """
        with self._lock:
            if self._server is None:
                self._server = self._start()
            return self._server

    def close(self) -> None:
        """Wait for running requests and free the model."""
        self._executor.shutdown(cancel_futures=True)
        with self._lock:
            self._server = None

    def _start(self) -> Any:
        config = self.config
        xllamacpp = importlib.import_module("xllamacpp")
        params = xllamacpp.CommonParams()
        params.model.path = config.path
        params.model_alias = {os.path.basename(config.path)}  # noqa: PTH119 - hides the folder
        params.n_ctx = config.n_ctx * config.slots
        params.n_parallel = config.slots
        for cpu in (params.cpuparams, params.cpuparams_batch):
            cpu.n_threads = config.threads
            cpu.poll = 0  # threads that wait actively block each other on a busy machine
        params.cache_ram_mib = 0  # up to 8 GiB by default
        params.warmup = False
        params.verbosity = _LOG_LEVEL if config.log else _QUIET
        params.api_keys = [self.api_key]
        params.ui = False
        params.endpoint_slots = False
        params.endpoint_metrics = True
        params.n_threads_http = 1
        if config.chat_template:
            params.chat_template = config.chat_template
        if config.lora:
            adapter = xllamacpp.CommonAdapterLoraInfo()
            adapter.path = config.lora
            adapter.scale = 1.0
            params.lora_adapters = [adapter]
        try:
            return xllamacpp.Server(params)
        except (RuntimeError, ValueError, MemoryError):
            files = f"'{config.path}'"
            if config.lora:
                files += f" with the adapter '{config.lora}'"
            raise ModelCallError(
                f"llama.cpp cannot load {files}. The file may be incomplete, too new for this version, not a chat "
                f"model, or too large for the memory with n_ctx={config.n_ctx} and slots={config.slots}. "
                "Set log=true to see llama.cpp's messages.",
                "no_model",
            ) from None

    def _request_error(self, error: dict[str, Any]) -> ModelCallError:
        kind: Literal["too_long", "rejected", "server"] = "server"
        kind = _ERROR_KINDS.get(str(error.get("type")), kind)
        message = f"llama.cpp: {error.get('message')}"
        if kind == "too_long":
            message = self._overflow_message(error)
        status = error.get("code")
        return ModelCallError(
            message, kind, status_code=status if isinstance(status, int) else None
        )

    def _overflow_message(self, error: dict[str, Any]) -> str:
        tokens = error.get("n_prompt_tokens")
        n_ctx = error.get("n_ctx")
        return (
            f"The request has {tokens} tokens, more than the context of n_ctx={n_ctx} tokens. "
            f"Raise n_ctx in the model's name: 'local:…?n_ctx={_next_size(tokens)}'."
        )


def _next_size(tokens: Any) -> int:
    """Return a context that holds the tokens and a reply."""
    size = 1024
    while isinstance(tokens, int) and size < tokens + 512:
        size *= 2
    return size


def get_engine(config: EngineConfig) -> Engine:
    """Return the process's engine for a configuration."""
    with _engines_lock:
        # A forked process loads its own: the engine's threads are not in it.
        return _get_engine(config, os.getpid())


@functools.cache
def _get_engine(config: EngineConfig, process_id: int) -> Engine:
    engine = Engine(config)
    _engines.append((process_id, engine))
    return engine


_engines: list[tuple[int, Engine]] = []
_engines_lock = Lock()


@atexit.register
def _close_engines() -> None:
    for process_id, engine in _engines:
        if process_id == os.getpid():
            engine.close()
