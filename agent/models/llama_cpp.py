"""Chat model for GGUF files, run by llama.cpp in this process (extra `local`).

It has native `n`, logprobs, prefill, seeds and token streams. Token counts are llama.cpp's own.
"""

import asyncio
import contextlib
import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, PrivateAttr, field_validator, model_validator

from selfcritic.agent.models.errors import ModelReplyError
from selfcritic.agent.models.llama_cpp_engine import Engine, EngineConfig, Job, get_engine
from selfcritic.agent.models.llama_cpp_files import (
    available_cores,
    check_lora,
    check_model,
    find_weights,
    read_file,
    read_template,
    trained_context,
)
from selfcritic.agent.models.llama_cpp_replies import Choice, Delta, ReplyAccumulator
from selfcritic.agent.models.llama_cpp_requests import build_requests


class LlamaCppModel(BaseChatModel):
    """A GGUF file that llama.cpp runs in this process.

    The weights are loaded by the first request and shared by all models with the same file, `n_ctx`, `slots`,
    `threads`, `lora`, `chat_template` and `log`.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    """Path of a GGUF file, or "smollm2"."""
    n_ctx: int = Field(default=4096, ge=128)
    """Context of each slot in tokens: prompt and reply together. By default at most what the model was trained with."""
    slots: int = Field(default=4, ge=1, le=64)
    """Replies that are generated at the same time; memory grows with n_ctx x slots."""
    threads: int = Field(default_factory=lambda: max(1, available_cores() // 2), ge=1)
    """Half of the cores by default; more threads than idle cores are slower."""
    lora: str | None = None
    """Path of a LoRA adapter in GGUF format."""
    lora_scale: float = 1.0
    """Strength of the adapter; 0 is the base model."""
    chat_template: str | None = None
    """Path of a Jinja chat template, or "chatml"; by default the template in the file."""
    max_tokens: int | None = Field(default=512, ge=1)
    """Length limit of a reply."""
    temperature: float | None = Field(default=None, ge=0)
    """If None, llama.cpp's default (0.8) or the file's own."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """If None, llama.cpp's default (0.95) or the file's own."""
    top_k: int | None = Field(default=None, ge=0)
    """0 for no limit. If None, llama.cpp's default (40) or the file's own."""
    min_p: float | None = Field(default=None, ge=0, le=1)
    """If None, llama.cpp's default (0.05) or the file's own."""
    seed: int | None = None
    """Makes replies repeatable; None samples new ones."""
    stop: list[str] | None = None
    log: bool = False
    """Whether llama.cpp logs to stderr."""
    streaming: bool = False
    """Whether `invoke` streams; LangChain reads it."""
    supports_prefill: bool = True
    """Whether a final assistant message is continued."""

    _config: EngineConfig = PrivateAttr()

    @field_validator("lora")
    @classmethod
    def _check_lora(cls, value: str | None) -> str | None:
        if value is not None:
            check_lora(value)
        return value

    @field_validator("threads")
    @classmethod
    def _check_threads(cls, value: int) -> int:
        if value > available_cores():
            raise ValueError(
                f"{value} threads on {available_cores()} cores would block each other: use fewer"
            )
        return value

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if importlib.util.find_spec("xllamacpp") is None:
            raise ValueError("local models need xllamacpp: pip install 'selfcritic[local]'")
        if self.lora_scale != 1 and self.lora is None:
            raise ValueError("lora_scale is the strength of an adapter: set lora, or leave it out")
        path = find_weights(self.model)
        metadata = read_file(path)
        check_model(self.model, metadata, has_template=self.chat_template is not None)
        self._config = EngineConfig(
            path=path,
            n_ctx=self._slot_context(trained_context(metadata)),
            slots=self.slots,
            threads=self.threads,
            lora=str(Path(self.lora).expanduser().resolve()) if self.lora else None,
            chat_template=read_template(self.chat_template),
            log=self.log,
        )
        return self

    def _slot_context(self, trained: int | None) -> int:
        """Return the context of a slot; the default is limited to what the model was trained with."""
        if trained is None or self.n_ctx <= trained:
            return self.n_ctx
        if "n_ctx" not in self.model_fields_set:
            return trained
        raise ValueError(
            f"n_ctx={self.n_ctx} is more than the {trained} tokens that '{self.model}' was trained with"
        )

    @property
    def model_name(self) -> str:
        """File of the model, and of its adapter if it has one."""
        if self.lora:
            return f"{self.model}?lora={self.lora}"
        return self.model

    @property
    def is_priced(self) -> bool:
        """Whether the price of a reply is known; local replies are free."""
        return True

    @property
    def context_size(self) -> int:
        """Context of a slot in tokens."""
        return self._config.n_ctx

    @property
    def engine(self) -> Engine:
        """The model in memory; loaded by the first request."""
        return get_engine(self._config)

    @property
    def _llm_type(self) -> str:
        return "llama.cpp"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model": self.model_name,
            "lora_scale": self.lora_scale,
            "n_ctx": self.n_ctx,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "seed": self.seed,
        }

    def _get_ls_params(self, stop: list[str] | None = None, **options: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **options)
        params["ls_provider"] = "llama_cpp"
        params["ls_model_name"] = options.get("model", self.model_name)
        return params

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        job = self._job(messages, stop, options)
        future = self.engine.submit(job)
        try:
            return self._result(future.result())
        finally:
            job.cancel()  # if the caller was interrupted

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        job = self._job(messages, stop, options)
        future = self.engine.submit(job)
        try:
            return self._result(await asyncio.wrap_future(future))
        finally:
            job.cancel()  # if the task was cancelled

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        queue: SimpleQueue[Delta | None] = SimpleQueue()
        job = self._job(messages, stop, {**options, "n": 1}, queue.put)
        future = self.engine.submit(job)
        future.add_done_callback(lambda _: queue.put(None))
        try:
            while (delta := queue.get()) is not None:
                yield _delta_chunk(delta)
            yield self._last_chunk(future.result())
        finally:
            job.cancel()  # if the caller stopped reading

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        queue: asyncio.Queue[Delta | None] = asyncio.Queue()
        put = _threadsafe(asyncio.get_running_loop(), queue.put_nowait)
        job = self._job(messages, stop, {**options, "n": 1}, put)
        future: Future[ReplyAccumulator] = self.engine.submit(job)
        future.add_done_callback(lambda _: put(None))
        try:
            while (delta := await queue.get()) is not None:
                yield _delta_chunk(delta)
            yield self._last_chunk(future.result())
        finally:
            job.cancel()  # if the caller stopped reading

    def _job(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        options: dict[str, Any],
        on_delta: Callable[[Delta], None] | None = None,
    ) -> Job:
        """Prepare the requests for a call; options of the call override the model's."""
        defaults = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "seed": self.seed,
            "lora_scale": self.lora_scale,
        }
        call_options = {name: value for name, value in options.items() if value is not None}
        requests = build_requests(
            messages,
            {**defaults, "stop": stop or self.stop, **call_options},
            slots=self.slots,
            has_lora=self.lora is not None,
        )
        return Job(requests, on_delta)

    def _result(self, replies: ReplyAccumulator) -> ChatResult:
        self._require_complete(replies)
        generations = []
        for choice in replies.choices:
            message = AIMessage(
                choice.text,
                additional_kwargs=_reasoning(choice.reasoning),
                response_metadata=self._metadata(choice),
            )
            generations.append(ChatGeneration(message=message))
        first = generations[0].message
        if isinstance(first, AIMessage):
            first.usage_metadata = replies.usage()
        return ChatResult(generations=generations)

    def _last_chunk(self, replies: ReplyAccumulator) -> ChatGenerationChunk:
        self._require_complete(replies)
        [choice] = replies.choices
        message = AIMessageChunk(content="", usage_metadata=replies.usage(), chunk_position="last")
        return ChatGenerationChunk(message=message, generation_info=self._metadata(choice))

    def _require_complete(self, replies: ReplyAccumulator) -> None:
        if not replies.is_complete:
            raise ModelReplyError(
                f"{self.model_name} broke off in the middle of its reply",
                "truncated",
                usage=replies.usage(),
                cost_usd=0.0,
            )

    def _metadata(self, choice: Choice) -> dict[str, Any]:
        return {
            "model_name": self.model_name,
            "finish_reason": choice.finish_reason,
            "logprobs": {"content": choice.logprobs} if choice.logprobs else None,
            "cost_usd": 0.0,
        }


def _reasoning(text: str) -> dict[str, Any]:
    if not text:
        return {}
    return {"reasoning_content": text}


def _delta_chunk(delta: Delta) -> ChatGenerationChunk:
    message = AIMessageChunk(content=delta.text, additional_kwargs=_reasoning(delta.reasoning))
    return ChatGenerationChunk(message=message)


def _threadsafe(
    loop: asyncio.AbstractEventLoop, function: Callable[[Delta | None], None]
) -> Callable[[Delta | None], None]:
    """Return a function that calls another one in the event loop, unless it is closed."""

    def call(value: Delta | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(function, value)

    return call
