"""Check how a model takes requests: replies, tokens, prices and parameters."""

import asyncio
from dataclasses import replace
from textwrap import shorten

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models.errors import NO_MODEL_HINT
from selfcritic.agent.models.normalize import is_truncated
from selfcritic.agent.sampling.capabilities import remember
from selfcritic.agent.sampling.usage import count_message_tokens, count_tokens
from selfcritic.agent.schemas import Capabilities
from selfcritic.graphs.cli.model_report import LOOP_CRITIQUES, Finding, Status
from selfcritic.graphs.cli.model_server_checks import describe_names, served_models
from selfcritic.graphs.cli.model_session import NUM_SAMPLES, CheckSession

_SEED = 7
_GROUP_TOKENS = 16
"""Length limit of replies that are only counted."""
_MAX_TOKEN_RATIO = 4.0
"""A reported number of input tokens differs from the estimate by at most this factor."""
_MAX_QUOTED_CHARS = 50
_MAX_OUTPUT_RATIO = 3
"""A reply has at most this many words for each token of its length limit."""


async def check_reply(session: CheckSession) -> list[Finding]:
    """Check the first reply, its tokens and its price."""
    messages = session.render("generate", question=session.probe.question)
    try:
        [reply, *_] = await session.sampler.pipeline.send(messages)
    except SelfcriticError as error:
        return [Finding("reply", "no", str(error), await _suggest_names(error, session))]
    session.has_replied = True
    text = " ".join(reply.text.split())
    finding = Finding("reply", "yes", f'"{shorten(text, _MAX_QUOTED_CHARS, placeholder=" …")}"')
    return [finding, _check_usage(messages, reply), _check_price(reply)]


async def _suggest_names(error: SelfcriticError, session: CheckSession) -> str:
    """Return the names that the server lists if the model's is unknown."""
    if NO_MODEL_HINT not in str(error):
        return ""
    names = await asyncio.to_thread(served_models, session.model)
    return f"the server lists {describe_names(names)}" if names else ""


async def check_length_limit(session: CheckSession) -> Finding:
    """Check whether a long reply is cut off and marked."""
    limit = session.probe.length_limit
    messages = session.render("generate", question=session.probe.long_question)
    [reply, *_] = await session.sampler.pipeline.send(messages, max_tokens=limit, allow_empty=True)
    num_words = len(reply.text.split())
    if "max_tokens" in session.sampler.capabilities.rejected:
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


async def check_n(session: CheckSession) -> Finding:
    """Check how many replies one request may ask for; the loop samples its critiques so."""
    estimated_before = session.budget.usage.estimated_tokens
    messages = session.render("generate", question=session.probe.open_question)
    session.samples = await session.sampler.sample(messages, NUM_SAMPLES)
    num_estimated = session.budget.usage.estimated_tokens - estimated_before
    hint = f"{LOOP_CRITIQUES} critiques take {LOOP_CRITIQUES} requests instead of one"
    if session.sampler.capabilities.n != "native":
        if await _accepts(session, messages, 2):
            return Finding("n", "no", "up to 2 replies in one request", hint)
        return Finding("n", "no", "one request for each reply", hint)
    if not await _accepts(session, messages, LOOP_CRITIQUES):
        details = f"{NUM_SAMPLES} replies in one request, but not {LOOP_CRITIQUES}"
        few = f"--num-critiques {NUM_SAMPLES} takes one request; {hint}"
        return Finding("n", "partly", details, few)
    details = f"{LOOP_CRITIQUES} replies in one request"
    if num_estimated:
        return Finding(
            "n",
            "partly",
            f"{details}; the tokens of one are reported",
            f"usage adds an estimate ({num_estimated} tokens for {NUM_SAMPLES} replies here)",
        )
    return Finding("n", "yes", details)


async def _accepts(session: CheckSession, messages: list[BaseMessage], n: int) -> bool:
    """Return whether a request for n short replies gets as many."""
    known = session.sampler.capabilities
    # Only `n` is tried again; what this request learns is about its size.
    rejected = [name for name in known.rejected if name != "n"]
    capabilities = Capabilities(rejected=rejected, reasoning=known.reasoning)
    pipeline = replace(session.sampler.pipeline, capabilities=capabilities)
    try:
        replies = await pipeline.send(
            messages, n=n, max_tokens=_GROUP_TOKENS, allow_empty=True, logprobs=False
        )
    except SelfcriticError:
        return False
    finally:
        remember(pipeline.models, known)
    return len(replies) == n


async def check_seed(session: CheckSession) -> Finding:
    """Check whether equal seeds give equal replies."""
    messages = session.render("generate", question=session.probe.open_question)
    pipeline = replace(session.sampler.pipeline, seed=_SEED)
    first = await pipeline.send(messages)
    second = await pipeline.send(messages)
    if "seed" in session.sampler.capabilities.rejected:
        return Finding("seed", "no", "the provider rejects it", "--seed has no effect")
    if len({sample.text for sample in session.samples}) < 2:
        return Finding("seed", "unknown", "all replies are the same, with or without a seed")
    if first[0].text == second[0].text:
        return Finding("seed", "yes", "equal seeds give equal replies")
    return Finding("seed", "no", "equal seeds give different replies", "runs are not repeatable")


async def check_prefill(session: CheckSession) -> Finding:
    """Check whether the model continues a reply."""
    knows_prefill = await asyncio.to_thread(getattr, session.model, "supports_prefill", False)
    if session.probe.prefix is None:
        status: Status = "yes" if knows_prefill else "no"
        return Finding("prefill", status, "as this model declares")
    messages: list[BaseMessage] = [HumanMessage(session.probe.prefix_question)]
    try:
        [sample] = await session.sampler.sample([*messages, AIMessage(session.probe.prefix)])
    except SelfcriticError as error:
        return Finding("prefill", "no", str(error), "the loop prompts for continuations instead")
    continues = sample.text.strip().casefold().startswith(session.probe.next_word)
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


def _check_price(reply: AIMessage) -> Finding:
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
