"""The three verbs of the nodes over any chat model: sample, probability, continue_from.

Each has its natural way and an honest fallback, and counts every request before it is sent:

- `sample` draws n replies in one request where the model honours `n`, else one request a reply, at once;
- `probability` reads P(Yes) over {Yes, No} off the first token's log-probs (paper 1: a binary token classifier), else
  takes the share of Yes among votes;
- `continue_from` hands the model the beginning of its own reply, which it continues.
"""

import asyncio
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables.config import ensure_config

from selfcritic.agent.errors import BudgetExhausted
from selfcritic.agent.schemas import Budget, RoleUsage, Usage

_TOP_LOGPROBS = 20


class Meter:
    """Counts what a run spends, over all its parts, and refuses the request that its budget does not cover."""

    def __init__(self, budget: Budget, usage: Usage | None = None) -> None:
        self.budget = budget
        self.usage = usage.model_copy(deep=True) if usage else Usage()
        self.exhausted = False
        """Whether a request was refused."""

    def reserve(self, part: str, messages: Sequence[BaseMessage]) -> None:
        """Count a request that is about to be sent; raises BudgetExhausted instead where it must not be."""
        if not self._covers(messages):
            self.exhausted = True
            raise BudgetExhausted(
                f"The budget ({self.budget.model_dump(exclude_none=True)}) does not cover the next request."
            )
        for usage in self._accounts(part):
            usage.calls += 1

    def _covers(self, messages: Sequence[BaseMessage]) -> bool:
        calls, tokens = self.budget.calls, self.budget.tokens
        if calls is not None and self.usage.calls >= calls:
            return False
        spent = self.usage.input_tokens + self.usage.output_tokens
        return tokens is None or spent + count_tokens_approximately(messages) <= tokens

    def charge(self, part: str, message: AIMessage) -> None:
        """Add the tokens that a reply says it took."""
        if (told := message.usage_metadata) is None:
            return
        for usage in self._accounts(part):
            usage.input_tokens += told["input_tokens"]
            usage.output_tokens += told["output_tokens"]
            usage.cached_tokens += told.get("input_token_details", {}).get("cache_read", 0)

    def _accounts(self, part: str) -> tuple[RoleUsage, RoleUsage]:
        return self.usage, self.usage.by_role.setdefault(part, RoleUsage())


@dataclass(frozen=True)
class Verdict:
    """P(Yes) and how it was read."""

    probability: float
    judged_by: Literal["logprobs", "votes"]


@dataclass(frozen=True)
class Sampler:
    """One model in one part of a run."""

    model: BaseChatModel
    part: str
    meter: Meter
    seed: int | None = None

    async def sample(self, messages: list[BaseMessage], n: int = 1) -> list[str]:
        """Draw n replies. Fewer come back where the budget ends midway; raises BudgetExhausted where none does."""
        replies = await self._texts(messages, n)
        if len(replies) < n:
            replies += await self._one_by_one(messages, range(len(replies), n))
        return replies[:n]

    async def probability(self, messages: list[BaseMessage], votes: int = 5) -> Verdict:
        """P(Yes) to the question that the messages ask."""
        [reply] = await self._request(messages, logprobs=True, top_logprobs=_TOP_LOGPROBS)
        if (probability := probability_of_yes(reply)) is not None:
            return Verdict(probability, "logprobs")
        texts = [reply.text, *(await self._votes(messages, votes - 1))]
        said = [vote for text in texts if (vote := _yes_or_no(text)) is not None]
        return Verdict(sum(said) / len(said) if said else 0.5, "votes")

    async def continue_from(self, messages: list[BaseMessage], prefix: str, n: int = 1) -> list[str]:
        """Draw n replies that begin with the prefix; each comes back whole, prefix included."""
        return [prefix + reply for reply in await self.sample([*messages, AIMessage(prefix)], n)]

    async def _votes(self, messages: list[BaseMessage], n: int) -> list[str]:
        try:
            return await self.sample(messages, n) if n else []
        except BudgetExhausted:
            return []  # the vote already paid for counts

    async def _one_by_one(self, messages: list[BaseMessage], indices: range) -> list[str]:
        outcomes = await asyncio.gather(
            *(self._texts(messages, index=index) for index in indices), return_exceptions=True
        )
        faults = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for fault in faults:
            if not isinstance(fault, BudgetExhausted):
                raise fault
        return [text for outcome in outcomes if not isinstance(outcome, BaseException) for text in outcome]

    async def _texts(self, messages: list[BaseMessage], n: int = 1, index: int = 0) -> list[str]:
        return [str(reply.text) for reply in await self._request(messages, n, index)]

    async def _request(
        self, messages: list[BaseMessage], n: int = 1, index: int = 0, **options: Any
    ) -> list[AIMessage]:
        """Send one request; as many replies as the model gave to it."""
        if self.seed is not None:
            options["seed"] = self.seed + index
        if n > 1:
            # A stream listener would turn the request into a stream, which carries a single reply.
            options |= {"n": n, "stream": False}
        self.meter.reserve(self.part, messages)
        config = ensure_config()
        result = await self.model.agenerate_prompt(
            [ChatPromptValue(messages=messages)],
            callbacks=config.get("callbacks"),
            tags=[*config.get("tags", []), f"selfcritic:{self.part}"],
            metadata=config.get("metadata"),
            **options,
        )
        replies = [cast(AIMessage, cast(ChatGeneration, one).message) for one in result.generations[0]]
        self.meter.charge(self.part, replies[0])  # chat models repeat the usage of the whole request on every reply
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
