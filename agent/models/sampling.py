"""The three verbs of the nodes over any chat model: sample, probability, continue_from.

Each has its natural way and an honest fallback, and `Method` says which was used:

- `sample` draws n replies in one request where the model honours `n`, else one request a reply, at once;
- `probability` reads P(Yes) over {Yes, No} off the first token's log-probs (paper 1: a binary token classifier), else
  takes the share of Yes among votes;
- `continue_from` hands the model the beginning of its own reply, which it continues.

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
from langchain_core.outputs import ChatGeneration
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables.config import ensure_config

from selfcritic.agent.errors import BudgetExhausted, ModelError, SelfcriticError
from selfcritic.agent.models.failures import ModelReplyError, explain, kind_of
from selfcritic.agent.models.meter import Meter
from selfcritic.agent.models.retry import attempts
from selfcritic.agent.schemas import Method, Usage

Save = Callable[[str, Callable[[], Awaitable[dict[str, Any]]]], Awaitable[dict[str, Any]]]
"""Runs a request under a name that tells it from all others, or finds its result where it was run and saved before."""

_TOP_LOGPROBS = 20
_OPTIONAL = ("logprobs", "n", "seed", "temperature")
"""Parameters that a provider may reject and the verbs can do without."""


@dataclass(frozen=True)
class Verdict:
    """P(Yes) and how it was read."""

    probability: float
    judged_by: Literal["logprobs", "votes"]


@dataclass(frozen=True)
class Sampler:
    """One part of a run: the model that speaks it, and those that stand in where it is down."""

    models: Sequence[BaseChatModel]
    part: str
    meter: Meter
    seed: int | None = None
    temperature: float | None = None
    method: Method = field(default_factory=Method)
    """What was found of the model so far, changed in place."""
    save: Save | None = None

    async def sample(self, messages: list[BaseMessage], n: int = 1) -> list[str]:
        """Draw n replies. Fewer come back where the budget or the model ends midway; raises where none does."""
        native = n > 1 and "n" not in self.method.refused
        replies = await self._texts(messages, n) if native else []
        if n > 1:
            self.method.n = "native" if len(replies) > 1 else "concurrent"
            if native and len(replies) == 1:
                self.method.refused.append("n")
        return (replies + await self._one_by_one(messages, range(len(replies), n), bool(replies)))[:n]

    async def probability(self, messages: list[BaseMessage], votes: int = 5) -> Verdict:
        """P(Yes) to the question that the messages ask."""
        [reply, *_] = await self._request(messages, logprobs=True)
        if (probability := probability_of_yes(reply)) is not None:
            self.method.probability = "logprobs"
            return Verdict(probability, "logprobs")
        self.method.probability = "votes"
        texts = [str(reply.text), *(await self._votes(messages, votes - 1))]
        said = [vote for text in texts if (vote := _yes_or_no(text)) is not None]
        return Verdict(sum(said) / len(said) if said else 0.5, "votes")

    async def continue_from(self, messages: list[BaseMessage], prefix: str, n: int = 1) -> list[str]:
        """Draw n replies that begin with the prefix; each comes back whole, prefix included."""
        return [prefix + reply for reply in await self.sample([*messages, AIMessage(prefix)], n)]

    async def _votes(self, messages: list[BaseMessage], n: int) -> list[str]:
        try:
            return await self.sample(messages, n) if n else []
        except (BudgetExhausted, ModelError):
            return []  # the vote already paid for counts

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
                async with self.meter.in_time():
                    return await self._once(messages, options)
            except ModelError as error:
                if not (error.is_rejection and options):
                    raise
                self.method.refused += _blamed(str(error), list(options))

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
            async for attempt in attempts():
                with attempt:
                    return await self._attempt(model, messages, options)
        except SelfcriticError as error:
            if isinstance(error, ModelReplyError) or kind_of(error) != "unknown":
                raise ModelError(explain(error), is_rejection=kind_of(error) == "rejected") from None
            raise
        except Exception as error:  # noqa: BLE001 - whatever a model's client raises, no draft may be lost for it
            rejected = kind_of(error) == "rejected" or isinstance(error, TypeError)
            raise ModelError(explain(error), is_rejection=rejected) from None  # its text may hold a key
        raise AssertionError("attempts end with a reply or an error")

    async def _attempt(
        self, model: BaseChatModel, messages: list[BaseMessage], options: dict[str, Any]
    ) -> list[AIMessage]:
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
        replies = [cast(AIMessage, cast(ChatGeneration, one).message) for one in result.generations[0]]
        # Chat models repeat the usage of the whole request on every reply.
        self.meter.charge(self.part, replies[0].usage_metadata, replies[0].response_metadata.get("cost_usd"))
        return replies


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
