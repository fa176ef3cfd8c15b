"""Numbers of replies: integers fit into checkpoints, and usage is not negative."""

from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from selfcritic.agent.errors import BudgetExhausted
from selfcritic.agent.models.bounds import bound_numbers
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.schemas import Budget

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(10**30), 10**30) | st.text("ab"),
    lambda items: st.lists(items) | st.dictionaries(st.text("ab"), items),
)


@given(st.dictionaries(st.text("ab"), VALUES))
def test_checkpoints_can_hold_the_metadata_of_replies(metadata: dict[str, Any]):
    reply = bound_numbers(AIMessage("a", response_metadata=metadata))
    ormsgpack.packb(reply.response_metadata)


def test_a_usual_reply_is_unchanged():
    reply = AIMessage(
        "a",
        response_metadata={"logprobs": {"content": [{"token": "a", "logprob": -1, "ok": True}]}},
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    )
    assert bound_numbers(reply) is reply


@pytest.mark.parametrize(("count", "expected"), [(-5, 0), (10**30, 10**12)])
def test_token_counts_are_bounded(count: int, expected: int):
    usage: Any = {
        "input_tokens": count,
        "output_tokens": 2,
        "total_tokens": 7,
        "input_token_details": {"cache_read": count},
    }
    reply = bound_numbers(AIMessage("a", usage_metadata=usage))
    assert reply.usage_metadata is not None
    assert reply.usage_metadata["input_tokens"] == expected
    assert reply.usage_metadata["input_token_details"]["cache_read"] == expected


def test_negative_usage_does_not_lower_what_is_spent():
    budget = BudgetTracker(Budget())
    budget.charge("critic", {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}, 0.5)
    budget.charge("critic", {"input_tokens": -50, "output_tokens": -2, "total_tokens": -52}, -0.5)
    assert (budget.usage.input_tokens, budget.usage.output_tokens) == (5, 2)
    assert budget.usage.cost_usd == 0.5


@pytest.mark.parametrize("cost_usd", [float("nan"), float("inf"), float("-inf")])
def test_a_cost_that_is_not_finite_is_unknown(cost_usd: float):
    parent = BudgetTracker(Budget(cost_usd=1.0))
    tracker = BudgetTracker(Budget(), parent=parent)
    tracker.charge("critic", None, cost_usd)
    assert tracker.usage.cost_usd is None
    with pytest.raises(BudgetExhausted, match=r"1\.0 USD"):
        parent.reserve("critic", [])
