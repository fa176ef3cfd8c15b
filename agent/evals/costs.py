"""Divide the usage of a request among its results."""

from typing import Any

from selfcritic.agent.schemas import Usage


def split_usage(usage: Usage, count: int) -> list[dict[str, Any]]:
    """Return the `calls`, `tokens`, `cost_usd` and `seconds` of each of `count` results.

    Their sum is the usage. Replies from a cache count as if they had been sent; their seconds are unknown.
    """
    calls = usage.calls + usage.cached_calls
    tokens = usage.input_tokens + usage.output_tokens + usage.cached_call_tokens
    cost: float | None = None
    if usage.cost_usd is not None and usage.cached_call_cost_usd is not None:
        cost = usage.cost_usd + usage.cached_call_cost_usd
    shares: list[dict[str, Any]] = []
    for index in range(count):
        share = {
            "calls": _share(calls, count, index),
            "tokens": _share(tokens, count, index),
            "cost_usd": None if cost is None else cost / count,
            "seconds": None if usage.cached_calls else usage.seconds / count,
        }
        shares.append(share)
    return shares


def _share(total: int, count: int, index: int) -> int:
    """Return a share of a whole number; the first ones get the rest."""
    return total // count + (index < total % count)
