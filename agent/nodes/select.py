"""Keep the best critique: rejection sampling over critiques (paper 1), or a search's final choice (paper 2).

With `follow` above 1, the next best ones about other passages are kept beside it.
"""

import functools

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.critic.selection import select_critiques
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.score import score_critiques
from selfcritic.agent.state import State
from selfcritic.agent.step import Step


async def select(state: State, runtime: Runtime[Context]) -> State:
    """Score what is not scored yet and mark the best; the run ends where it is not helpful enough."""
    run, options = Step(state, runtime), runtime.context
    critiques = await score_critiques(run, run.draft.critiques)
    is_helpful = functools.partial(_is_helpful, helpful_threshold=options.helpful_threshold)
    taken = select_critiques(critiques, options.length_modifier, options.critiques_per_refinement, is_helpful)
    verify_comments = [one.model_copy(update={"selected": index in taken}) for index, one in enumerate(critiques)]
    run.tell("selected", len(run.rounds) - 1, index=next(iter(taken), None))
    return run.update(
        stop=None if taken else run.failure or state.get("search_stop_reason") or "no_helpful_critique",
        rounds=run.with_draft(run.draft.model_copy(update={"critiques": verify_comments})),
        **run.search_stop_reason(),
    )


def _is_helpful(critique: Critique, helpful_threshold: float) -> bool:
    """Whether a critique is over the threshold, which is one of P(helpful) and of no other score."""
    return critique.helpfulness is None or critique.helpfulness > helpful_threshold
