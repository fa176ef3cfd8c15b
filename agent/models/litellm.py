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
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, SecretStr, model_validator

from selfcritic.agent.models.errors import (
    ModelCallError,
    ModelReplyError,
    ReplyErrorKind,
    classify_error,
    headers_of,
    rate_limit_headers,
    redact,
    status_of,
    words,
)
from selfcritic.agent.models.litellm_replies import Streamed, fault_of, logprobs_of, usage_of


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
    prefill: bool | None = None
    """Whether a reply that was begun for it is continued; None leaves it to what litellm knows of the model."""
    disable_streaming: bool | Literal["tool_calling"] = "tool_calling"

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
    def supports_prefill(self) -> bool:
        """Whether a reply that was begun for it is continued; may import litellm."""
        return self.prefill if self.prefill is not None else continues(self.model)

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
        litellm, streamed = _litellm(), Streamed()
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
        litellm, streamed = await _litellm_without_blocking(), Streamed()
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
        fixed: dict[str, Any] = {"model": self.model, "messages": convert_to_openai_messages(messages)}
        if messages and isinstance(messages[-1], AIMessage):
            fixed |= self._begun(fixed["messages"])
        return {**given, **fixed, "max_retries": 0, "drop_params": False}

    def _begun(self, messages: Any) -> dict[str, Any]:
        """What tells the provider to continue the last message: litellm's mark, or vLLM's options of OpenAI's API."""
        if self.model.partition("/")[0] in _LIKE_OPENAI:
            return {"extra_body": {"continue_final_message": True, "add_generation_prompt": False}}
        return {"messages": [*messages[:-1], {**messages[-1], "prefix": True}]}

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        """Turn the client's errors into ours, which carry no key though a provider may echo it."""
        try:
            yield
        except importlib.import_module("openai").OpenAIError as error:  # the base of all errors of litellm
            key = self.api_key.get_secret_value() if self.api_key else ""
            failure = ModelCallError(
                words(error, key),
                cast(Any, classify_error(error)),
                status_code=status_of(error),
                headers=headers_of(error),
                provider=getattr(error, "llm_provider", None),
                address=redact(self.api_base, key) if self.api_base else None,
            )
            try:
                raise failure from None
            finally:
                failure.__context__ = None  # `from None` only hides it

    def _result(self, response: Any) -> ChatResult:
        """One generation for each choice that is of use; where none is, an error."""
        usage = getattr(response, "usage", None)
        faults = [fault_of(choice) for choice in response.choices]
        sound = [choice for choice, fault in zip(response.choices, faults, strict=True) if fault is None]
        if not sound:
            raise self._unusable(*next((fault for fault in faults if fault), ("no_choices", "")), usage)
        generations = [self._generation(choice, response.model) for choice in sound]
        first = cast(AIMessage, generations[0].message)
        first.usage_metadata = usage_of(usage)
        first.response_metadata["cost_usd"] = self._cost(usage)
        hidden = getattr(response, "_hidden_params", None) or {}
        if limits := rate_limit_headers(hidden.get("additional_headers") or {}):
            first.response_metadata["headers"] = limits
        return ChatResult(generations=generations)

    def _generation(self, choice: Any, model: str) -> ChatGeneration:
        [message] = convert_to_messages([choice.message.model_dump(include={"role", "content", "tool_calls"})])
        logprobs = getattr(choice, "logprobs", None)
        message.response_metadata = {
            "model_name": model,
            "finish_reason": choice.finish_reason,
            "logprobs": {"content": logprobs_of(logprobs.content)} if logprobs else None,
        }
        return ChatGeneration(message=message)

    def _last(self, streamed: Streamed, stream: Any) -> ChatGenerationChunk:
        """The chunk that ends a stream; raises where the stream was no whole and usable reply."""
        # litellm makes up the finish_reason and the usage of a stream that broke off; its wrapper knows the truth.
        finish_reason = stream.received_finish_reason or stream.intermittent_finish_reason
        has_usage = any(getattr(chunk, "usage", None) for chunk in stream.chunks)
        if fault := streamed.fault(finish_reason, has_usage):
            raise self._unusable(*fault, streamed.usage if has_usage else None)
        return ChatGenerationChunk(
            message=AIMessageChunk(content="", usage_metadata=usage_of(streamed.usage), chunk_position="last"),
            generation_info={
                "model_name": streamed.model,
                "finish_reason": finish_reason,
                "logprobs": {"content": streamed.logprobs} if streamed.logprobs else None,
                "cost_usd": self._cost(streamed.usage),
            },
        )

    def _unusable(self, kind: ReplyErrorKind, said: str, usage: Any) -> ModelReplyError:
        text = f"{self.model} {_COMPLAINTS[kind]}{': ' + said if said else ''}"
        return ModelReplyError(text, kind, usage=usage_of(usage), cost_usd=self._cost(usage))

    def _cost(self, usage: Any) -> float | None:
        if usage is None:
            return None
        if self.input_cost_per_token is not None and self.output_cost_per_token is not None:
            taken, given = int(usage.prompt_tokens), int(usage.completion_tokens)
            return taken * self.input_cost_per_token + given * self.output_cost_per_token
        if not is_priced(self.model):
            return None
        return float(sum(_litellm().cost_per_token(model=self.model, usage_object=usage)))


@functools.cache
def is_priced(model: str) -> bool:
    """Whether litellm knows the price of a model."""
    # Its get_model_info asks servers about some models, and takes a missing price for zero.
    litellm = _litellm()
    known = litellm.model_cost
    provider, _, name = model.partition("/")
    entry = known.get(model) or known.get(name, {})
    is_theirs = model in known or str(entry.get("litellm_provider")).startswith(provider)  # "vertex_ai-text-models"
    if not is_theirs or not {"input_cost_per_token", "output_cost_per_token"} <= entry.keys():
        return False
    try:
        litellm.cost_per_token(model=model, prompt_tokens=1, completion_tokens=1)
    except (litellm.BadRequestError, litellm.exceptions.ModelNotMappedError):
        return False
    return True


@functools.cache
def continues(model: str) -> bool:
    """Whether litellm knows that a model continues a reply that was begun for it."""
    known = _litellm().model_cost
    entry = known.get(model) or known.get(model.partition("/")[2], {})
    return bool(entry.get("supports_assistant_prefill"))


_LIKE_OPENAI = ("openai", "hosted_vllm", "custom_openai")
_STREAM = {"n": None, "stream": True, "stream_options": {"include_usage": True}}
"""What makes a request a stream, which carries a single reply."""
_COMPLAINTS: dict[ReplyErrorKind, str] = {
    "truncated": "broke off in the middle of its reply",
    "no_choices": "sent a reply without any choice",
    "null": "sent a reply without content",
    "refusal": "refused to answer",
}


@functools.cache
def _litellm() -> Any:
    # Else the import asks the network for prices, and every error prints a banner.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = importlib.import_module("litellm")
    litellm.suppress_debug_info = True  # type: ignore[attr-defined]
    return litellm


async def _litellm_without_blocking() -> Any:
    return _litellm() if _litellm.cache_info().currsize else await asyncio.to_thread(_litellm)
