"""Divide the usage of a request among its results."""

from typing import Any

from selfcritic.agent.schemas import Usage


def split_usage(usage: Usage, count: int) -> list[dict[str, Any]]:
    """Return the `calls`, `tokens` and `cost_usd` of each of `count` results; their sum is the usage."""
    tokens = usage.input_tokens + usage.output_tokens
    shares: list[dict[str, Any]] = []
    for index in range(count):
        cost = None if usage.cost_usd is None else usage.cost_usd / count
        share = {
            "calls": _share(usage.calls, count, index),
            "tokens": _share(tokens, count, index),
            "cost_usd": cost,
        }
        shares.append(share)
    return shares


def _share(total: int, count: int, index: int) -> int:
    """Return a share of a whole number; the first ones get the rest."""
    return total // count + (index < total % count)
