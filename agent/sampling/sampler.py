"""The three verbs of the nodes over any chat model: sample, probability, continue_from.

Each has its natural way and an honest fallback, and `Method` says which was used:

- `sample` draws n replies in one request where the model honours `n`, else one request a reply, at once;
- `probability` reads P(Yes) over {Yes, No} off the first token's log-probs (paper 1: a binary token classifier), else
  takes the share of Yes among votes;
- `continue_from` hands the model the beginning of its own reply, which it continues where it is known to do so (the
  offline models, providers that litellm knows for it, a model with `supports_prefill`), else asks in words.

Every attempt at a request is counted before it is sent. A parameter that the provider rejects is not sent again.
"""

import asyncio
import hashlib
import json
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables.config import ensure_config
from pydantic import SecretStr

from selfcritic.agent.errors import BudgetExhausted, ModelError, SelfcriticError
from selfcritic.agent.models.errors import (
    ModelReplyError,
    ReplyErrorKind,
    classify_error,
    describe_error,
    redact,
)
from selfcritic.agent.models.headers import headers_of, rate_limit_headers, retry_after
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.sampling.retry import attempts
from selfcritic.agent.schemas import Capabilities, Retries, Usage

CheckpointFn = Callable[[str, Callable[[], Awaitable[dict[str, Any]]]], Awaitable[dict[str, Any]]]
"""Runs a request under a name that tells it from all others, or finds its result where it was run and saved before."""

_TOP_LOGPROBS = 20
_PREFIX_REFUSED = re.compile(r"prefill|prefix|(?:last|final) message|(?:end|start)s? with a user", re.IGNORECASE)
_OPTIONAL = ("logprobs", "n", "seed", "temperature")
"""Parameters that a provider may reject and the verbs can do without."""


@dataclass(frozen=True)
class YesProbability:
    """P(Yes) and how it was read."""

    probability: float
    judged_by: Literal["logprobs", "votes"]


@dataclass(frozen=True)
class Sampler:
    """One part of a run: the model that speaks it, and those that stand in where it is down."""

    models: Sequence[BaseChatModel]
    part: str
    meter: BudgetTracker
    seed: int | None = None
    temperature: float | None = None
    method: Capabilities = field(default_factory=Capabilities)
    """What was found of the model so far, changed in place."""
    retries: Retries = field(default_factory=Retries)
    save: CheckpointFn | None = None

    async def sample(self, messages: list[BaseMessage], n: int = 1) -> list[str]:
        """Draw n replies. Fewer come back where the budget or the model ends midway; raises where none does."""
        native = n > 1 and "n" not in self.method.refused
        replies = await self._texts(messages, n) if native else []
        if n > 1:
            self.method.n = "native" if len(replies) > 1 else "concurrent"
            if native and len(replies) == 1:
                self._refused(["n"])
        return (replies + await self._one_by_one(messages, range(len(replies), n), bool(replies)))[:n]

    async def probability(self, messages: list[BaseMessage], votes: int = 5) -> YesProbability:
        """P(Yes) to the question that the messages ask."""
        texts: list[str] = []
        if "logprobs" not in self.method.refused:
            [reply, *_] = await self._request(messages, logprobs=True)
            if (probability := probability_of_yes(reply)) is not None:
                self.method.probability = "logprobs"
                return YesProbability(probability, "logprobs")
            texts = [str(reply.text)]
            if not reply.response_metadata.get("logprobs"):
                self._refused(["logprobs"])
        self.method.probability = "votes"
        texts += await self._votes(messages, votes - len(texts), bool(texts))
        said = [vote for text in texts if (vote := _yes_or_no(text)) is not None]
        return YesProbability(sum(said) / len(said) if said else 0.5, "votes")

    async def continue_from(
        self,
        messages: list[BaseMessage],
        prefix: str,
        n: int = 1,
        *,
        forced: str = "",
        elsewhere: list[BaseMessage] | None = None,
    ) -> list[str]:
        """Draw n replies that begin with the prefix and then with what is forced; each comes back whole.

        A model that does not continue a reply begun for it is asked `elsewhere` (by default the same messages), and its
        reply, from where it first says what is forced, is put behind the prefix.
        """
        begun = prefix + forced
        if "prefix" not in self.method.refused and await self._takes_prefix():
            try:
                replies = await self.sample([*messages, AIMessage(begun)], n)
            except ModelError as error:
                if not error.is_rejection:
                    raise
                self._refused(["prefix"])
            else:
                self.method.prefix = "native"
                return [_begun_with(prefix, forced, reply) for reply in replies]
        self.method.prefix = "asked"
        return [prefix + reply[max(reply.find(forced), 0) :] for reply in await self.sample(elsewhere or messages, n)]

    async def _takes_prefix(self) -> bool:
        """Whether every model that may answer is known, or declared, to continue a reply begun for it."""
        # A model may have to import its library to know, which must not hold up the loop.
        return all([await asyncio.to_thread(getattr, model, "supports_prefill", False) for model in self.models])

    async def _votes(self, messages: list[BaseMessage], n: int, is_more: bool) -> list[str]:
        try:
            return await self.sample(messages, n) if n else []
        except (BudgetExhausted, ModelError):
            if is_more:
                return []  # the vote already paid for counts
            raise

    async def _one_by_one(self, messages: list[BaseMessage], indices: range, is_more: bool) -> list[str]:
        """One request a reply, all at once. What arrives is kept; a failure raises only where there is nothing."""
        outcomes = await asyncio.gather(
            *(self._texts(messages, index=index) for index in indices), return_exceptions=True
        )
        for failure in (outcome for outcome in outcomes if isinstance(outcome, BaseException)):
            if not isinstance(failure, BudgetExhausted | ModelError):
                raise failure
        texts = [text for outcome in outcomes if isinstance(outcome, list) for text in outcome[:1]]
        if not texts and not is_more and isinstance(outcomes[0], BaseException):
            raise outcomes[0]
        return texts

    async def _texts(self, messages: list[BaseMessage], n: int = 1, index: int = 0) -> list[str]:
        return [str(reply.text) for reply in await self._request(messages, n, index)]

    async def _request(
        self, messages: list[BaseMessage], n: int = 1, index: int = 0, logprobs: bool = False
    ) -> list[AIMessage]:
        """One request, answered by the first model that is up; without what the provider does not take."""
        wanted = {
            "n": n if n > 1 else None,
            "logprobs": logprobs or None,
            "seed": None if self.seed is None else self.seed + index,
            "temperature": self.temperature,
        }
        while True:
            options = {name: v for name, v in wanted.items() if v is not None and name not in self.method.refused}
            try:
                async with self.meter.deadline():
                    return await self._once(messages, options)
            except ModelError as error:
                is_for_prefix = isinstance(messages[-1], AIMessage) and _PREFIX_REFUSED.search(str(error))
                if not (error.is_rejection and options) or is_for_prefix:
                    raise
                self._refused(_blamed(str(error), list(options)))

    def _refused(self, names: Sequence[str]) -> None:
        self.method.refused += [name for name in names if name not in self.method.refused]

    async def _once(self, messages: list[BaseMessage], options: dict[str, Any]) -> list[AIMessage]:
        """One request, unless its replies were saved before a crash: these are counted, and not asked for again."""
        if self.save is None:
            return await self._first_that_is_up(messages, options)
        meter = self.meter.child()  # what this request alone spends is saved beside its replies
        is_fresh = False

        async def ask() -> dict[str, Any]:
            nonlocal is_fresh
            is_fresh = True
            replies = await replace(self, meter=meter)._first_that_is_up(messages, options)
            return {"replies": replies, "usage": meter.usage.model_dump()}

        text = json.dumps([self.part, options, [message.text for message in messages]])
        saved = await self.save(f"{self.part} {hashlib.sha256(text.encode()).hexdigest()[:12]}", ask)
        if not is_fresh:
            self.meter.add(Usage(**saved["usage"]))
        return cast(list[AIMessage], saved["replies"])

    async def _first_that_is_up(self, messages: list[BaseMessage], options: dict[str, Any]) -> list[AIMessage]:
        for model in self.models[:-1]:
            try:
                return await self._with_retries(model, messages, options)
            except ModelError as error:
                if error.is_rejection:
                    raise
        return await self._with_retries(self.models[-1], messages, options)

    async def _with_retries(
        self, model: BaseChatModel, messages: list[BaseMessage], options: dict[str, Any]
    ) -> list[AIMessage]:
        try:
            async for attempt in attempts(self.retries):
                with attempt:
                    return await self._attempt(model, messages, options)
        except SelfcriticError as error:
            if isinstance(error, ModelReplyError) or classify_error(error) != "unknown":
                raise _model_error(error, model, is_rejection=classify_error(error) == "rejected") from None
            raise
        except Exception as error:  # noqa: BLE001 - whatever a model's client raises, no draft may be lost for it
            rejected = classify_error(error) == "rejected" or isinstance(error, TypeError)
            raise _model_error(error, model, is_rejection=rejected) from None  # its text may hold a key
        raise AssertionError("attempts end with a reply or an error")

    async def _attempt(
        self, model: BaseChatModel, messages: list[BaseMessage], options: dict[str, Any]
    ) -> list[AIMessage]:
        await self.meter.acquire(messages)
        self.meter.reserve(self.part, messages)
        if "logprobs" in options:
            options = {**options, "top_logprobs": _TOP_LOGPROBS}
        if "n" in options:
            # A stream listener would turn the request into a stream, which carries a single reply.
            options = {**options, "stream": False}
        config = ensure_config()
        try:
            result = await model.agenerate_prompt(
                [ChatPromptValue(messages=messages)],
                callbacks=config.get("callbacks"),
                tags=[*config.get("tags", []), f"selfcritic:{self.part}"],
                metadata=config.get("metadata"),
                **options,
            )
        except ModelReplyError as error:
            self.meter.charge(self.part, error.usage, error.cost_usd)
            raise
        except Exception as error:
            self.meter.apply_headers(rate_limit_headers(headers_of(error)), retry_after(error))
            raise
        replies = [cast(AIMessage, cast(ChatGeneration, one).message) for one in result.generations[0]]
        cost_usd = replies[0].response_metadata.get("cost_usd") if replies else None
        self.meter.charge(self.part, _usage(replies, result), cost_usd)
        headers = replies[0].response_metadata.get("headers") if replies else None
        self.meter.apply_headers(rate_limit_headers(headers or {}))
        return replies if isinstance(messages[-1], AIMessage) else _usable(replies)  # a prefix may be all there is


def _begun_with(prefix: str, forced: str, reply: str) -> str:
    """The whole reply; some providers send the prefix back, and some models begin anew with what is forced."""
    said = reply.lstrip()
    if said.startswith(prefix + forced):
        return said if prefix or forced else reply
    return prefix + said if forced and said.startswith(forced) else prefix + forced + reply


def probability_of_yes(reply: AIMessage) -> float | None:
    """P(Yes) over {Yes, No}, all spellings folded, at the first token that is either; None without log-probs."""
    for token in (reply.response_metadata.get("logprobs") or {}).get("content") or []:
        if _yes_or_no(token["token"]) is None:
            continue
        mass = {True: 0.0, False: 0.0}
        for option in token.get("top_logprobs") or [token]:
            if (vote := _yes_or_no(option["token"])) is not None:
                mass[vote] += math.exp(option["logprob"])
        return mass[True] / (mass[True] + mass[False]) if any(mass.values()) else None
    return None


def _yes_or_no(text: str) -> bool | None:
    match = re.match(r"\W*(yes|no)\b", text, re.IGNORECASE)
    return match[1].lower() == "yes" if match else None


def _blamed(complaint: str, options: Sequence[str]) -> list[str]:
    """The parameters that a rejection names; the first that can be done without where it names none."""
    named = [name for name in options if re.search(rf"\b(?:top_)?{name}\b", complaint, re.IGNORECASE)]
    return named or [name for name in _OPTIONAL if name in options][:1]


def _model_error(error: Exception, model: BaseChatModel, *, is_rejection: bool) -> ModelError:
    secrets = [value.get_secret_value() for value in vars(model).values() if isinstance(value, SecretStr)]
    return ModelError(redact(describe_error(error), *secrets), is_rejection=is_rejection)


def _usage(replies: Sequence[AIMessage], result: LLMResult) -> UsageMetadata | None:
    """What a request took. Chat models repeat it on every reply; without any it stands beside, as OpenAI has it."""
    if replies:
        return replies[0].usage_metadata
    told = (result.llm_output or {}).get("token_usage") or {}
    taken, given = told.get("prompt_tokens") or 0, told.get("completion_tokens") or 0
    cached = (told.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return UsageMetadata(
        input_tokens=taken,
        output_tokens=given,
        total_tokens=taken + given,
        input_token_details=InputTokenDetails(cache_read=cached),
    )


def _usable(replies: Sequence[AIMessage]) -> list[AIMessage]:
    """The replies that say something; a chat model may pass off a refusal or an empty reply as a success."""
    faults = [_fault(reply) for reply in replies]
    sound = [reply for reply, fault in zip(replies, faults, strict=True) if fault is None]
    if not sound:
        kind, said = next(
            (fault for fault in faults if fault), ("no_choices", "The model sent a reply without choices")
        )
        raise ModelReplyError(said, kind)
    return sound


def _fault(reply: AIMessage) -> tuple[ReplyErrorKind, str] | None:
    refusal = reply.additional_kwargs.get("refusal")
    if refusal or reply.response_metadata.get("finish_reason") == "content_filter":
        return "refusal", f"The model refused to answer: {refusal or 'the content filter stopped the reply'}"
    return None if reply.text.strip() else ("null", "The model sent a reply without content")
