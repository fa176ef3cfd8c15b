"""Search for a critique by Force Sampling Beam Search (CriticGPT, appendix 7.1)."""

import asyncio

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.critic.format import render, strip_closing_paragraph
from selfcritic.agent.critic.selection import is_eligible
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.nodes.critique import ground_critiques
from selfcritic.agent.sampling.sampler import Sample
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.score import score_critiques
from selfcritic.agent.state import State, has_steps
from selfcritic.agent.step import Step, search_stopped_update

_FENCE = "```"
_ITERATION_STEPS = 4
"""Steps of another iteration and the selection: prune, expand, score, select."""


async def expand_beams(state: State, runtime: Runtime[Context]) -> State:
    """Sample n continuations of each beam; each must start with a quote.

    All are sampled concurrently. The first iteration has a single beam, the empty critique.
    """
    step = Step(state, runtime)
    pool = step.round.critiques
    iteration = num_iterations(pool)
    prefixes = state["beam_prefixes"] if iteration > 0 else [""]
    results = await asyncio.gather(
        *(_continue(step, prefix, index) for index, prefix in enumerate(prefixes))
    )
    samples = [sample for continuations, _ in results for sample in continuations]
    error = next((error for _, error in results if error is not None), None)

    new_critiques: list[Critique] = []
    for critique in await ground_critiques(step, samples, step.round):
        critique = critique.model_copy(update={"iteration": iteration})
        index = len(pool) + len(new_critiques)
        step.emit("critique", index=index, critique=critique.model_dump(mode="json"))
        new_critiques.append(critique)
    changes = {"search_stop_reason": None} | search_stopped_update(error)
    return step.update(rounds=step.rounds_with(critiques=[*pool, *new_critiques]), **changes)


async def _continue(
    step: Step, prefix: str, index: int
) -> tuple[list[Sample], SelfcriticError | None]:
    """Return a beam's continuations, each with its prefix, or the error."""
    n = step.context.fsbs.n
    # Equal beams must get different continuations.
    critic = step.sampler("critic").with_seed_offset(index * n)
    prefill = f"{prefix}\n\n" if prefix else ""
    messages = step.critique_prompt(step.round)
    fallback_messages = step.critique_prompt(step.round, prefix)
    try:
        samples = await critic.continue_from(
            messages, prefill, n, suffix=_FENCE, fallback_messages=fallback_messages
        )
    except SelfcriticError as error:
        return [], error
    return samples, None


async def score(state: State, runtime: Runtime[Context]) -> State:
    """Score the critiques; if scoring fails or no steps remain, the search ends early."""
    step = Step(state, runtime)
    critiques, error = await score_critiques(step, step.round.critiques)
    changes = search_stopped_update(error)
    is_last = num_iterations(critiques) >= step.context.fsbs.d
    if not changes and not is_last and not has_steps(state, _ITERATION_STEPS):
        changes = {"search_stop_reason": "step_limit"}
    return step.update(rounds=step.rounds_with(critiques=critiques), **changes)


async def prune_beams(state: State, runtime: Runtime[Context]) -> State:
    """Keep the k highest-reward critiques of the latest iteration."""
    step = Step(state, runtime)
    pool = step.round.critiques
    latest = num_iterations(pool) - 1
    allow_ungrounded = step.context.allow_ungrounded
    candidates: list[Critique] = []
    for critique in pool:
        if critique.iteration == latest and is_eligible(
            critique, allow_ungrounded=allow_ungrounded
        ):
            candidates.append(critique)
    candidates.sort(key=lambda critique: critique.reward or 0.0, reverse=True)
    beams = candidates[: step.context.fsbs.k]
    return step.update(beam_prefixes=[_beam_prefix(critique) for critique in beams])


def _beam_prefix(critique: Critique) -> str:
    """Return the part of a critique to continue, without a comment that was cut off."""
    if critique.is_truncated:
        return render(critique.comments).rstrip()
    return strip_closing_paragraph(critique.text)


def num_iterations(pool: list[Critique]) -> int:
    """Count the search iterations in a pool of critiques."""
    iterations = [critique.iteration for critique in pool if critique.iteration is not None]
    return 1 + max(iterations, default=-1)
