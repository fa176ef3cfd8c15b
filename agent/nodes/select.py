"""Keep the best critique: rejection sampling over critiques (paper 1), or a search's final choice (paper 2)."""

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.run import Run
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.rerank import rerank
from selfcritic.agent.scoring.scored import scored
from selfcritic.agent.state import State


async def select(state: State, runtime: Runtime[Context]) -> State:
    """Score what is not scored yet and mark the best; the run ends where it is not helpful enough."""
    run = Run(state, runtime)
    critiques = await scored(run, run.draft.critiques)
    best = rerank(critiques, runtime.context.length_modifier)
    if best is not None and not _is_helpful(critiques[best], runtime.context.helpful_above):
        best = None
    marked = [one.model_copy(update={"selected": index == best}) for index, one in enumerate(critiques)]
    run.tell("selected", len(run.rounds) - 1, index=best)
    return run.update(
        stop=None if best is not None else run.failure or state.get("cut_short") or "no_helpful_critique",
        rounds=run.with_draft(run.draft.model_copy(update={"critiques": marked})),
        **run.cut_short(),
    )


def _is_helpful(critique: Critique, helpful_above: float) -> bool:
    """Whether a critique is over the threshold, which is one of P(helpful) and of no other score."""
    return critique.helpfulness is None or critique.helpfulness > helpful_above
