"""Any model that litellm knows, as a chat model: openai/gpt-4o-mini, anthropic/…, ollama/…, hosted_vllm/….

Thin on purpose: one call here is one request at most, for retries live elsewhere. What litellm passes off as a success
and is none (no choice, no content, a refusal, a stream that broke off) is an error here. litellm is imported at the
first call, since that takes seconds. Keys come from the environment, where litellm looks for them itself.
"""

import asyncio
import functools
import importlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    convert_to_messages,
    convert_to_openai_messages,
)
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, SecretStr, model_validator

from selfcritic.agent.models.failures import (
    ModelCallError,
    ModelReplyError,
    ReplyFault,
    headers_of,
    kind_of,
    status_of,
    words,
)


class LiteLLMModel(BaseChatModel):
    """A chat model behind litellm; `model` is named as litellm does, the provider first."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    model: str
    api_base: str | None = None
    api_key: SecretStr | None = None
    """None leaves it to litellm to find the provider's variable in the environment."""
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float = Field(default=60.0, gt=0)
    """Seconds; of a stream, between one piece and the next."""
    input_cost_per_token: float | None = Field(default=None, ge=0)
    """In US dollars, as the next; for a model whose price litellm does not know."""
    output_cost_per_token: float | None = Field(default=None, ge=0)
    disable_streaming: bool | Literal["tool_calls"] = "tool_calls"

    @model_validator(mode="after")
    def _prices_come_together(self) -> Self:
        if (self.input_cost_per_token is None) != (self.output_cost_per_token is None):
            raise ValueError("input_cost_per_token and output_cost_per_token are given together or not at all")
        return self

    @property
    def is_priced(self) -> bool:
        """Whether what a reply costs is known."""
        return self.input_cost_per_token is not None or is_priced(self.model)

    @property
    def _llm_type(self) -> str:
        return "litellm"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        named = ("model", "api_base", "temperature", "max_tokens")
        return {name: getattr(self, name) for name in named}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        litellm = _litellm()
        with self._told_apart():
            response = litellm.completion(**self._request(messages, stop, options))
        return self._result(response)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        litellm = await _litellm_without_blocking()
        with self._told_apart():
            response = await litellm.acompletion(**self._request(messages, stop, options))
        return self._result(response)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        litellm, streamed = _litellm(), _Streamed()
        with self._told_apart():
            stream = litellm.completion(**self._request(messages, stop, options | _STREAM))
            for chunk in stream:
                if piece := streamed.take(chunk):
                    yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        yield self._last(streamed, stream)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        litellm, streamed = await _litellm_without_blocking(), _Streamed()
        with self._told_apart():
            stream = await litellm.acompletion(**self._request(messages, stop, options | _STREAM))
            async for chunk in stream:
                if piece := streamed.take(chunk):
                    yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        yield self._last(streamed, stream)

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> dict[str, Any]:
        """The arguments of litellm's completion. Without `max_retries` its client would send a request three times."""
        fields = {
            "api_base": self.api_base,
            "api_key": self.api_key and self.api_key.get_secret_value(),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "timeout": self.timeout,
            "stop": stop,
        }
        given = {name: value for name, value in {**fields, **options}.items() if value is not None}
        if not given.get("stream"):
            given.pop("stream", None)
        fixed = {"model": self.model, "messages": convert_to_openai_messages(messages)}
        return {**given, **fixed, "max_retries": 0, "drop_params": False}

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        """Turn the client's errors into ours, which carry no key though a provider may echo it."""
        try:
            yield
        except importlib.import_module("openai").OpenAIError as error:  # the base of all errors of litellm
            key = self.api_key.get_secret_value() if self.api_key else ""
            failure = ModelCallError(
                words(error, key),
                cast(Any, kind_of(error)),
                status_code=status_of(error),
                headers=headers_of(error),
                provider=getattr(error, "llm_provider", None),
                address=self.api_base,
            )
            try:
                raise failure from None
            finally:
                failure.__context__ = None  # `from None` only hides it

    def _result(self, response: Any) -> ChatResult:
        """One generation for each choice that is of use; where none is, an error."""
        usage = getattr(response, "usage", None)
        faults = [_fault_of(choice) for choice in response.choices]
        sound = [choice for choice, fault in zip(response.choices, faults, strict=True) if fault is None]
        if not sound:
            raise self._unusable(*next((fault for fault in faults if fault), ("no_choices", "")), usage)
        generations = [self._generation(choice, response.model) for choice in sound]
        first = cast(AIMessage, generations[0].message)
        first.usage_metadata = _usage(usage)
        first.response_metadata["cost_usd"] = self._cost(usage)
        return ChatResult(generations=generations)

    def _generation(self, choice: Any, model: str) -> ChatGeneration:
        [message] = convert_to_messages([choice.message.model_dump(include={"role", "content", "tool_calls"})])
        logprobs = getattr(choice, "logprobs", None)
        message.response_metadata = {
            "model_name": model,
            "finish_reason": choice.finish_reason,
            "logprobs": {"content": _plain(logprobs.content)} if logprobs else None,
        }
        return ChatGeneration(message=message)

    def _last(self, streamed: "_Streamed", stream: Any) -> ChatGenerationChunk:
        """The chunk that ends a stream; raises where the stream was no whole and usable reply."""
        # litellm makes up the finish_reason and the usage of a stream that broke off; its wrapper knows the truth.
        finish_reason = stream.received_finish_reason or stream.intermittent_finish_reason
        told = any(getattr(chunk, "usage", None) for chunk in stream.chunks)
        if fault := streamed.fault(finish_reason):
            raise self._unusable(*fault, streamed.usage if told else None)
        return ChatGenerationChunk(
            message=AIMessageChunk(content="", usage_metadata=_usage(streamed.usage), chunk_position="last"),
            generation_info={
                "model_name": streamed.model,
                "finish_reason": finish_reason,
                "logprobs": {"content": streamed.logprobs} if streamed.logprobs else None,
                "cost_usd": self._cost(streamed.usage),
            },
        )

    def _unusable(self, kind: ReplyFault, said: str, usage: Any) -> ModelReplyError:
        text = f"{self.model} {_COMPLAINTS[kind]}{': ' + said if said else ''}"
        return ModelReplyError(text, kind, usage=_usage(usage), cost_usd=self._cost(usage))

    def _cost(self, usage: Any) -> float | None:
        if usage is None:
            return None
        if self.input_cost_per_token is not None and self.output_cost_per_token is not None:
            return (
                usage.prompt_tokens * self.input_cost_per_token + usage.completion_tokens * self.output_cost_per_token
            )
        if not is_priced(self.model):
            return None
        return float(sum(_litellm().cost_per_token(model=self.model, usage_object=usage)))


@functools.cache
def is_priced(model: str) -> bool:
    """Whether litellm knows the price of a model."""
    litellm = _litellm()
    try:
        name, provider, *_ = litellm.get_llm_provider(model)
    except litellm.BadRequestError:
        return False
    # get_model_info would ask a server for some models, and takes a missing price for zero.
    entries = [litellm.model_cost.get(f"{provider}/{name}"), litellm.model_cost.get(name)]
    return any(
        {"input_cost_per_token", "output_cost_per_token"} <= entry.keys() and entry.get("litellm_provider") == provider
        for entry in entries
        if entry
    )


_STREAM = {"n": None, "stream": True, "stream_options": {"include_usage": True}}
"""What makes a request a stream, which carries a single reply."""
_COMPLAINTS: dict[ReplyFault, str] = {
    "truncated": "broke off in the middle of its reply",
    "no_choices": "sent a reply without any choice",
    "null": "sent a reply without content",
    "refusal": "refused to answer",
}


class _Streamed:
    """What has come of a stream so far."""

    def __init__(self) -> None:
        self.text = self.refusal = ""
        self.empty = True
        self.logprobs: list[dict[str, Any]] = []
        self.model: str | None = None
        self.usage: Any = None

    def take(self, chunk: Any) -> str:
        """Take in a chunk; the text that it brings."""
        self.model = chunk.model or self.model
        self.usage = getattr(chunk, "usage", None) or self.usage
        if not chunk.choices:
            return ""
        [choice, *_] = chunk.choices
        self.refusal += getattr(choice.delta, "refusal", None) or ""
        if logprobs := getattr(choice, "logprobs", None):
            self.logprobs += _plain(logprobs.content)
        piece = choice.delta.content or ""
        self.text += piece
        return str(piece)

    def fault(self, finish_reason: str | None) -> tuple[ReplyFault, str] | None:
        """What is wrong with the reply, now that the stream has ended."""
        if finish_reason is None:
            return ("truncated", "") if self.text else ("no_choices", "")
        return _fault(self.text or None, self.refusal, finish_reason)


def _fault_of(choice: Any) -> tuple[ReplyFault, str] | None:
    message = choice.message
    if message.tool_calls:
        return None
    refusal = (getattr(message, "provider_specific_fields", None) or {}).get("refusal")
    return _fault(message.content, refusal, choice.finish_reason)


def _fault(content: str | None, refusal: str | None, finish_reason: str) -> tuple[ReplyFault, str] | None:
    if refusal or finish_reason == "content_filter":
        return "refusal", refusal or "the content filter stopped the reply"
    if content is None:
        return "null", "max_tokens were used up" if finish_reason == "length" else ""
    return None


def _usage(told: Any) -> UsageMetadata | None:
    if told is None:
        return None
    usage = UsageMetadata(
        input_tokens=told.prompt_tokens or 0,
        output_tokens=told.completion_tokens or 0,
        total_tokens=told.total_tokens or 0,
    )
    details = getattr(told, "prompt_tokens_details", None)
    if (cached := getattr(details, "cached_tokens", None)) is not None:
        usage["input_token_details"] = InputTokenDetails(cache_read=cached)
    return usage


def _plain(tokens: Any) -> list[dict[str, Any]]:
    """Log-probs as JSON has them."""
    return [
        {
            "token": one.token,
            "logprob": one.logprob,
            "top_logprobs": [{"token": top.token, "logprob": top.logprob} for top in one.top_logprobs or []],
        }
        for one in tokens or []
    ]


@functools.cache
def _litellm() -> Any:
    # Else the import asks the network for prices, and every error prints a banner.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = importlib.import_module("litellm")
    litellm.suppress_debug_info = True  # type: ignore[attr-defined]
    return litellm


async def _litellm_without_blocking() -> Any:
    return _litellm() if _litellm.cache_info().currsize else await asyncio.to_thread(_litellm)
