"""Give the replies of all chat models the same form.

Thinking is removed from the texts, streamed tokens and logprobs of every client. Other functions read whether the model
was thinking, and whether the reply stopped at its length limit.
"""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import InstanceOf

from selfcritic.agent.models.logprobs import Token, read_tokens
from selfcritic.agent.models.surrogates import replace_surrogates, replace_surrogates_in
from selfcritic.agent.models.thinking import ThinkingFilter, strip_thinking

_REASONING = "reasoning_content"
_REASONING_BLOCKS = {"thinking", "redacted_thinking", "reasoning", "reasoning_content"}
_LENGTH_REASON = re.compile(
    r"length|max_?(?:output_?|new_?)?tokens|context_window_exceeded|incomplete", re.IGNORECASE
)
_FINISH_KEYS = ("finish_reason", "stop_reason", "done_reason", "stopReason")
_closing_only: dict[object, bool] = {}
"""By model: whether its replies have a lone closing tag, because the chat template opens the block."""


def normalize_reply(message: AIMessage) -> AIMessage:
    """Return the reply without its thinking; a clean reply is returned unchanged.

    Unpaired surrogates, which UTF-8 cannot encode, are replaced.
    """
    message = replace_surrogates_in(message)
    stripped = strip_thinking(message.text)
    changes: dict[str, Any] = {}
    if stripped.thinking or stripped.text != message.text:
        changes["content"] = stripped.text
        changes["additional_kwargs"] = {
            _REASONING: stripped.thinking,
            **message.additional_kwargs,
        }
        message = message.model_copy(update=changes)
    return message


def is_reasoning(message: AIMessage) -> bool:
    """Whether the model was thinking before this reply."""
    if message.additional_kwargs.get(_REASONING) or strip_thinking(message.text).thinking:
        return True
    usage = message.usage_metadata
    if usage is not None and usage.get("output_token_details", {}).get("reasoning"):
        return True
    if isinstance(message.content, str):
        return False
    return any(
        isinstance(block, dict) and block.get("type") in _REASONING_BLOCKS
        for block in message.content
    )


def is_truncated(message: BaseMessage) -> bool:
    """Whether a reply stopped at its length limit, for any client."""
    metadata = message.response_metadata
    if any(_LENGTH_REASON.search(str(metadata.get(key) or "")) for key in _FINISH_KEYS):
        return True
    details = metadata.get("incomplete_details")  # OpenAI's Responses API
    return isinstance(details, Mapping) and bool(
        _LENGTH_REASON.search(str(details.get("reason") or ""))
    )


def answer_tokens(message: AIMessage) -> list[Token]:
    """Return the tokens with logprobs that belong to the text, not to the thinking.

    Returns [] if the reply has no logprobs, or if they cannot be aligned with the text.
    """
    tokens = read_tokens(message.response_metadata)
    joined = "".join(token.text for token in tokens)
    stripped = strip_thinking(joined)
    answer = message.text.strip()
    if stripped.thinking or stripped.text != joined:
        start = len(joined) - len(stripped.text)
    elif answer and joined.rstrip().endswith(answer):
        start = len(joined.rstrip()) - len(answer)
    elif is_reasoning(message):
        return []
    else:
        start = 0
    return _drop_chars(tokens, start)


def _drop_chars(tokens: list[Token], count: int) -> list[Token]:
    """Return the tokens after the first `count` characters."""
    for index, token in enumerate(tokens):
        if count < len(token.text) or count == 0:
            return tokens[index:]
        count -= len(token.text)
    return []


def forget_all() -> None:
    """Forget what was learned about models, for tests."""
    _closing_only.clear()


class NormalizedModel(BaseChatModel):
    """A chat model whose replies and streamed tokens have no thinking."""

    inner: InstanceOf[BaseChatModel]
    key: object = None
    """Identifies the model among those of this process; None if unknown."""
    holds_first_reply: bool = False
    """Whether to stream the model's first reply as one piece, to see if it has a lone closing tag."""

    @classmethod
    def wrap(cls, model: BaseChatModel, key: object = None) -> "NormalizedModel":
        """Wrap a model; callbacks, cache, limits and tracing stay those of the model."""
        return cls(
            inner=model,
            key=key,
            holds_first_reply=_is_self_hosted(model),
            name=model.name or model.get_name(),
            cache=model.cache,
            rate_limiter=model.rate_limiter,
            callbacks=model.callbacks,
            tags=model.tags,
            metadata=model.metadata,
            verbose=model.verbose,
            disable_streaming=_disables_streaming(model),
        )

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return self.inner._identifying_params

    @property
    def _serialized(self) -> dict[str, Any]:
        return self.inner._serialized

    def _get_ls_params(self, stop: list[str] | None = None, **options: Any) -> Any:
        return self.inner._get_ls_params(stop=stop, **options)

    def _get_invocation_params(self, stop: list[str] | None = None, **options: Any) -> Any:
        return self.inner._get_invocation_params(stop=stop, **options)

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
        result = self.inner._generate(messages, stop=stop, run_manager=run_manager, **options)
        return self._normalize_result(result)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        result = await self.inner._agenerate(
            messages, stop=stop, run_manager=run_manager, **options
        )
        return self._normalize_result(result)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        holds_all = _closing_only.get(self.key, self.holds_first_reply)
        thinking_filter = ThinkingFilter(holds_all=holds_all)
        received = ""
        has_reasoning = False
        async for chunk in self.inner._astream(messages, stop=stop, **options):
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

    def _normalize_result(self, result: ChatResult) -> ChatResult:
        generations = []
        for generation in result.generations:
            message = generation.message
            if isinstance(message, AIMessage):
                self._learn(message.text)
                message = normalize_reply(message)
            info = generation.generation_info
            generations.append(ChatGeneration(message=message, generation_info=info))
        return ChatResult(generations=generations, llm_output=result.llm_output)

    def _learn(self, text: str) -> None:
        """Remember whether the model's replies have a lone closing tag."""
        if self.key is None or not text or _closing_only.get(self.key):
            return
        has_lone_tag = bool(strip_thinking(text).thinking) and not text.lstrip().startswith(
            ("<", "[", "◁")
        )
        _closing_only[self.key] = has_lone_tag


def _with_content(chunk: ChatGenerationChunk, text: str, thinking: str) -> ChatGenerationChunk:
    if text == chunk.message.content and not thinking:
        return chunk
    changes: dict[str, Any] = {"content": text}
    if thinking:
        changes["additional_kwargs"] = {**chunk.message.additional_kwargs, _REASONING: thinking}
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
