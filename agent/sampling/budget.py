"""One budget over all parts of a run: counts what is spent and refuses the request that would exceed it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar

from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.utils import count_tokens_approximately

from selfcritic.agent.errors import BudgetExhausted
from selfcritic.agent.sampling.rate_limit import RateLimit
from selfcritic.agent.schemas import Budget, RoleUsage, Usage


class BudgetTracker:
    """What one step of a run spends, on top of what the steps before it have spent."""

    def __init__(self, budget: Budget, usage: Usage | None = None, parent: "BudgetTracker | None" = None) -> None:
        self.rate: RateLimit | None = None
        """What all requests on this meter, and on those beneath it, wait for."""
        self.budget = budget
        self._parent = parent
        self._refused = False
        self._usage = usage.model_copy(deep=True) if usage else Usage()
        self._before = self._usage.seconds
        self._started = time.monotonic()

    @property
    def usage(self) -> Usage:
        """What has been spent up to now."""
        self._usage.seconds = self._before + time.monotonic() - self._started
        return self._usage

    @property
    def is_spent(self) -> bool:
        """Whether this meter's own budget, not one of its parents', has refused a request."""
        return self._refused

    def child(self) -> "BudgetTracker":
        """A meter that also counts for this one, and so obeys its budget."""
        return BudgetTracker(Budget(), parent=self)

    def add(self, spent: Usage) -> None:
        """Count what was spent, and saved, before a crash."""
        for part, theirs in spent.by_role.items():
            for usage in self._accounts(part):
                usage.calls += theirs.calls
                usage.input_tokens += theirs.input_tokens
                usage.output_tokens += theirs.output_tokens
                usage.cached_tokens += theirs.cached_tokens
                usage.cost_usd = _sum(usage.cost_usd, theirs.cost_usd)

    async def acquire(self, messages: Sequence[BaseMessage]) -> None:
        """Wait until the rate limits let a request go."""
        for rate in self._rates():
            await rate.turn(count_tokens_approximately(messages))

    def apply_headers(self, headers: Mapping[str, str], wait: float | None = None) -> None:
        """Let the rate limits know what a provider says of its own."""
        for rate in self._rates():
            rate.heed(headers)
            rate.pause(wait)

    def reserve(self, part: str, messages: Sequence[BaseMessage]) -> None:
        """Count a request that is about to be sent; raises BudgetExhausted instead where it must not be."""
        if limit := self._limit_reached(messages):
            self._refused = True
            raise BudgetExhausted(f"The budget ({limit}) does not cover the next request.")
        if self._parent:
            self._parent.reserve(part, messages)
        for usage in self._accounts(part):
            usage.calls += 1

    def charge(self, part: str, tokens: UsageMetadata | None, cost_usd: float | None) -> None:
        """Add what a reply says it took. One whose price is not known makes the whole cost unknown."""
        if self.rate and tokens is not None:
            self.rate.took(tokens["output_tokens"])
        if self._parent:
            self._parent.charge(part, tokens, cost_usd)
        for usage in self._accounts(part):
            if tokens is not None:
                usage.input_tokens += tokens["input_tokens"]
                usage.output_tokens += tokens["output_tokens"]
                usage.cached_tokens += tokens.get("input_token_details", {}).get("cache_read", 0)
            usage.cost_usd = _sum(usage.cost_usd, cost_usd)

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """Break off what is inside when the run's seconds are over; raises BudgetExhausted then."""
        left = None if self.budget.seconds is None else self.budget.seconds - self.usage.seconds
        try:
            async with AsyncExitStack() as stack:
                if self._parent:
                    await stack.enter_async_context(self._parent.deadline())
                clock = await stack.enter_async_context(asyncio.timeout(left))
                yield
        except TimeoutError:
            if clock.expired():
                self._refused = True
                raise BudgetExhausted(f"The budget ({self.budget.seconds} seconds) is spent.") from None
            raise

    def _rates(self) -> Iterator[RateLimit]:
        if self.rate:
            yield self.rate
        if self._parent:
            yield from self._parent._rates()

    def _limit_reached(self, messages: Sequence[BaseMessage]) -> str | None:
        budget, usage = self.budget, self.usage
        if budget.calls is not None and usage.calls >= budget.calls:
            return f"{budget.calls} calls"
        spent = usage.input_tokens + usage.output_tokens
        if budget.tokens is not None and spent + count_tokens_approximately(messages) > budget.tokens:
            return f"{budget.tokens} tokens"
        if budget.cost_usd is not None and (usage.cost_usd is None or usage.cost_usd >= budget.cost_usd):
            return f"{budget.cost_usd} USD"
        if budget.seconds is not None and usage.seconds >= budget.seconds:
            return f"{budget.seconds} seconds"
        return None

    def _accounts(self, part: str) -> tuple[RoleUsage, RoleUsage]:
        return self._usage, self._usage.by_role.setdefault(part, RoleUsage())


parent_budget: ContextVar[BudgetTracker | None] = ContextVar("above", default=None)
"""The meter of a batch, that every run within it counts for, too."""


def _sum(one: float | None, other: float | None) -> float | None:
    """The sum of two costs; not known where one of them is not."""
    return None if one is None or other is None else one + other
