"""Enforce one budget across all roles of a run.

A tracker counts usage and refuses a request that would exceed the budget.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from contextvars import ContextVar

from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata

from selfcritic.agent.errors import BudgetExhausted
from selfcritic.agent.models.bounds import bound_tokens
from selfcritic.agent.sampling.charges import ChargeJournal
from selfcritic.agent.sampling.rate_limit import RateLimit
from selfcritic.agent.sampling.usage import count_message_tokens, estimated_tokens
from selfcritic.agent.schemas import Budget, RoleUsage, Usage


class BudgetTracker:
    """Tracks the usage of one step, added to the usage of earlier steps."""

    def __init__(
        self, budget: Budget, usage: Usage | None = None, parent: "BudgetTracker | None" = None
    ) -> None:
        self.rate: RateLimit | None = None
        """Rate limit of all requests on this tracker and its children."""
        self.journal: ChargeJournal | None = None
        """Where charges are saved before their requests are sent."""
        self.budget = budget
        self._parent = parent
        self._has_refused = False
        self._last_error: str | None = None
        self._usage = usage.copy_counts() if usage else Usage()
        self._seconds_before = self._usage.seconds
        self._started = time.monotonic()

    @property
    def usage(self) -> Usage:
        """Usage so far, in this step and earlier ones."""
        self._usage.seconds = self._seconds_before + time.monotonic() - self._started
        return self._usage

    @property
    def is_spent(self) -> bool:
        """Whether this tracker's budget refused a request; a parent's budget does not count."""
        return self._has_refused

    @property
    def is_limited(self) -> bool:
        """Whether requests are refused when calls, tokens or money are spent."""
        limits = (self.budget.calls, self.budget.tokens, self.budget.cost_usd)
        is_parent_limited = self._parent is not None and self._parent.is_limited
        return is_parent_limited or any(limit is not None for limit in limits)

    def child(self) -> "BudgetTracker":
        """Create a tracker whose usage also counts toward this one."""
        return BudgetTracker(Budget(), parent=self)

    def add_saved(self, usage: Usage, is_charged: bool) -> None:
        """Count the usage of a saved reply; its calls only if the journal has not counted them."""
        usage = usage.copy_counts()
        if is_charged and self.journal and self.journal.has_loaded:
            for role_usage in usage.by_role.values():
                role_usage.calls = 0
        self.add(usage)

    def add(self, usage: Usage) -> None:
        """Count usage that was saved before a crash, also for the parent."""
        if self._parent:
            self._parent.add(usage)
        for role, role_usage in usage.by_role.items():
            for account in self._accounts(role):
                account.calls += role_usage.calls
                account.input_tokens += role_usage.input_tokens
                account.output_tokens += role_usage.output_tokens
                account.cached_tokens += role_usage.cached_tokens
                account.reasoning_tokens += role_usage.reasoning_tokens
                account.estimated_tokens += role_usage.estimated_tokens
                account.cost_usd = _add_costs(account.cost_usd, role_usage.cost_usd)
                account.cached_calls += role_usage.cached_calls
                account.cached_call_tokens += role_usage.cached_call_tokens
                account.cached_call_cost_usd = _add_costs(
                    account.cached_call_cost_usd, role_usage.cached_call_cost_usd
                )

    def open_journal(self, journal: ChargeJournal) -> None:
        """Save charges to a journal; count the calls that it has from before a crash."""
        self.journal = journal
        for role in journal.take_earlier():
            self.add(Usage(by_role={role: RoleUsage(calls=1)}))

    async def save_charge(self, role: str) -> None:
        """Save the charge of a reserved request before it is sent. Raises CheckpointError."""
        if self._parent:
            await self._parent.save_charge(role)
        if self.journal:
            await self.journal.write(role)

    async def acquire(self, messages: Sequence[BaseMessage]) -> None:
        """Wait until all rate limits admit a request."""
        for rate in self._rates():
            await rate.acquire(count_message_tokens(messages))

    def apply_headers(
        self, headers: Mapping[str, str], max_wait: float, wait: float | None = None
    ) -> None:
        """Apply a provider's headers and requested wait to all rate limits, up to `max_wait` seconds."""
        for rate in self._rates():
            rate.apply_headers(headers, max_wait)
            if wait is not None:
                rate.pause(min(wait, max_wait))

    def reserve(self, role: str, messages: Sequence[BaseMessage]) -> None:
        """Count a request that is about to be sent.

        Raises:
            BudgetExhausted: the budget, or a parent's budget, does not cover the request; it is not counted.
        """
        self._check_limits(messages)
        if self._parent:
            self._parent.reserve(role, messages)
        for account in self._accounts(role):
            account.calls += 1

    def _check_limits(self, messages: Sequence[BaseMessage]) -> None:
        """Raise BudgetExhausted if this tracker's budget does not cover a request."""
        limit = self._reached_limit(messages)
        if limit is not None:
            self._has_refused = True
            raise self._exhausted(f"The budget ({limit}) does not cover the next request.")

    def count_cached(
        self,
        role: str,
        messages: Sequence[BaseMessage],
        tokens: int,
        costs_usd: Sequence[float | None],
        *,
        is_whole: bool,
    ) -> None:
        """Count replies from the cache, apart from sent requests; limits count both.

        Args:
            role: The role that asked.
            messages: Its prompt.
            tokens: What the replies used when they were sent.
            costs_usd: Cost of each reply.
            is_whole: Whether no request is sent; the other part of a request was reserved.

        Raises:
            BudgetExhausted: The budget, or a parent's, would not cover the request.
        """
        if is_whole:
            self._check_limits(messages)
        if self._parent:
            self._parent.count_cached(role, messages, tokens, costs_usd, is_whole=is_whole)
        for account in self._accounts(role):
            account.cached_calls += is_whole
            account.cached_call_tokens += tokens
            for cost_usd in costs_usd:
                account.cached_call_cost_usd = _add_costs(account.cached_call_cost_usd, cost_usd)

    def charge(self, role: str, tokens: UsageMetadata | None, cost_usd: float | None) -> None:
        """Count the tokens and cost of a reply.

        A cost that is unknown (None) or not finite makes the total cost unknown. Negative numbers count as 0.
        """
        self._last_error = None
        tokens = bound_tokens(tokens)
        if cost_usd is not None:
            cost_usd = max(0.0, cost_usd) if math.isfinite(cost_usd) else None
        if self.rate and tokens is not None:
            self.rate.record(tokens["output_tokens"])
        if self._parent:
            self._parent.charge(role, tokens, cost_usd)
        for account in self._accounts(role):
            if tokens is not None:
                input_details = tokens.get("input_token_details", {})
                output_details = tokens.get("output_token_details", {})
                account.input_tokens += tokens["input_tokens"]
                account.output_tokens += tokens["output_tokens"]
                account.cached_tokens += input_details.get("cache_read") or 0
                account.reasoning_tokens += output_details.get("reasoning") or 0
                account.estimated_tokens += estimated_tokens(tokens)
            account.cost_usd = _add_costs(account.cost_usd, cost_usd)

    def record_error(self, message: str) -> None:
        """Keep a failed attempt's error for the message of an exhausted budget."""
        self._last_error = message
        if self._parent:
            self._parent.record_error(message)

    def deadline(self) -> AbstractAsyncContextManager[None]:
        """Cancel the body when the budget's time runs out.

        Raises:
            BudgetExhausted: the time of this budget, or a parent's, ran out.
        """
        if self.budget.seconds is None and self._parent is None:
            return nullcontext()
        return self._limit_time()

    @asynccontextmanager
    async def _limit_time(self) -> AsyncIterator[None]:
        seconds_left = None
        if self.budget.seconds is not None:
            seconds_left = self.budget.seconds - self.usage.seconds
        try:
            async with AsyncExitStack() as stack:
                if self._parent:
                    await stack.enter_async_context(self._parent.deadline())
                timeout = await stack.enter_async_context(asyncio.timeout(seconds_left))
                yield
        except TimeoutError:
            if timeout.expired():
                self._has_refused = True
                message = f"The budget ({self.budget.seconds:g} seconds) is spent."
                raise self._exhausted(message) from None
            raise

    def _exhausted(self, message: str) -> BudgetExhausted:
        """Return the error of an exhausted budget, which names the last attempt's error."""
        if self._last_error is not None:
            message += f" Last error: {self._last_error}"
        return BudgetExhausted(message, self._last_error)

    def _rates(self) -> Iterator[RateLimit]:
        if self.rate:
            yield self.rate
        if self._parent:
            yield from self._parent._rates()

    def _reached_limit(self, messages: Sequence[BaseMessage]) -> str | None:
        budget = self.budget
        usage = self.usage
        num_calls = usage.calls + usage.cached_calls
        if budget.calls is not None and num_calls >= budget.calls:
            return f"{budget.calls} calls"
        if budget.tokens is not None:
            used_tokens = usage.input_tokens + usage.output_tokens + usage.cached_call_tokens
            if used_tokens + count_message_tokens(messages) > budget.tokens:
                return f"{budget.tokens} tokens"
        cost_usd = _add_costs(usage.cost_usd, usage.cached_call_cost_usd)
        if budget.cost_usd is not None and (cost_usd is None or cost_usd >= budget.cost_usd):
            return f"{budget.cost_usd} USD"
        if budget.seconds is not None and usage.seconds >= budget.seconds:
            return f"{budget.seconds:g} seconds"
        return None

    def _accounts(self, role: str) -> tuple[RoleUsage, RoleUsage]:
        """Return the total usage and the role's usage."""
        by_role = self._usage.by_role
        if role not in by_role:
            by_role[role] = RoleUsage()
        return self._usage, by_role[role]


parent_budget: ContextVar[BudgetTracker | None] = ContextVar("parent_budget", default=None)
"""Tracker of the current batch; every run in the batch counts toward it."""


def _add_costs(first: float | None, second: float | None) -> float | None:
    """Add two costs; None if either is unknown."""
    if first is None or second is None:
        return None
    return first + second
