"""Chat model for any litellm model, such as openai/gpt-4o-mini.

One call sends at most one request unless `max_retries` is set; redirects are not followed. Some failures that litellm
returns as replies are raised as errors: no choices, no content, a refusal, an incomplete stream. litellm reads API keys
from the environment.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, ClassVar, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import (
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from tenacity import AsyncRetrying, Retrying

from selfcritic.agent.models.credentials import masked_fields, model_secrets
from selfcritic.agent.models.deadline import Deadline
from selfcritic.agent.models.errors import strip_url
from selfcritic.agent.models.litellm_errors import translate_errors
from selfcritic.agent.models.litellm_library import (
    context_size,
    import_litellm,
    import_provider_async,
    is_priced,
    known_cost,
    known_token_cost,
    supports_prefill,
)
from selfcritic.agent.models.litellm_replies import StreamAccumulator
from selfcritic.agent.models.litellm_requests import build_arguments
from selfcritic.agent.models.litellm_results import build_final_chunk, build_result
from selfcritic.agent.models.retries import retry_options
from selfcritic.agent.models.structured_output import (
    METHODS,
    StructuredOutputMethod,
    convert_tool_choice,
    output_parser,
    response_format,
    with_parser,
)
from selfcritic.agent.redaction import address_secrets

_STREAM_OPTIONS = {"n": None, "stream": True, "stream_options": {"include_usage": True}}
"""Options of a streamed request; a stream carries a single reply, so `n` is not sent."""


def _to_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class LiteLLMModel(BaseChatModel):
    """A chat model that litellm calls; `model` is PROVIDER/MODEL."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    limits_whole_requests: ClassVar[bool] = True

    model: str = Field(validation_alias=AliasChoices("model", "model_name"))
    api_base: str | None = Field(
        default=None, validation_alias=AliasChoices("api_base", "base_url")
    )
    api_key: SecretStr | None = None
    """If None, litellm reads the provider's environment variable; a private server needs no key."""
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float = Field(
        default=60.0, gt=0, validation_alias=AliasChoices("timeout", "request_timeout")
    )
    """Seconds for a whole reply, streamed or not; the time between requests for its chunks does not count."""
    stop: Annotated[list[str] | None, BeforeValidator(_to_list)] = Field(
        default=None, validation_alias=AliasChoices("stop", "stop_sequences")
    )
    max_retries: int = Field(default=0, ge=0)
    """Retries of a failed request; the loop sets 0 and retries itself."""
    reasoning_effort: str | None = None
    """How long a reasoning model thinks: none, minimal, low, medium or high."""
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """More arguments of `litellm.completion`, such as `top_p` or `extra_body`."""
    extra_headers: dict[str, SecretStr] = Field(
        default_factory=dict, validation_alias=AliasChoices("extra_headers", "default_headers")
    )
    """HTTP headers of every request."""
    streaming: bool = False
    """Whether `invoke` uses a streamed request."""
    input_cost_per_token: float | None = Field(default=None, ge=0)
    """US dollars; set both costs for a model whose price litellm does not know."""
    output_cost_per_token: float | None = Field(default=None, ge=0)
    """US dollars."""
    prefill: bool | None = None
    """Whether the model continues a prefilled reply; if None, litellm's model table decides."""

    @field_validator("model_kwargs")
    @classmethod
    def _reject_fields(cls, value: dict[str, Any]) -> dict[str, Any]:
        reserved = {*cls.model_fields, "messages", "stream", "base_url"} - {"model_kwargs"}
        names = sorted(reserved & value.keys())
        if names:
            raise ValueError(f"set {', '.join(names)} outside of model_kwargs")
        return value

    @model_validator(mode="after")
    def _require_both_costs(self) -> Self:
        has_input_cost = self.input_cost_per_token is not None
        has_output_cost = self.output_cost_per_token is not None
        if has_input_cost != has_output_cost:
            raise ValueError("set both input_cost_per_token and output_cost_per_token, or neither")
        return self

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield the fields without credentials, for `repr`."""
        return masked_fields(super().__repr_args__(), model_secrets(self))

    @property
    def is_priced(self) -> bool:
        """Whether the cost of a reply is known; may import litellm."""
        return self.input_cost_per_token is not None or is_priced(self.model)

    @property
    def context_size(self) -> int | None:
        """Context in tokens, None if litellm does not know it; may import litellm."""
        return context_size(self.model)

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
            "api_base": strip_url(self.api_base) if self.api_base else None,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "stop": self.stop,
            "reasoning_effort": self.reasoning_effort,
            **self.model_kwargs,
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        provider, slash, name = str(kwargs.get("model") or self.model).partition("/")
        if slash:
            params["ls_provider"] = provider
        params["ls_model_name"] = name or provider
        return params

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | Mapping[str, Any] | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools; `tool_choice` is a tool's name, "any", "auto", "none" or OpenAI's form."""
        converted = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        names = [tool["function"]["name"] for tool in converted if "function" in tool]
        choice = convert_tool_choice(tool_choice, names)
        if choice is not None:
            kwargs["tool_choice"] = choice
        return super().bind(tools=converted, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: StructuredOutputMethod = "json_schema",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | Any]:
        """Return a model that replies with objects of the schema.

        Args:
            schema: Pydantic class, TypedDict, or JSON schema with a title.
            include_raw: Return {"raw", "parsed", "parsing_error"} instead of raising parsing errors.
            method: "json_schema", "function_calling", or "json_mode", which needs the schema in the prompt.
            strict: Whether the provider enforces the schema exactly.
            **kwargs: More arguments of each request.
        """
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, not '{method}'.")
        label = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
        if method == "function_calling":
            bound = self.bind_tools(
                [schema],
                tool_choice="any",
                strict=strict,
                ls_structured_output_format=label,
                **kwargs,
            )
        else:
            bound = super().bind(
                response_format=response_format(schema, method, strict),
                ls_structured_output_format=label,
                **kwargs,
            )
        return with_parser(bound, output_parser(schema, method), include_raw=include_raw)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        return build_result(self._complete(messages, stop, options), self.model, self._price)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        response = await self._acomplete(messages, stop, options)
        return build_result(response, self.model, self._price)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        accumulator = StreamAccumulator()
        stream = self._complete(messages, stop, options | _STREAM_OPTIONS)
        chunks = iter(stream)
        while True:
            with self._request_context():  # some providers send the request at the first chunk
                chunk = next(chunks, None)
            if chunk is None:
                break
            message = accumulator.add(chunk)
            if message is not None:
                yield ChatGenerationChunk(message=message)
        yield build_final_chunk(accumulator, stream, self.model, self._price)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        accumulator = StreamAccumulator()
        deadline = Deadline(self.timeout)
        stream = await self._acomplete(messages, stop, options | _STREAM_OPTIONS, deadline)
        chunks = aiter(stream)
        while True:
            with self._request_context():
                async with deadline:
                    chunk = await anext(chunks, None)
            if chunk is None:
                break
            message = accumulator.add(chunk)
            if message is not None:
                yield ChatGenerationChunk(message=message)
        yield build_final_chunk(accumulator, stream, self.model, self._price)

    def _complete(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> Any:
        """Return litellm's response or stream."""
        litellm = import_litellm()
        arguments = self._arguments(messages, stop, options)
        for attempt in Retrying(**retry_options(self.max_retries)):
            with attempt, self._request_context():
                return litellm.completion(**arguments)
        raise AssertionError("attempts end with a reply or an error")

    async def _acomplete(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        options: dict[str, Any],
        deadline: Deadline | None = None,
    ) -> Any:
        """Return litellm's response or stream; each attempt has its own deadline by default."""
        litellm = await import_provider_async(self.model)
        arguments = self._arguments(messages, stop, options)

        async def send() -> Any:
            with self._request_context():
                async with deadline or Deadline(self.timeout):
                    return await litellm.acompletion(**arguments)

        if self.max_retries == 0:
            return await send()
        return await AsyncRetrying(**retry_options(self.max_retries))(send)

    def _arguments(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> dict[str, Any]:
        """Build the arguments of `litellm.completion`."""
        fields: dict[str, Any] = {
            **self.model_kwargs,
            "model": self.model,
            "api_base": self.api_base,
            "api_key": self.api_key.get_secret_value() if self.api_key else None,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "timeout": self.timeout,
            "stop": stop or self.stop,
            "reasoning_effort": self.reasoning_effort,
            "extra_headers": {
                name: value.get_secret_value() for name, value in self.extra_headers.items()
            },
        }
        return build_arguments(fields, messages, options)

    def _request_context(self) -> AbstractContextManager[None]:
        """Translate litellm's errors and refuse redirects."""
        secrets = [value.get_secret_value() for value in self.extra_headers.values()]
        if self.api_key:
            secrets.append(self.api_key.get_secret_value())
        if self.api_base:
            secrets += address_secrets(self.api_base)
        return translate_errors(self.api_base, tuple(secrets), self.timeout)

    def price_tokens(self, input_tokens: int, output_tokens: int) -> float | None:
        """Return the cost of tokens in US dollars, None if unknown."""
        if self.input_cost_per_token is not None and self.output_cost_per_token is not None:
            input_cost = input_tokens * self.input_cost_per_token
            return input_cost + output_tokens * self.output_cost_per_token
        return known_token_cost(self.model, input_tokens, output_tokens)

    def _price(self, usage: Any) -> float | None:
        """Return the cost of a reply in US dollars, None if unknown."""
        if usage is None:
            return None
        if self.input_cost_per_token is not None:
            return self.price_tokens(int(usage.prompt_tokens), int(usage.completion_tokens))
        return known_cost(self.model, usage)
