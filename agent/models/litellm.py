"""Chat model for any litellm model, such as openai/gpt-4o-mini.

One call sends at most one request; it never retries. Some failures that litellm returns as replies are raised as
errors: no choices, no content, a refusal, an incomplete stream. litellm reads API keys from the environment.
"""

import importlib
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
    RequestErrorKind,
    classify_error,
    error_message,
    redact,
)
from selfcritic.agent.models.headers import headers_of, rate_limit_headers, status_of
from selfcritic.agent.models.litellm_library import (
    import_litellm,
    import_litellm_async,
    is_priced,
    supports_prefill,
)
from selfcritic.agent.models.litellm_replies import (
    ReplyError,
    StreamAccumulator,
    convert_logprobs,
    convert_usage,
    reply_error,
)

_OPENAI_COMPATIBLE = ("openai", "hosted_vllm", "custom_openai")
_STREAM_OPTIONS = {"n": None, "stream": True, "stream_options": {"include_usage": True}}
"""Options of a streamed request; a stream carries a single reply, so `n` is not sent."""
_REPLY_ERRORS: dict[ReplyErrorKind, str] = {
    "truncated": "broke off in the middle of its reply",
    "no_choices": "sent a reply without any choice",
    "null": "sent a reply without content",
    "refusal": "refused to answer",
}


class LiteLLMModel(BaseChatModel):
    """A chat model that litellm calls; `model` is PROVIDER/MODEL."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    model: str
    api_base: str | None = None
    api_key: SecretStr | None = None
    """If None, litellm reads the provider's environment variable."""
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float = Field(default=60.0, gt=0)
    """Seconds for a reply; in a stream, seconds between two chunks."""
    input_cost_per_token: float | None = Field(default=None, ge=0)
    """US dollars; set both costs for a model whose price litellm does not know."""
    output_cost_per_token: float | None = Field(default=None, ge=0)
    """US dollars."""
    prefill: bool | None = None
    """Whether the model continues a prefilled reply; if None, litellm's model table decides."""
    disable_streaming: bool | Literal["tool_calling"] = "tool_calling"

    @model_validator(mode="after")
    def _require_both_costs(self) -> Self:
        has_input_cost = self.input_cost_per_token is not None
        has_output_cost = self.output_cost_per_token is not None
        if has_input_cost != has_output_cost:
            raise ValueError("set both input_cost_per_token and output_cost_per_token, or neither")
        return self

    @property
    def is_priced(self) -> bool:
        """Whether the cost of a reply is known; may import litellm."""
        return self.input_cost_per_token is not None or is_priced(self.model)

    @property
    def supports_prefill(self) -> bool:
        """Whether the model continues a prefilled reply; may import litellm."""
        if self.prefill is not None:
            return self.prefill
        return supports_prefill(self.model)

    @property
    def _llm_type(self) -> str:
        return "litellm"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "api_base": self.api_base,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        litellm = import_litellm()
        with self._translate_errors():
            response = litellm.completion(**self._request(messages, stop, options))
        return self._result(response)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        litellm = await import_litellm_async()
        with self._translate_errors():
            response = await litellm.acompletion(**self._request(messages, stop, options))
        return self._result(response)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        litellm = import_litellm()
        accumulator = StreamAccumulator()
        with self._translate_errors():
            stream = litellm.completion(**self._request(messages, stop, options | _STREAM_OPTIONS))
            for chunk in stream:
                text = accumulator.add(chunk)
                if text:
                    yield ChatGenerationChunk(message=AIMessageChunk(content=text))
        yield self._final_chunk(accumulator, stream)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        litellm = await import_litellm_async()
        accumulator = StreamAccumulator()
        with self._translate_errors():
            stream = await litellm.acompletion(
                **self._request(messages, stop, options | _STREAM_OPTIONS)
            )
            async for chunk in stream:
                text = accumulator.add(chunk)
                if text:
                    yield ChatGenerationChunk(message=AIMessageChunk(content=text))
        yield self._final_chunk(accumulator, stream)

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> dict[str, Any]:
        """Build the arguments of `litellm.completion`."""
        fields: dict[str, Any] = {
            "api_base": self.api_base,
            "api_key": self.api_key.get_secret_value() if self.api_key else None,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "timeout": self.timeout,
            "stop": stop,
        }
        fields.update(options)
        arguments = {name: value for name, value in fields.items() if value is not None}
        if not arguments.get("stream"):
            arguments.pop("stream", None)
        arguments["model"] = self.model
        arguments["messages"] = convert_to_openai_messages(messages)
        if messages and isinstance(messages[-1], AIMessage):
            arguments.update(self._prefill_params(arguments["messages"]))
        arguments["max_retries"] = 0  # litellm's client would send a failed request three times
        arguments["drop_params"] = False
        return arguments

    def _prefill_params(self, messages: Any) -> dict[str, Any]:
        """Return the arguments that make the provider continue the last message.

        OpenAI-compatible servers take vLLM's options, other providers litellm's `prefix` key.
        """
        provider = self.model.partition("/")[0]
        if provider in _OPENAI_COMPATIBLE:
            return {"extra_body": {"continue_final_message": True, "add_generation_prompt": False}}
        prefilled = {**messages[-1], "prefix": True}
        return {"messages": [*messages[:-1], prefilled]}

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Raise litellm's errors as ModelCallError, without a key that a provider may echo."""
        try:
            yield
        # The base class of litellm's errors.
        except importlib.import_module("openai").OpenAIError as error:
            key = self.api_key.get_secret_value() if self.api_key else ""
            failure = ModelCallError(
                error_message(error, key),
                cast(RequestErrorKind, classify_error(error)),
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
        """Return a generation for each usable choice.

        Raises:
            ModelReplyError: no choice is usable.
        """
        usage = getattr(response, "usage", None)
        generations: list[ChatGeneration] = []
        errors: list[ReplyError] = []
        for choice in response.choices:
            error = reply_error(choice)
            if error is None:
                generations.append(self._generation(choice, response.model))
            else:
                errors.append(error)
        if not generations:
            errors.append(ReplyError("no_choices", ""))
            raise self._reply_exception(errors[0], usage)
        first = cast(AIMessage, generations[0].message)
        first.usage_metadata = convert_usage(usage)
        first.response_metadata["cost_usd"] = self._cost(usage)
        hidden_params = getattr(response, "_hidden_params", None) or {}
        limits = rate_limit_headers(hidden_params.get("additional_headers") or {})
        if limits:
            first.response_metadata["headers"] = limits
        return ChatResult(generations=generations)

    def _generation(self, choice: Any, model: str) -> ChatGeneration:
        fields = choice.message.model_dump(include={"role", "content", "tool_calls"})
        [message] = convert_to_messages([fields])
        logprobs = getattr(choice, "logprobs", None)
        message.response_metadata = {
            "model_name": model,
            "finish_reason": choice.finish_reason,
            "logprobs": {"content": convert_logprobs(logprobs.content)} if logprobs else None,
        }
        return ChatGeneration(message=message)

    def _final_chunk(self, accumulator: StreamAccumulator, stream: Any) -> ChatGenerationChunk:
        """Return the chunk that ends a stream.

        Raises:
            ModelReplyError: the stream is incomplete or unusable.
        """
        # litellm invents the finish reason and usage of an incomplete stream; its wrapper has the real ones.
        finish_reason = stream.received_finish_reason or stream.intermittent_finish_reason
        has_usage = any(getattr(chunk, "usage", None) for chunk in stream.chunks)
        error = accumulator.error(finish_reason, has_usage)
        if error:
            raise self._reply_exception(error, accumulator.usage if has_usage else None)
        usage = convert_usage(accumulator.usage)
        return ChatGenerationChunk(
            message=AIMessageChunk(content="", usage_metadata=usage, chunk_position="last"),
            generation_info={
                "model_name": accumulator.model,
                "finish_reason": finish_reason,
                "logprobs": {"content": accumulator.logprobs} if accumulator.logprobs else None,
                "cost_usd": self._cost(accumulator.usage),
            },
        )

    def _reply_exception(self, error: ReplyError, usage: Any) -> ModelReplyError:
        text = f"{self.model} {_REPLY_ERRORS[error.kind]}"
        if error.details:
            text += f": {error.details}"
        return ModelReplyError(
            text, error.kind, usage=convert_usage(usage), cost_usd=self._cost(usage)
        )

    def _cost(self, usage: Any) -> float | None:
        """Return the cost of a reply in US dollars, None if unknown."""
        if usage is None:
            return None
        if self.input_cost_per_token is not None and self.output_cost_per_token is not None:
            input_cost = int(usage.prompt_tokens) * self.input_cost_per_token
            output_cost = int(usage.completion_tokens) * self.output_cost_per_token
            return input_cost + output_cost
        if not is_priced(self.model):
            return None
        costs = import_litellm().cost_per_token(model=self.model, usage_object=usage)
        return float(sum(costs))
