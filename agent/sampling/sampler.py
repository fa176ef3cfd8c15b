"""Sample, judge and continue with any chat model.

Each operation has a native mode and a fallback; `Capabilities` records which one was used:

- `sample` requests n replies in one request if the model supports `n`, else in n concurrent requests;
- `probability` reads P(Yes) from logprobs (paper 1's binary classifier), else counts votes (verdicts.py);
- `continue_from` prefills the reply if the model is known to continue it (local models, providers that litellm lists,
  models with `supports_prefill`), else prompts for a continuation.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from selfcritic.agent.errors import (
    BudgetExhausted,
    CheckpointError,
    JudgeUnreadable,
    ModelError,
)
from selfcritic.agent.models.normalize import is_truncated
from selfcritic.agent.sampling.request import UNCAPPED, RequestPipeline
from selfcritic.agent.sampling.verdicts import (
    LogprobVerdict,
    YesProbability,
    count_votes,
    read_logprobs,
    read_vote,
)
from selfcritic.agent.schemas import Capabilities

_VOTES = 5
_REASONING_VOTES = 1
"""One verdict after thinking is worth more than five without, and costs as much."""
_MAX_QUOTED_CHARS = 80
_REQUEST_ERRORS = (BudgetExhausted, CheckpointError, ModelError)
"""Errors of one request; the replies of other requests are paid for and kept."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sampled reply."""

    text: str
    is_truncated: bool = False
    """Whether the reply stopped at its length limit."""


OnSample = Callable[[Sample], None]


@dataclass(frozen=True, slots=True)
class Sampler:
    """The model of one role."""

    pipeline: RequestPipeline
    retry_prompt: str
    """Asks for a verdict again after replies without one."""

    @property
    def capabilities(self) -> Capabilities:
        """Detected capabilities of the model."""
        return self.pipeline.capabilities

    def with_seed_offset(self, offset: int) -> "Sampler":
        """Return a sampler with the offset added to its seed, if any."""
        if self.pipeline.seed is None:
            return self
        return replace(self, pipeline=replace(self.pipeline, seed=self.pipeline.seed + offset))

    async def sample(
        self, messages: list[BaseMessage], n: int = 1, on_sample: OnSample | None = None
    ) -> list[Sample]:
        """Sample n replies; fewer if the budget runs out, the model fails or a request cannot be saved midway.

        `on_sample` is called with each reply when it has arrived, in any order.

        Raises:
            BudgetExhausted, CheckpointError, ModelError: There is no reply.
        """
        replies: list[Sample] = []
        is_native = n > 1 and "n" not in self.capabilities.rejected
        if is_native:
            replies = await self._send(messages, n=n)
        if n > 1:
            self.capabilities.n = "native" if len(replies) > 1 else "concurrent"
        if is_native and len(replies) == 1:
            self.capabilities.reject(["n"])
        if on_sample is not None:
            for reply in replies:
                on_sample(reply)
        missing = range(len(replies), n)
        replies += await self._sample_concurrently(
            messages, missing, has_replies=bool(replies), on_sample=on_sample
        )
        return replies[:n]

    async def sample_whole(self, messages: list[BaseMessage], n: int = 1) -> list[Sample]:
        """Sample n replies, and each truncated one once more with twice its length limit.

        A reply is still truncated if the second one is, or if it could not be sampled.
        """
        samples = await self.sample(messages, n)
        resampled = [
            self._sample_again(messages, sample, index) for index, sample in enumerate(samples)
        ]
        return list(await asyncio.gather(*resampled))

    async def _sample_again(
        self, messages: list[BaseMessage], sample: Sample, index: int
    ) -> Sample:
        if not sample.is_truncated:
            return sample
        limit = self._length_limit()
        max_tokens = limit * 2 if limit else None
        try:
            [second, *_] = await self._send(messages, index=index, max_tokens=max_tokens)
        except _REQUEST_ERRORS:
            return sample  # it is paid for, and better than nothing
        return second

    def _length_limit(self) -> int | None:
        """Return the limit that the run or the model sets for a reply's tokens."""
        if self.pipeline.max_tokens is not None:
            return self.pipeline.max_tokens
        return model_length_limit(self.pipeline.models[0])

    async def probability(
        self, messages: list[BaseMessage], num_votes: int | None = None
    ) -> YesProbability:
        """Return P(Yes) to the question that the messages ask.

        Raises:
            BudgetExhausted, CheckpointError, ModelError: There is no reply.
            JudgeUnreadable: No reply is a readable verdict, even when asked again.
        """
        texts: list[str] = []
        # Logprobs and votes are not comparable: a role that needed votes keeps to them.
        if (
            "logprobs" not in self.capabilities.rejected
            and self.capabilities.probability != "votes"
        ):
            reply, verdict = await self._send_verdict(messages)
            if verdict is not None:
                self.capabilities.probability = "logprobs"
                return YesProbability(verdict.probability, "logprobs")
            texts = [reply.text]
            if not reply.response_metadata.get("logprobs"):
                self.capabilities.reject(["logprobs"])
        self.capabilities.probability = "votes"
        votes = num_votes or self._default_votes()
        texts += await self._more_votes(messages, votes - len(texts), has_replies=bool(texts))
        if not any(map(read_vote, texts)):
            texts = await self._ask_again(messages, texts, votes)
        return count_votes(texts)

    async def _send_verdict(
        self, messages: list[BaseMessage]
    ) -> tuple[AIMessage, LogprobVerdict | None]:
        """Request a verdict with logprobs, limited to the tokens that sufficed before."""
        cap = None if self.capabilities.reasoning else self.capabilities.verdict_tokens
        if cap:
            [reply, *_] = await self.pipeline.send(
                messages, logprobs=True, max_tokens=cap, allow_empty=True
            )
            verdict = read_logprobs(reply)
            if verdict is not None:
                return reply, verdict
            self.capabilities.verdict_tokens = UNCAPPED
        [reply, *_] = await self.pipeline.send(messages, logprobs=True)
        verdict = read_logprobs(reply)
        if verdict is not None and self.capabilities.verdict_tokens is None:
            can_cap = verdict.position == 0 and not self.capabilities.reasoning
            self.capabilities.verdict_tokens = 1 if can_cap else UNCAPPED
        return reply, verdict

    def _default_votes(self) -> int:
        return _REASONING_VOTES if self.capabilities.reasoning else _VOTES

    async def _ask_again(
        self, messages: list[BaseMessage], texts: Sequence[str], votes: int
    ) -> list[str]:
        """Return votes on a stricter prompt, at least one of them readable."""
        first_text = texts[0]
        stricter = [*messages, AIMessage(first_text), HumanMessage(self.retry_prompt)]
        new_texts = [sample.text for sample in await self.sample(stricter, votes)]
        if not any(map(read_vote, new_texts)):
            start = " ".join(new_texts[0].split())[:_MAX_QUOTED_CHARS]
            raise JudgeUnreadable(
                f"The judge's replies are not Yes or No: '{start}'. Use another model for `judge`, "
                "or a prompt set in its language (`prompts`, `prompt_dir`)."
            )
        return new_texts

    async def continue_from(
        self,
        messages: list[BaseMessage],
        prefix: str,
        n: int = 1,
        *,
        suffix: str = "",
        fallback_messages: list[BaseMessage] | None = None,
    ) -> list[Sample]:
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
                return [
                    replace(reply, text=_join_prefill(prefix, suffix, reply.text))
                    for reply in replies
                ]
        self.capabilities.prefill = "prompted"
        replies = await self.sample(fallback_messages or messages, n)
        return [replace(reply, text=prefix + _from_first(suffix, reply.text)) for reply in replies]

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
            samples = await self.sample(messages, n)
        except _REQUEST_ERRORS:
            if has_replies:
                return []  # count the vote that is already paid for
            raise
        return [sample.text for sample in samples]

    async def _sample_concurrently(
        self,
        messages: list[BaseMessage],
        indices: Sequence[int],
        *,
        has_replies: bool,
        on_sample: OnSample | None = None,
    ) -> list[Sample]:
        """Send one request per reply, concurrently.

        Failed requests are skipped; raises only if there is no reply.
        """

        async def send(index: int) -> list[Sample]:
            replies = await self._send(messages, index=index)
            if on_sample is not None:
                on_sample(replies[0])
            return replies

        requests = [send(index) for index in indices]
        outcomes: list[Any] = await asyncio.gather(*requests, return_exceptions=True)
        replies = []
        errors = []
        for outcome in outcomes:
            if isinstance(outcome, _REQUEST_ERRORS):
                errors.append(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                replies += outcome[:1]
        if errors and not replies and not has_replies:
            raise errors[0]
        return replies

    async def _send(
        self,
        messages: list[BaseMessage],
        n: int = 1,
        index: int = 0,
        max_tokens: int | None = None,
    ) -> list[Sample]:
        replies = await self.pipeline.send(messages, n=n, index=index, max_tokens=max_tokens)
        return [Sample(str(reply.text), is_truncated(reply)) for reply in replies]


def model_length_limit(model: BaseChatModel) -> int | None:
    """Return the length limit of a model's replies in tokens, None if it has no setting."""
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"):
        limit = getattr(model, name, None)
        if isinstance(limit, int) and limit > 0:
            return limit
    return None


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
