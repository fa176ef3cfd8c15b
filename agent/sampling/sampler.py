"""Sample, judge and continue with any chat model.

Each operation has a native mode and a fallback; `Capabilities` records which one was used:

- `sample` requests n replies in one request if the model supports `n`, else in n concurrent requests;
- `probability` reads P(Yes) from the logprobs of the first Yes or No token (paper 1's binary classifier), else counts
  votes;
- `continue_from` prefills the reply if the model is known to continue it (local models, providers that litellm lists,
  models with `supports_prefill`), else prompts for a continuation.
"""

import asyncio
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage

from selfcritic.agent.errors import BudgetExhausted, ModelError
from selfcritic.agent.sampling.request import RequestPipeline
from selfcritic.agent.schemas import Capabilities

_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True)
class YesProbability:
    """P(Yes) and how it was measured."""

    probability: float
    judged_by: Literal["logprobs", "votes"]


@dataclass(frozen=True)
class Sampler:
    """The model of one role."""

    pipeline: RequestPipeline

    @property
    def capabilities(self) -> Capabilities:
        """Detected capabilities of the model."""
        return self.pipeline.capabilities

    def with_seed_offset(self, offset: int) -> "Sampler":
        """Return a sampler with the offset added to its seed, if any."""
        if self.pipeline.seed is None:
            return self
        return Sampler(replace(self.pipeline, seed=self.pipeline.seed + offset))

    async def sample(self, messages: list[BaseMessage], n: int = 1) -> list[str]:
        """Sample n replies; fewer if the budget runs out or the model fails midway.

        Raises:
            BudgetExhausted, ModelError: There is no reply.
        """
        replies: list[str] = []
        is_native = n > 1 and "n" not in self.capabilities.rejected
        if is_native:
            replies = await self._send(messages, n=n)
        if n > 1:
            self.capabilities.n = "native" if len(replies) > 1 else "concurrent"
        if is_native and len(replies) == 1:
            self.capabilities.reject(["n"])
        missing = range(len(replies), n)
        replies += await self._sample_concurrently(messages, missing, has_replies=bool(replies))
        return replies[:n]

    async def probability(self, messages: list[BaseMessage], votes: int = 5) -> YesProbability:
        """Return P(Yes) to the question that the messages ask.

        Raises:
            BudgetExhausted, ModelError: There is no reply.
        """
        replies: list[str] = []
        if "logprobs" not in self.capabilities.rejected:
            [reply, *_] = await self.pipeline.send(messages, logprobs=True)
            probability = probability_of_yes(reply)
            if probability is not None:
                self.capabilities.probability = "logprobs"
                return YesProbability(probability, "logprobs")
            replies = [str(reply.text)]
            if not reply.response_metadata.get("logprobs"):
                self.capabilities.reject(["logprobs"])
        self.capabilities.probability = "votes"
        replies += await self._more_votes(messages, votes - len(replies), has_replies=bool(replies))
        return YesProbability(_share_of_yes(replies), "votes")

    async def continue_from(
        self,
        messages: list[BaseMessage],
        prefix: str,
        n: int = 1,
        *,
        suffix: str = "",
        fallback_messages: list[BaseMessage] | None = None,
    ) -> list[str]:
        """Sample n replies that begin with `prefix + suffix`; each is returned whole.

        Models without prefill get `fallback_messages` (by default the same messages); their reply, from the first
        `suffix` on, is appended to the prefix.
        """
        if "prefill" not in self.capabilities.rejected and await self._supports_prefill():
            try:
                replies = await self.sample([*messages, AIMessage(prefix + suffix)], n)
            except ModelError as error:
                if not error.is_rejection:
                    raise
                self.capabilities.reject(["prefill"])
            else:
                self.capabilities.prefill = "native"
                return [_join_prefill(prefix, suffix, reply) for reply in replies]
        self.capabilities.prefill = "prompted"
        replies = await self.sample(fallback_messages or messages, n)
        return [prefix + _from_first(suffix, reply) for reply in replies]

    async def _supports_prefill(self) -> bool:
        """Whether all models of the role continue a prefill."""
        for model in self.pipeline.models:
            # In a thread: the property may import litellm.
            if not await asyncio.to_thread(getattr, model, "supports_prefill", False):
                return False
        return True

    async def _more_votes(
        self, messages: list[BaseMessage], n: int, *, has_replies: bool
    ) -> list[str]:
        if n <= 0:
            return []
        try:
            return await self.sample(messages, n)
        except (BudgetExhausted, ModelError):
            if has_replies:
                return []  # count the vote that is already paid for
            raise

    async def _sample_concurrently(
        self, messages: list[BaseMessage], indices: Sequence[int], *, has_replies: bool
    ) -> list[str]:
        """Send one request per reply, concurrently.

        Failed requests are skipped; raises only if there is no reply.
        """
        requests = [self._send(messages, index=index) for index in indices]
        outcomes: list[Any] = await asyncio.gather(*requests, return_exceptions=True)
        replies = []
        errors = []
        for outcome in outcomes:
            if isinstance(outcome, BudgetExhausted | ModelError):
                errors.append(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                replies += outcome[:1]
        if errors and not replies and not has_replies:
            raise errors[0]
        return replies

    async def _send(self, messages: list[BaseMessage], n: int = 1, index: int = 0) -> list[str]:
        replies = await self.pipeline.send(messages, n=n, index=index)
        return [str(reply.text) for reply in replies]


def _join_prefill(prefix: str, suffix: str, reply: str) -> str:
    """Return the whole reply, even if the model repeated the prefill or suffix."""
    stripped = reply.lstrip()
    if stripped.startswith(prefix + suffix):
        return stripped if prefix or suffix else reply
    if suffix and stripped.startswith(suffix):
        return prefix + stripped
    return prefix + suffix + reply


def _from_first(suffix: str, reply: str) -> str:
    start = max(reply.find(suffix), 0)
    return reply[start:]


def probability_of_yes(reply: AIMessage) -> float | None:
    """Return P(Yes) / (P(Yes) + P(No)), or None without logprobs.

    Reads the first token that is Yes or No, in any spelling.
    """
    logprobs = reply.response_metadata.get("logprobs") or {}
    for token in logprobs.get("content") or []:
        if _yes_or_no(token["token"]) is None:
            continue
        mass = {True: 0.0, False: 0.0}
        for option in token.get("top_logprobs") or [token]:
            vote = _yes_or_no(option["token"])
            if vote is not None:
                mass[vote] += math.exp(option["logprob"])
        total = mass[True] + mass[False]
        return mass[True] / total if total else None
    return None


def _share_of_yes(replies: Sequence[str]) -> float:
    votes = [vote for vote in map(_yes_or_no, replies) if vote is not None]
    return sum(votes) / len(votes) if votes else 0.5


def _yes_or_no(text: str) -> bool | None:
    match = _YES_OR_NO.match(text)
    return match[1].lower() == "yes" if match else None
