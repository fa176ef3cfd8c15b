"""Check what a chat model can do for the loop, with about a dozen small requests."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from textwrap import shorten

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from selfcritic import prompts
from selfcritic.agent.critic.examples import prompt_examples
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models.base import LocalChatModel
from selfcritic.agent.models.normalize import is_truncated
from selfcritic.agent.sampling.budget import BudgetTracker
from selfcritic.agent.sampling.capabilities import recall
from selfcritic.agent.sampling.request import RequestPipeline
from selfcritic.agent.sampling.sampler import Sample, Sampler
from selfcritic.agent.sampling.usage import count_message_tokens, count_tokens
from selfcritic.agent.schemas import Budget, Retries
from selfcritic.graphs.cli.model_probes import FREE_PROBE, TASK_PROBE, Probe
from selfcritic.graphs.cli.model_report import (
    LOOP_CRITIQUES,
    LOOP_VOTES,
    Finding,
    ModelReport,
    Status,
    count_round_calls,
)

_MAX_CALLS = 60
_RETRIES = Retries(tries=2, startup_seconds=0)
_NUM_SAMPLES = 3
_VOTES = 3
_SEED = 7
_THRESHOLD = 0.5
"""The default of `accept_threshold` and `helpful_threshold`."""
_MAX_TOKEN_RATIO = 4.0
"""A reported number of input tokens differs from the estimate by at most this factor."""
_MAX_QUOTED_CHARS = 50
_MAX_OUTPUT_RATIO = 3
"""A reply has at most this many words for each token of its length limit."""


async def check_model(model: BaseChatModel) -> ModelReport:
    """Send the requests and report what works; raises no model error."""
    budget = BudgetTracker(Budget(calls=_MAX_CALLS))
    checks = _Checks(model, budget)
    findings: list[Finding] = []
    for check in checks.all():
        findings += await check()
        if not checks.has_replied:
            break
    judged = [finding for finding in findings if finding.name in ("verdicts", "helpfulness")]
    is_usable = bool(judged) and all(finding.status != "no" for finding in judged)
    calls_per_round = None
    if is_usable:
        calls_per_round = count_round_calls(checks.sampler.capabilities)
    return ModelReport(findings, budget.usage, is_usable, calls_per_round)


class _Checks:
    """The checks of one model, which share what they learn about it."""

    def __init__(self, model: BaseChatModel, budget: BudgetTracker) -> None:
        self.has_replied = False
        self._model = model
        self._budget = budget
        self._probe: Probe = FREE_PROBE
        if isinstance(model, LocalChatModel):
            self._probe = TASK_PROBE
        self._prompts = prompts.load()
        pipeline = RequestPipeline(
            models=[model],
            role="check",
            budget=budget,
            capabilities=recall(model),
            retries=_RETRIES,
        )
        self.sampler = Sampler(pipeline, retry_prompt=self._prompts.retry_verdict)
        self._samples: list[Sample] = []
        """Replies to one prompt, without a seed."""

    def all(self) -> list[Callable[[], Awaitable[list[Finding]]]]:
        """Return the checks in the order in which they learn about the model."""
        checks = [
            self._check_reply,
            self._guard("length limit", self._check_length_limit),
            self._guard("n", self._check_n),
            self._guard("seed", self._check_seed),
            self._guard("prefill", self._check_prefill),
            self._guard("verdicts", self._check_verdicts),
            self._guard("helpfulness", self._check_helpfulness),
            self._check_logprobs,
            self._guard("quotes", self._check_quotes),
            self._check_thinking,
        ]
        if not isinstance(self._model, LocalChatModel):
            checks.append(self._check_context_size)
        return checks

    def _guard(
        self, name: str, check: Callable[[], Awaitable[Finding]]
    ) -> Callable[[], Awaitable[list[Finding]]]:
        """Turn an error of a check into its finding."""

        async def guarded() -> list[Finding]:
            try:
                return [await check()]
            except SelfcriticError as error:
                return [Finding(name, "no", str(error))]

        return guarded

    async def _check_reply(self) -> list[Finding]:
        messages = self._render("generate", question=self._probe.question)
        try:
            [reply, *_] = await self.sampler.pipeline.send(messages)
        except SelfcriticError as error:
            return [Finding("reply", "no", str(error))]
        self.has_replied = True
        text = " ".join(reply.text.split())
        finding = Finding("reply", "yes", f'"{shorten(text, _MAX_QUOTED_CHARS, placeholder=" …")}"')
        return [finding, _check_usage(messages, reply), self._check_price(reply)]

    def _check_price(self, reply: AIMessage) -> Finding:
        cost = reply.response_metadata.get("cost_usd")
        if cost is not None:
            return Finding("price", "yes", f"{cost:.6f} USD for the first reply")
        return Finding(
            "price",
            "no",
            "litellm does not know it",
            "--max-cost needs it: add ?input_cost_per_token=X&output_cost_per_token=X to the name "
            "(0 for a model of yours)",
        )

    async def _check_length_limit(self) -> Finding:
        limit = self._probe.length_limit
        messages = self._render("generate", question=self._probe.long_question)
        [reply, *_] = await self.sampler.pipeline.send(messages, max_tokens=limit, allow_empty=True)
        num_words = len(reply.text.split())
        if "max_tokens" in self.sampler.capabilities.rejected:
            return Finding("length limit", "no", "the provider rejects max_tokens")
        if num_words > limit * _MAX_OUTPUT_RATIO:
            return Finding(
                "length limit",
                "no",
                f"{num_words} words for a limit of {limit} tokens",
                "--max-output-tokens has no effect",
            )
        if not reply.text.strip():
            return Finding(
                "length limit",
                "partly",
                f"no reply within {limit} tokens: the limit includes thinking",
                "leave room for it, as in --max-output-tokens 4000",
            )
        if is_truncated(reply):
            return Finding("length limit", "yes", "a reply that was cut off is marked")
        if _count_output(reply) < limit:
            return Finding("length limit", "unknown", "the reply was shorter than the limit")
        return Finding(
            "length limit",
            "partly",
            "a reply that was cut off is not marked (finish_reason)",
            "the loop cannot see that a draft is incomplete: use a high --max-output-tokens",
        )

    async def _check_n(self) -> Finding:
        estimated_before = self._budget.usage.estimated_tokens
        messages = self._render("generate", question=self._probe.open_question)
        self._samples = await self.sampler.sample(messages, _NUM_SAMPLES)
        num_estimated = self._budget.usage.estimated_tokens - estimated_before
        if self.sampler.capabilities.n != "native":
            return Finding(
                "n",
                "no",
                "one request for each reply",
                f"{LOOP_CRITIQUES} critiques take {LOOP_CRITIQUES} requests instead of one",
            )
        if num_estimated:
            return Finding(
                "n",
                "partly",
                f"{_NUM_SAMPLES} replies in one request; the tokens of one are reported",
                f"usage adds an estimate ({num_estimated} tokens here)",
            )
        return Finding("n", "yes", f"{_NUM_SAMPLES} replies in one request")

    async def _check_seed(self) -> Finding:
        messages = self._render("generate", question=self._probe.open_question)
        pipeline = replace(self.sampler.pipeline, seed=_SEED)
        first = await pipeline.send(messages)
        second = await pipeline.send(messages)
        if "seed" in self.sampler.capabilities.rejected:
            return Finding("seed", "no", "the provider rejects it", "--seed has no effect")
        if len({sample.text for sample in self._samples}) < 2:
            return Finding("seed", "unknown", "all replies are the same, with or without a seed")
        if first[0].text == second[0].text:
            return Finding("seed", "yes", "equal seeds give equal replies")
        return Finding(
            "seed", "no", "equal seeds give different replies", "runs are not repeatable"
        )

    async def _check_prefill(self) -> Finding:
        knows_prefill = await asyncio.to_thread(getattr, self._model, "supports_prefill", False)
        if self._probe.prefix is None:
            status: Status = "yes" if knows_prefill else "no"
            return Finding("prefill", status, "as this model declares")
        messages: list[BaseMessage] = [HumanMessage(self._probe.prefix_question)]
        try:
            [sample] = await self.sampler.sample([*messages, AIMessage(self._probe.prefix)])
        except SelfcriticError as error:
            return Finding(
                "prefill", "no", str(error), "the loop prompts for continuations instead"
            )
        continues = sample.text.strip().casefold().startswith(self._probe.next_word)
        if continues and not knows_prefill:
            return Finding(
                "prefill",
                "partly",
                "the model continues a reply, but litellm does not list it",
                "add ?prefill=true to the name, for --search fsbs",
            )
        if continues:
            return Finding("prefill", "yes", "the model continues a reply")
        return Finding(
            "prefill",
            "no",
            "the model starts a new reply",
            "the loop prompts for continuations instead (--search fsbs)",
        )

    async def _check_verdicts(self) -> Finding:
        probe = self._probe
        right = await self._p_yes("classify", answer=probe.right)
        wrong = await self._p_yes("classify", answer=probe.wrong)
        details = f"P(flaw) {wrong:.2f} for a wrong draft, {right:.2f} for a right one"
        if wrong >= _THRESHOLD > right:
            return Finding("verdicts", "yes", details)
        return Finding(
            "verdicts",
            "partly",
            details,
            "readable, but not right: use a larger model as the judge",
        )

    async def _check_helpfulness(self) -> Finding:
        probe = self._probe
        good = await self._p_yes("helpfulness", answer=probe.wrong, critique=probe.right_critique)
        bad = await self._p_yes("helpfulness", answer=probe.right, critique=probe.wrong_critique)
        details = f"P(helpful) {good:.2f} for a right critique, {bad:.2f} for a wrong one"
        if good > _THRESHOLD >= bad:
            return Finding("helpfulness", "yes", details)
        return Finding(
            "helpfulness",
            "partly",
            details,
            "readable, but not right: use a larger model as the judge",
        )

    async def _check_logprobs(self) -> list[Finding]:
        method = self.sampler.capabilities.probability
        if method is None:
            return [Finding("logprobs", "unknown", "no verdict was read")]
        if method == "logprobs":
            return [Finding("logprobs", "yes", "a verdict takes one request")]
        votes = 1 if self.sampler.capabilities.reasoning else LOOP_VOTES
        return [
            Finding(
                "logprobs",
                "no",
                f"a verdict is the share of {votes} votes",
                "choose a judge with logprobs, or set num_votes",
            )
        ]

    async def _check_quotes(self) -> Finding:
        messages = self._render("critique", answer=self._probe.wrong)
        samples = await self.sampler.sample(messages, _NUM_SAMPLES)
        examples = prompt_examples(self._prompts)
        num_grounded = 0
        for sample in samples:
            critique = ground(sample.text, self._probe.wrong, examples=examples)
            num_grounded += bool(critique.comments)
        details = f"{num_grounded} of {len(samples)} critiques quote the draft"
        if num_grounded == len(samples):
            return Finding("quotes", "yes", details)
        hint = "critiques without a quote are not used; try --critic with a larger model"
        status: Status = "partly" if num_grounded else "no"
        return Finding("quotes", status, details, hint)

    async def _check_thinking(self) -> list[Finding]:
        if not self.sampler.capabilities.reasoning:
            return [Finding("thinking", "no", "the model replies at once")]
        hint = "verdicts think too: ?reasoning_effort=low makes them cheaper, if supported"
        return [Finding("thinking", "yes", "removed from replies", hint)]

    async def _check_context_size(self) -> list[Finding]:
        size = await asyncio.to_thread(_context_size, self._model)
        if size is None:
            hint = "see the server's settings: some servers cut longer prompts without an error"
            return [Finding("context size", "unknown", "not reported", hint)]
        return [Finding("context size", "yes", f"{size:,} tokens")]

    async def _p_yes(self, name: prompts.PromptName, **data: str) -> float:
        votes = 1 if self.sampler.capabilities.reasoning else _VOTES
        verdict = await self.sampler.probability(self._render(name, **data), votes)
        return verdict.probability

    def _render(self, name: prompts.PromptName, **data: str) -> list[BaseMessage]:
        data = {"question": self._probe.question, **data}
        return self._prompts.render(name, "question", **data)


def _check_usage(messages: list[BaseMessage], reply: AIMessage) -> Finding:
    usage = reply.usage_metadata
    hint = "--max-tokens and --max-cost are not exact; use --max-calls"
    if usage is None or not usage["input_tokens"] + usage["output_tokens"]:
        return Finding("usage", "no", "the tokens of a reply are not reported", hint)
    details = f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out"
    expected = count_message_tokens(messages)
    is_plausible = (
        expected / _MAX_TOKEN_RATIO <= usage["input_tokens"] <= expected * _MAX_TOKEN_RATIO
    )
    if is_plausible and usage["output_tokens"]:
        return Finding("usage", "yes", details)
    return Finding("usage", "partly", f"{details}, for a prompt of about {expected}", hint)


def _count_output(reply: AIMessage) -> int:
    """Return the tokens of a reply, estimated if they are not reported."""
    if reply.usage_metadata is not None and reply.usage_metadata["output_tokens"]:
        return reply.usage_metadata["output_tokens"]
    return count_tokens(reply.text)


def _context_size(model: BaseChatModel) -> int | None:
    """Return the context size in tokens that the model's client knows; may import litellm."""
    size = getattr(model, "context_size", None)
    if isinstance(size, int):
        return size
    profile = getattr(model, "profile", None) or {}
    size = profile.get("max_input_tokens")
    return size if isinstance(size, int) else None
