"""Send requests with a budget, checkpoints, fallbacks and retries."""

import functools
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from langchain_core.caches import BaseCache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables.config import var_child_runnable_config

from selfcritic.agent.errors import ModelError, SelfcriticError
from selfcritic.agent.models import model_name
from selfcritic.agent.models.bounds import bound_numbers
from selfcritic.agent.models.error_kinds import classify_error
from selfcritic.agent.models.errors import ModelCallError, ModelReplyError, describe_error
from selfcritic.agent.models.headers import headers_of, rate_limit_headers, retry_after
from selfcritic.agent.models.normalize import is_reasoning
from selfcritic.agent.models.normalized_model import NormalizedModel
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.sampling.cache import CachedSamples, current_cache, limit_to_missing
from selfcritic.agent.sampling.capabilities import hashable_key, remember
from selfcritic.agent.sampling.retry import call_with_retries, warn_about_wait
from selfcritic.agent.sampling.tags import role_tag, stream_message
from selfcritic.agent.sampling.usage import estimate_usage, request_usage
from selfcritic.agent.schemas import Capabilities, Retries, Usage

CheckpointFn = Callable[[str, Callable[[], Awaitable[dict[str, Any]]]], Awaitable[dict[str, Any]]]
"""Run a request under a unique key, or return its checkpointed result."""

_TOP_LOGPROBS = 20
_PREFIX_REJECTION = re.compile(
    r"prefill|prefix|(?:last|final) message|(?:end|start)s? with a user", re.IGNORECASE
)
UNCAPPED = 0
"""Value of `Capabilities.verdict_tokens` for a model whose verdicts must not be limited."""
_PARAM_NAMES = {
    "logprobs": "(?:top_)?logprobs",
    "max_tokens": "max_(?:completion_|output_|new_)?tokens|num_predict",
}
"""Names of parameters in providers' messages, as patterns."""
_OPTIONAL_PARAMS = ("logprobs", "n", "seed", "temperature", "max_tokens")
"""Optional parameters, in the order in which they are dropped."""
_CACHED_PARAMS = ("logprobs", "temperature", "max_tokens")
"""Parameters in the key of a cached reply, with its seed and index."""


@dataclass(frozen=True, slots=True)
class RequestPipeline:
    """Sends the requests of one role.

    Every attempt is counted before it is sent.
    """

    models: Sequence[BaseChatModel]
    """The role's model, then its fallbacks."""
    role: str
    budget: BudgetTracker
    seed: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    """Length limit of a reply."""
    capabilities: Capabilities = field(default_factory=Capabilities)
    """Detected capabilities of the model; updated in place."""
    retries: Retries = field(default_factory=Retries)
    checkpoint: CheckpointFn | None = None
    cache: BaseCache | None = None
    """Cache of replies; None uses `current_cache`, if any."""
    allows_empty: bool = False
    """Whether a reply without text is valid, as after a prefill."""
    cached_samples: CachedSamples | None = None
    """Cache entries of the request that is being sent."""

    async def send(
        self,
        messages: list[BaseMessage],
        *,
        n: int = 1,
        index: int = 0,
        logprobs: bool = False,
        max_tokens: int | None = None,
        allow_empty: bool = False,
    ) -> list[AIMessage]:
        """Send one request; resend it without parameters that the provider rejects.

        Args:
            messages: The prompt; a last AIMessage is a prefill.
            n: Number of replies to request.
            index: Added to the seed, so that parallel requests differ.
            logprobs: Whether to request logprobs.
            max_tokens: Length limit of this reply, instead of the role's.
            allow_empty: Whether a reply without text is valid.

        Raises:
            BudgetExhausted: The request was not sent, or the run's time is up.
            ModelError: No model replied.
        """
        params = {
            "n": n if n > 1 else None,
            "logprobs": logprobs or None,
            "seed": None if self.seed is None else self.seed + index,
            "temperature": self.temperature,
            "max_tokens": max_tokens or self.max_tokens,
        }
        sender = self
        if allow_empty or isinstance(messages[-1], AIMessage):
            sender = replace(self, allows_empty=True)
        cache = self.cache or current_cache.get()
        if cache is not None:
            parameters = {name: params[name] for name in _CACHED_PARAMS}
            indices = range(index, index + n)
            is_verdict = logprobs or self.role == "judge"
            entries = CachedSamples(cache, messages, parameters, self.seed, indices, is_verdict)
            sender = replace(sender, cached_samples=entries)
        while True:
            accepted = {
                name: value
                for name, value in params.items()
                if value is not None and name not in self.capabilities.rejected
            }
            try:
                async with self.budget.deadline():
                    replies = await sender._send_once(messages, accepted)
            except ModelError as error:
                is_about_prefill = isinstance(messages[-1], AIMessage) and _PREFIX_REJECTION.search(
                    str(error)
                )
                if not error.is_rejection or not accepted or is_about_prefill:
                    raise
                self._drop_rejected(params, _rejected_params(str(error), list(accepted)))
            else:
                self._learn(replies)
                return replies

    def _drop_rejected(self, params: dict[str, Any], rejected: list[str]) -> None:
        """Do not send rejected parameters again; a length limit of one request is only lifted."""
        if "max_tokens" in rejected and params["max_tokens"] != self.max_tokens:
            rejected.remove("max_tokens")
            params["max_tokens"] = self.max_tokens
            self.capabilities.verdict_tokens = UNCAPPED
        self.capabilities.reject(rejected)

    def _learn(self, replies: Sequence[AIMessage]) -> None:
        """Save what this successful request has shown about the model."""
        if any(map(is_reasoning, replies)):
            self.capabilities.reasoning = True
        remember(self.models, self.capabilities)

    def _send_once(
        self, messages: list[BaseMessage], params: dict[str, Any]
    ) -> Awaitable[list[AIMessage]]:
        """Send a request through the steps that this run needs: each coroutine that waits costs memory."""
        if self.checkpoint is not None:
            return self._checkpointed(self.checkpoint, messages, params)
        if len(self.models) > 1 or self.cached_samples is not None:
            return self._with_fallbacks(messages, params)
        return self._with_retries(self.models[0], messages, params)

    async def _checkpointed(
        self, checkpoint: CheckpointFn, messages: list[BaseMessage], params: dict[str, Any]
    ) -> list[AIMessage]:
        """Send a request, or return its saved replies after a crash.

        The usage counts in both cases.
        """
        budget = self.budget.child()  # this request's own usage is saved with its replies
        is_fresh = False

        async def request() -> dict[str, Any]:
            nonlocal is_fresh
            is_fresh = True
            replies = await replace(self, budget=budget)._with_fallbacks(messages, params)
            return {
                "replies": replies,
                "usage": budget.usage.model_dump(),
                "is_charged": self.budget.journal is not None,
            }

        # The length limit of a verdict depends on what this process knows about the model.
        identity = {name: value for name, value in params.items() if name != "max_tokens"}
        names = [model_name(model) for model in self.models]
        texts = [message.text for message in messages]
        content = json.dumps([self.role, names, identity, texts])
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        saved = await checkpoint(f"{self.role} {digest}", request)
        if not is_fresh:
            self.budget.add_saved(Usage(**saved["usage"]), saved.get("is_charged", False))
        return cast(list[AIMessage], saved["replies"])

    async def _with_fallbacks(
        self, messages: list[BaseMessage], params: dict[str, Any]
    ) -> list[AIMessage]:
        """Try the models in order, but raise if one rejects the request itself."""
        for model in self.models[:-1]:
            try:
                # A fallback replies sooner than a server that starts.
                retries = self.retries.model_copy(update={"startup_seconds": 0.0})
                pipeline = replace(self, retries=retries)
                return await pipeline._with_cache(model, messages, params)
            except ModelError as error:
                if error.is_rejection:
                    raise
        return await self._with_cache(self.models[-1], messages, params)

    async def _with_cache(
        self, model: BaseChatModel, messages: list[BaseMessage], params: dict[str, Any]
    ) -> list[AIMessage]:
        """Return the cached replies, and send one request for the others."""
        entries = self.cached_samples
        if entries is None:
            return await self._with_retries(model, messages, params)
        cached = await entries.load(model)
        missing = [index for index in entries.indices if index not in cached]
        replies = {index: reply.message for index, reply in cached.items()}
        if missing:
            budget = self.budget.child()  # measures what the new replies use
            params = limit_to_missing(params, missing[0] - entries.indices[0], len(missing))
            new = await replace(self, budget=budget)._with_retries(model, messages, params)
            await entries.save(model, missing, new, budget.usage)
            replies.update(zip(missing, new, strict=False))
        self.budget.count_cached(
            self.role,
            messages,
            sum(reply.tokens for reply in cached.values()),
            [reply.cost_usd for reply in cached.values()],
            is_whole=not missing,
        )
        for reply in cached.values():
            stream_message(reply.message, role_tag(self.role))
        return [replies[index] for index in sorted(replies)]

    async def _with_retries(
        self, model: BaseChatModel, messages: list[BaseMessage], params: dict[str, Any]
    ) -> list[AIMessage]:
        attempt = functools.partial(self._attempt, model, messages, params)
        try:
            return await call_with_retries(attempt, self.retries)
        except SelfcriticError as error:
            if not isinstance(error, ModelCallError | ModelReplyError):
                raise
            raise _model_error(error) from None
        except Exception as error:  # noqa: BLE001 - callbacks and caches can raise anything
            raise _model_error(error) from None  # the original may contain a key

    async def _attempt(
        self, model: BaseChatModel, messages: list[BaseMessage], params: dict[str, Any]
    ) -> list[AIMessage]:
        """Send one attempt; count it before, charge it after."""
        await self.budget.acquire(messages)
        self.budget.reserve(self.role, messages)
        await self.budget.save_charge(self.role)
        try:
            result = await self._generate(model, messages, params)
        except ModelReplyError as error:
            self.budget.charge(self.role, error.usage, error.cost_usd)
            if self.allows_empty and error.kind == "null":
                return [AIMessage("")]
            raise
        except Exception as error:
            self.budget.record_error(describe_error(error))
            wait = retry_after(error)
            max_wait = self.retries.max_wait
            warn_about_wait(error, wait, max_wait)
            self.budget.apply_headers(rate_limit_headers(headers_of(error)), max_wait, wait)
            raise
        replies = []
        for generation in result.generations[0]:
            message = cast(AIMessage, cast(ChatGeneration, generation).message)
            replies.append(bound_numbers(message))
        self._charge(model, messages, replies, result)
        if self.allows_empty and replies:
            return replies
        return _drop_empty(replies)

    def _charge(
        self,
        model: BaseChatModel,
        messages: list[BaseMessage],
        replies: Sequence[AIMessage],
        result: LLMResult,
    ) -> None:
        """Charge the tokens and cost of replies; estimate them if the provider reported none."""
        metadata = replies[0].response_metadata if replies else {}
        usage = request_usage(replies, result)
        cost_usd = metadata.get("cost_usd")
        if usage is None and replies:
            usage = estimate_usage(messages, replies)
            price = getattr(model, "price_tokens", None)
            if cost_usd is None and price is not None:
                cost_usd = price(usage["input_tokens"], usage["output_tokens"])
        self.budget.charge(self.role, usage, cost_usd)
        limits = rate_limit_headers(metadata.get("headers") or {})
        self.budget.apply_headers(limits, self.retries.max_wait)

    async def _generate(
        self, model: BaseChatModel, messages: list[BaseMessage], params: dict[str, Any]
    ) -> LLMResult:
        params = dict(params)
        if "logprobs" in params:
            params["top_logprobs"] = _TOP_LOGPROBS
        if "n" in params:
            # Stream listeners make a request stream, and a stream has a single reply.
            params["stream"] = False
        config = var_child_runnable_config.get() or {}
        normalized = NormalizedModel.wrap(model, hashable_key(model))
        result = await normalized.agenerate(
            [messages],
            callbacks=config.get("callbacks"),
            tags=[*config.get("tags", []), role_tag(self.role)],
            metadata=config.get("metadata"),
            **params,
        )
        for generation in result.generations[0][1:]:  # LangGraph streams only the first one
            stream_message(
                cast(AIMessage, cast(ChatGeneration, generation).message), role_tag(self.role)
            )
        return result


def _rejected_params(message: str, params: Sequence[str]) -> list[str]:
    """Return the rejected parameters, else the first optional one."""
    named: list[str] = []
    for name in params:
        pattern = _PARAM_NAMES.get(name, name)
        if re.search(rf"\b(?:{pattern})\b", message, re.IGNORECASE):
            named.append(name)
    if named:
        return named
    return [name for name in _OPTIONAL_PARAMS if name in params][:1]


def _model_error(error: Exception) -> ModelError:
    return ModelError(describe_error(error), is_rejection=classify_error(error) == "rejected")


def _drop_empty(replies: Sequence[AIMessage]) -> list[AIMessage]:
    """Return the replies with text. Raises ModelReplyError if all are empty or refusals."""
    usable = [reply for reply in replies if _reply_error(reply) is None]
    if usable:
        return usable
    for reply in replies:
        if error := _reply_error(reply):
            raise error
    raise ModelReplyError("The model sent a reply without choices", "no_choices")


def _reply_error(reply: AIMessage) -> ModelReplyError | None:
    refusal = reply.additional_kwargs.get("refusal")
    if refusal or reply.response_metadata.get("finish_reason") == "content_filter":
        reason = refusal or "the content filter stopped the reply"
        return ModelReplyError(f"The model refused to answer: {reason}", "refusal")
    if not reply.text.strip():
        return ModelReplyError("The model sent a reply without content", "null")
    return None
