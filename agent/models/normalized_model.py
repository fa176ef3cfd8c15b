"""Wrap any chat model for the loop: one form of replies, errors without credentials, bounded time."""

import functools
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import InstanceOf, PrivateAttr

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models.credentials import mask_secrets, masked_fields, model_secrets
from selfcritic.agent.models.deadline import Deadline, request_timeout
from selfcritic.agent.models.errors import ModelCallError, ModelReplyError
from selfcritic.agent.models.exchange import Exchange, watch_exchange
from selfcritic.agent.models.failures import convert_failure
from selfcritic.agent.models.lenient_replies import is_other_api, read_completion
from selfcritic.agent.models.normalize import (
    REASONING,
    closing_only_models,
    has_lone_closing_tag,
    normalize_reply,
)
from selfcritic.agent.models.surrogates import replace_surrogates
from selfcritic.agent.models.thinking import ThinkingFilter
from selfcritic.agent.redaction import remember_secrets

_MAX_WRAPPED = 64
_wrapped: dict[int, "NormalizedModel"] = {}
"""Wrapper by the identity of its model, which the wrapper keeps alive."""


class NormalizedModel(BaseChatModel):
    """A chat model for the loop.

    Its replies and streamed tokens have no thinking. Tracers see no credentials of the model, and the errors that this
    package makes of the client's.
    """

    inner: InstanceOf[BaseChatModel]
    key: object = None
    """Identifies the model among those of this process; None if unknown."""
    holds_first_reply: bool = False
    """Whether to stream the model's first reply as one piece, to see if it has a lone closing tag."""
    seconds: float | None = None
    """Limit of a whole request."""

    _secrets: tuple[str, ...] = PrivateAttr(default=())
    _has_secret_parameters: bool = PrivateAttr(default=False)

    @classmethod
    def wrap(cls, model: BaseChatModel, key: object = None) -> "NormalizedModel":
        """Wrap a model once; callbacks, cache, limits and tracing stay those of the model."""
        wrapped = _wrapped.get(id(model))
        if wrapped is None:
            wrapped = cls._create(model, key)
            while len(_wrapped) >= _MAX_WRAPPED:
                _wrapped.pop(next(iter(_wrapped)), None)
            _wrapped[id(model)] = wrapped
        wrapped._copy_settings()
        return wrapped

    @classmethod
    def _create(cls, model: BaseChatModel, key: object) -> Self:
        wrapped = cls(
            inner=model,
            key=key,
            holds_first_reply=_is_self_hosted(model),
            seconds=request_timeout(model),
            name=model.name or model.get_name(),
            disable_streaming=_disables_streaming(model),
        )
        wrapped._secrets = model_secrets(model)
        remember_secrets(wrapped._secrets)
        parameters = model._get_invocation_params()
        wrapped._has_secret_parameters = mask_secrets(parameters, wrapped._secrets) != parameters
        return wrapped

    def _copy_settings(self) -> None:
        """Take over the settings of the model that its user may change at any time."""
        for name in ("cache", "rate_limiter", "callbacks", "tags", "metadata", "verbose"):
            self.__dict__[name] = getattr(self.inner, name)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield the fields without credentials, for `repr`."""
        return masked_fields(super().__repr_args__(), self._secrets)

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return self.inner._identifying_params

    @functools.cached_property
    def _serialized(self) -> dict[str, Any]:
        masked: dict[str, Any] = mask_secrets(self.inner._serialized, self._secrets)
        return masked

    def _get_ls_params(self, stop: list[str] | None = None, **options: Any) -> Any:
        return self.inner._get_ls_params(stop=stop, **options)

    def _get_invocation_params(self, stop: list[str] | None = None, **options: Any) -> Any:
        parameters = self.inner._get_invocation_params(stop=stop, **options)
        if self._has_secret_parameters:
            return mask_secrets(parameters, self._secrets)
        return parameters

    def _get_llm_string(self, stop: list[str] | None = None, **options: Any) -> str:
        return self.inner._get_llm_string(stop=stop, **options)

    def _combine_llm_outputs(self, llm_outputs: list[Any]) -> dict[str, Any]:
        return self.inner._combine_llm_outputs(llm_outputs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        failure = None
        with watch_exchange(self.seconds) as exchange:
            try:
                result = self.inner._generate(
                    messages, stop=stop, run_manager=run_manager, **options
                )
            except Exception as error:  # noqa: BLE001 - clients can raise anything
                failure = error
        if failure is not None:
            result = self._recover(failure, exchange)
        return self._normalize_result(result)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        failure = None
        with watch_exchange() as exchange:
            try:
                async with Deadline(self.seconds):
                    result = await self.inner._agenerate(
                        messages, stop=stop, run_manager=run_manager, **options
                    )
            except Exception as error:  # noqa: BLE001 - clients can raise anything
                failure = error
        if failure is not None:
            result = self._recover(failure, exchange)
        return self._normalize_result(result)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        holds_all = closing_only_models.get(self.key, self.holds_first_reply)
        thinking_filter = ThinkingFilter(holds_all=holds_all)
        received = ""
        has_reasoning = False
        async for chunk in self._astream_inner(messages, stop=stop, **options):
            content = chunk.message.content
            if not isinstance(content, str):
                yield chunk  # content blocks keep thinking apart
                continue
            received += content
            text = replace_surrogates(thinking_filter.feed(content))
            if getattr(chunk.message, "chunk_position", None) == "last":
                text += thinking_filter.flush()
            is_new = bool(thinking_filter.thinking) and not has_reasoning
            has_reasoning = has_reasoning or is_new
            yield _with_content(chunk, text, thinking_filter.thinking if is_new else "")
        self._learn(received)
        rest = thinking_filter.flush()
        if rest or (thinking_filter.thinking and not has_reasoning):
            empty = ChatGenerationChunk(message=AIMessageChunk(content=""))
            yield _with_content(empty, rest, thinking_filter.thinking)

    async def _astream_inner(
        self, messages: list[BaseMessage], **options: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Stream the model's chunks; only the time in which it is waited for counts."""
        deadline = Deadline(self.seconds)
        chunks = aiter(self.inner._astream(messages, **options))
        exchange = Exchange()
        failure = None
        while failure is None:
            with watch_exchange(exchange=exchange):
                try:
                    async with deadline:
                        chunk = await anext(chunks, None)
                except Exception as error:  # noqa: BLE001 - clients can raise anything
                    failure = error
                    break
            if chunk is None:
                return
            yield chunk
        raise convert_failure(failure, exchange, self._secrets)

    def _recover(self, error: Exception, exchange: Exchange) -> ChatResult:
        """Return the reply that the client could not read, or raise its error.

        Call it outside of `except`: tracers show the context of an error, which may contain a key.
        """
        is_final = isinstance(error, SelfcriticError) and not isinstance(error, ModelCallError)
        is_unreadable = isinstance(error, ModelReplyError) and error.kind == "malformed"
        body = exchange.json()
        if body is None or is_other_api(body) or (is_final and not is_unreadable):
            raise convert_failure(error, exchange, self._secrets)
        return read_completion(body)

    def _normalize_result(self, result: ChatResult) -> ChatResult:
        for generation in result.generations:
            message = generation.message
            if isinstance(message, AIMessage):
                self._learn(message.text)
                generation.message = normalize_reply(message)
        return result

    def _learn(self, text: str) -> None:
        """Remember whether the model's replies have a lone closing tag."""
        if self.key is None or not text or closing_only_models.get(self.key):
            return
        closing_only_models[self.key] = has_lone_closing_tag(text)


def _with_content(chunk: ChatGenerationChunk, text: str, thinking: str) -> ChatGenerationChunk:
    if text == chunk.message.content and not thinking:
        return chunk
    changes: dict[str, Any] = {"content": text}
    if thinking:
        changes["additional_kwargs"] = {**chunk.message.additional_kwargs, REASONING: thinking}
    message = chunk.message.model_copy(update=changes)
    return ChatGenerationChunk(message=message, generation_info=chunk.generation_info)


def _is_self_hosted(model: BaseChatModel) -> bool:
    """Whether the model is served at an address that the user has set."""
    names = ("api_base", "openai_api_base", "base_url", "endpoint_url")
    return any(getattr(model, name, None) for name in names)


def _disables_streaming(model: BaseChatModel) -> Any:
    implements_streaming = (
        type(model)._stream is not BaseChatModel._stream
        or type(model)._astream is not BaseChatModel._astream
    )
    is_off = "streaming" in model.model_fields_set and getattr(model, "streaming", None) is False
    if is_off or not implements_streaming:
        return True
    return model.disable_streaming
