"""Usage that servers report, and estimates of what they leave out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import LLMResult

from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.sampling.usage import (
    count_message_tokens,
    count_tokens,
    estimated_tokens,
    request_usage,
)
from selfcritic.agent.schemas import Budget, RoleUsage, Usage

# Two replies of 40 tokens each.
PARIS = (
    "Paris is the capital of France, and it has been the seat of the government for most of the "
    "last thousand years. About two million people live in the city itself, and many more around it."
)
CODE = (
    "def mean(values):\n    if not values:\n        raise ValueError('no values')\n"
    "    return sum(values) / len(values)\n\n\nprint(mean([1, 2, 3]))\n"
)
CHINESE = "法国的首都是巴黎，它位于塞纳河畔，人口约二百万，是欧洲最大的城市之一，也是世界著名的旅游目的地。"
NO_RESULT = LLMResult(generations=[])


def reported(output_tokens: int, *texts: str) -> list[AIMessage]:
    """Return replies whose usage is repeated on each, as langchain-openai does."""
    usage = {
        "input_tokens": 10,
        "output_tokens": output_tokens,
        "total_tokens": 10 + output_tokens,
    }
    return [AIMessage(text, usage_metadata=usage) for text in texts]


def test_estimates_two_choices_that_are_reported_as_one():
    usage = request_usage(reported(40, PARIS, PARIS), NO_RESULT)
    assert usage is not None
    assert 75 <= usage["output_tokens"] <= 100
    assert usage["total_tokens"] == 10 + usage["output_tokens"]
    assert estimated_tokens(usage) == usage["output_tokens"] - 40


@pytest.mark.parametrize("text", [PARIS, CODE, CHINESE])
def test_estimates_eight_choices_that_are_reported_as_one(text: str):
    one = {PARIS: 40, CODE: 45, CHINESE: 32}[text]
    usage = request_usage(reported(one, *[text] * 8), NO_RESULT)
    assert usage is not None
    assert 6.5 * one <= usage["output_tokens"] <= 12 * one


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (PARIS, 38),
        (CODE, 40),
        (CHINESE, 30),
        ("Москва — столица России, город федерального значения.", 14),
        ("=" * 200, 3),
        (" " * 400 + "end", 5),
        ("internationalization, telecommunications, characterization", 9),
        ("Yes", 1),
        ("", 0),
    ],
)
@pytest.mark.parametrize("n", [2, 3, 8])
def test_keeps_correct_reports(text: str, tokens: int, n: int):
    usage = request_usage(reported(tokens * n, *[text] * n), NO_RESULT)
    assert usage is not None
    assert usage["output_tokens"] == tokens * n
    assert estimated_tokens(usage) == 0


def test_keeps_the_report_of_a_single_reply():
    usage = request_usage(reported(3, PARIS), NO_RESULT)
    assert usage is not None
    assert (usage["output_tokens"], estimated_tokens(usage)) == (3, 0)


@given(st.lists(st.text(), max_size=4), st.integers(0, 200))
def test_never_counts_less_than_reported(texts: list[str], tokens: int):
    usage = request_usage(reported(tokens, *texts), NO_RESULT)
    assert usage is not None
    if texts:
        assert usage["output_tokens"] >= tokens
        assert estimated_tokens(usage) == usage["output_tokens"] - tokens


def test_estimates_short_texts_without_error():
    usage = request_usage(reported(0, "a", ""), NO_RESULT)
    assert usage is not None
    assert usage["output_tokens"] == 0


def test_reads_token_usage_without_metadata_on_the_replies():
    token_usage = {
        "prompt_tokens": 5,
        "completion_tokens": 60,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 50},
    }
    result = LLMResult(generations=[], llm_output={"token_usage": token_usage})
    for replies in ([], [AIMessage("Yes")]):
        usage = request_usage(replies, result)
        assert usage is not None
        assert (usage["input_tokens"], usage["output_tokens"]) == (5, 60)
        assert usage["input_token_details"]["cache_read"] == 4
        assert usage["output_token_details"]["reasoning"] == 50
    assert request_usage([AIMessage("Yes")], NO_RESULT) is None


def test_charges_reasoning_and_estimated_tokens():
    tracker = BudgetTracker(Budget())
    replies = reported(40, PARIS, PARIS)
    assert replies[0].usage_metadata is not None
    replies[0].usage_metadata["output_token_details"] = {"reasoning": 7}
    tracker.charge("critic", request_usage(replies, NO_RESULT), None)
    role_usage = tracker.usage.by_role["critic"]
    assert role_usage.reasoning_tokens == 7
    assert role_usage.estimated_tokens == role_usage.output_tokens - 40 > 0
    restored = BudgetTracker(Budget())
    restored.add(tracker.usage)
    assert restored.usage.by_role["critic"] == role_usage
    assert restored.usage.estimated_tokens == role_usage.estimated_tokens


def test_adds_saved_usage_of_all_kinds():
    role_usage = RoleUsage(
        calls=1,
        input_tokens=2,
        output_tokens=3,
        cached_tokens=4,
        reasoning_tokens=5,
        estimated_tokens=6,
        cost_usd=7.0,
    )
    tracker = BudgetTracker(Budget())
    tracker.add(Usage(by_role={"judge": role_usage}))
    assert tracker.usage.by_role["judge"] == role_usage


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("法国的首都是巴黎，它位于塞纳河。" * 60, 600, 960),  # 960 characters
        ("これは日本語の文章です。" * 80, 600, 960),
        ("안녕하세요 여러분 " * 96, 600, 960),
        ("The quick brown fox jumps over the lazy dog. " * 20, 180, 260),
        ("Москва — столица России. " * 40, 250, 600),
        ("", 0, 0),
    ],
)
def test_estimates_tokens_in_any_language(text: str, low: int, high: int):
    assert low <= count_tokens(text) <= high
    message_tokens = count_message_tokens([HumanMessage(text)])
    assert low <= message_tokens <= high + 5
