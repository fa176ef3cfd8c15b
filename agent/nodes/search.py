"""Force critiques to go on: each one kept is made to quote once more (highlight force sampling, paper 2, 7.1)."""

import asyncio
from dataclasses import replace

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.critic.format import strip_closing_paragraph
from selfcritic.agent.critic.selection import is_eligible
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.nodes.critique import ground_critiques
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.score import score_critiques
from selfcritic.agent.state import State
from selfcritic.agent.step import Step

_FENCE = "```"


async def expand_beams(state: State, runtime: Runtime[Context]) -> State:
    """Sample n continuations of each beam, all at once; at first the one beam is the empty critique."""
    run = Step(state, runtime)
    iteration = num_iterations(run.draft.critiques)
    beam_prefixes = state["beam_prefixes"] if iteration else [""]
    sampled = await asyncio.gather(*(_continue(run, beam, index) for index, beam in enumerate(beam_prefixes)))
    pool = run.draft.critiques
    drawn = await ground_critiques(run, [text for texts in sampled for text in texts], run.draft)
    forced = [critique.model_copy(update={"iteration": iteration}) for critique in drawn]
    for index, one in enumerate(forced, len(pool)):
        run.tell("critique", len(run.rounds) - 1, index=index, critique=one.model_dump(mode="json"))
    return run.update(
        rounds=run.with_draft(run.draft.model_copy(update={"critiques": [*pool, *forced]})),
        **{"search_stop_reason": None} | run.search_stop_reason(),
    )


def num_iterations(pool: list[Critique]) -> int:
    """How many iterations of the search a pool holds."""
    return 1 + max((critique.iteration for critique in pool if critique.iteration is not None), default=-1)


async def _continue(run: Step, beam: str, index: int) -> list[str]:
    """The beam's continuations, whole; none where they cannot be had: the search ends with what it has."""
    n = run.context.fsbs.n
    critic = run.sampler("critic")
    if critic.seed is not None:
        critic = replace(critic, seed=critic.seed + index * n)  # two equal beams are not to go on alike
    begun = f"{beam}\n\n" if beam else ""
    messages, elsewhere = run.ask_for_critiques(run.draft), run.ask_for_critiques(run.draft, beam)
    try:
        return await critic.continue_from(messages, begun, n, forced=_FENCE, elsewhere=elsewhere)
    except SelfcriticError as failure:
        run.failure = failure
        return []


async def prune_beams(state: State, runtime: Runtime[Context]) -> State:
    """Take the k of the latest iteration with the highest reward, the first of equals, without their closing words."""
    run = Step(state, runtime)
    pool = run.draft.critiques
    latest = [one for one in pool if one.iteration == num_iterations(pool) - 1 and is_eligible(one)]
    kept = sorted(latest, key=lambda one: -(one.reward or 0.0))[: runtime.context.fsbs.k]
    return run.update(beam_prefixes=[strip_closing_paragraph(critique.text) for critique in kept])


async def score(state: State, runtime: Runtime[Context]) -> State:
    """Give each critique its reward; where some cannot be had, the search ends with what it has."""
    run = Step(state, runtime)
    rounds = run.with_draft(run.draft.model_copy(update={"critiques": await score_critiques(run, run.draft.critiques)}))
    return run.update(rounds=rounds, **run.search_stop_reason())
