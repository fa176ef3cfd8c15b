"""Read and estimate the token usage of requests."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.outputs import LLMResult

_CJK = re.compile(
    r"[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef]"
)
"""Chinese, Japanese and Korean characters and punctuation."""
_RUN = re.compile(r"([^\w])\1+")
"""Repeated spaces, dashes and so on, which are few tokens."""
_PIECE = re.compile(
    r"(?:[^\w\s]|_)?[^\W\d_]+(?:['’](?:s|t|re|ve|m|ll|d)\b)?|\d+|(?:[^\w\s]|_)+", re.IGNORECASE
)
"""Piece of text that byte-pair encodings rarely merge with its neighbors: at least one token."""
_TOKENS_PER_MESSAGE = 3
"""Tokens that a chat template adds to each message."""
_MIN_CHAR_SHARE = 0.6
_MIN_PIECE_SHARE = 0.7
"""A complete report has at least these shares of the low estimates of its texts."""
_MAX_RATIO = 2.0
"""A report about one text is at most this multiple of the text's estimate."""


class _Weights(NamedTuple):
    """Tokens per character."""

    ascii: float
    cjk: float
    other: float
    """Cyrillic, Arabic, Devanagari, emoji and so on."""


_TYPICAL = _Weights(0.25, 0.8, 0.5)
_LOW = _Weights(0.25, 0.6, 0.3)
"""Efficient tokenizers, such as o200k for Cyrillic and Qwen's for Chinese."""


class RequestUsage(UsageMetadata, total=False):
    """Usage of a request, with the tokens that were not reported."""

    estimated_tokens: int


def request_usage(replies: Sequence[AIMessage], result: LLMResult) -> UsageMetadata | None:
    """Return the token usage of a request, None if it was not reported.

    Chat models repeat it on every reply; without it on the replies, OpenAI's `token_usage` is read. llama.cpp reports
    the output of only one of n replies. If the reported output cannot hold all texts, an estimate replaces it.
    """
    usage = replies[0].usage_metadata if replies else None
    if usage is None:
        usage = _result_usage(result.llm_output or {}, is_required=not replies)
    if usage is None or len(replies) < 2:
        return usage
    texts = [str(reply.text) for reply in replies]
    reported_tokens = usage["output_tokens"]
    longest = max(count_tokens(text) for text in texts)
    is_about_one = reported_tokens <= _MAX_RATIO * longest
    if not is_about_one or reported_tokens >= _count_min_tokens(texts):
        return usage
    output_tokens = _estimate_output(texts, reported_tokens)
    return cast(
        UsageMetadata,
        {
            **usage,
            "output_tokens": output_tokens,
            "total_tokens": usage["input_tokens"] + output_tokens,
            "estimated_tokens": output_tokens - reported_tokens,
        },
    )


def estimated_tokens(usage: UsageMetadata) -> int:
    """Return how many tokens of a usage are estimated."""
    return cast(RequestUsage, usage).get("estimated_tokens", 0)


def estimate_usage(messages: Iterable[BaseMessage], replies: Iterable[AIMessage]) -> UsageMetadata:
    """Estimate the tokens of a request that the provider did not report."""
    input_tokens = count_message_tokens(messages)
    output_tokens = sum(count_tokens(str(reply.text)) for reply in replies)
    total_tokens = input_tokens + output_tokens
    usage = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": total_tokens,
        "estimated_tokens": total_tokens,
    }
    return cast(UsageMetadata, usage)


def count_tokens(text: str) -> int:
    """Estimate the tokens of a text in any language."""
    return round(_weigh(text, _TYPICAL))


def count_message_tokens(messages: Iterable[BaseMessage]) -> int:
    """Estimate the input tokens of a request."""
    return sum(count_tokens(str(message.text)) + _TOKENS_PER_MESSAGE for message in messages)


def _estimate_output(texts: Sequence[str], reported_tokens: int) -> int:
    """Estimate the tokens of all texts from a report about one of them.

    The report calibrates the estimate to the model's tokenizer; it is assumed to be about the longest text.
    """
    estimates = [count_tokens(text) for text in texts]
    calibrated = reported_tokens * sum(estimates) / max(*estimates, 1)
    return max(sum(estimates), round(calibrated))


def _count_min_tokens(texts: Sequence[str]) -> float:
    """Return fewer tokens than any usual tokenizer makes of the texts."""
    low_estimate = 0.0
    num_pieces = 0
    for text in texts:
        low_estimate += _weigh(_RUN.sub(r"\1", text), _LOW)
        num_pieces += len(_PIECE.findall(text))
    return max(_MIN_CHAR_SHARE * low_estimate, _MIN_PIECE_SHARE * num_pieces)


def _weigh(text: str, weights: _Weights) -> float:
    num_ascii = len(text.encode("ascii", "ignore"))
    num_cjk = len(_CJK.findall(text))
    num_other = len(text) - num_ascii - num_cjk
    return num_ascii * weights.ascii + num_cjk * weights.cjk + num_other * weights.other


def _result_usage(llm_output: Mapping[str, Any], *, is_required: bool) -> UsageMetadata | None:
    """Convert OpenAI's `token_usage`; zeros if it is missing but required."""
    usage = llm_output.get("token_usage") or {}
    if not usage and not is_required:
        return None
    input_tokens = usage.get("prompt_tokens") or 0
    output_tokens = usage.get("completion_tokens") or 0
    input_details = usage.get("prompt_tokens_details") or {}
    output_details = usage.get("completion_tokens_details") or {}
    return UsageMetadata(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
        input_token_details=InputTokenDetails(cache_read=input_details.get("cached_tokens") or 0),
        output_token_details=OutputTokenDetails(
            reasoning=output_details.get("reasoning_tokens") or 0
        ),
    )
