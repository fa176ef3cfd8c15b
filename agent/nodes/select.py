"""Keep the most helpful critique: rejection sampling over critiques (paper 1)."""

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.run import Run
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.helpfulness import helpfulness
from selfcritic.agent.state import State


async def select(state: State, runtime: Runtime[Context]) -> State:
    """Score the critiques and mark the best; the run ends where none is helpful enough."""
    run = Run(state, runtime)
    scores = await helpfulness(run, run.draft.critiques)
    best = _most_helpful(scores, runtime.context.helpful_above)
    critiques: list[Critique] = [
        critique.model_copy(update={"helpfulness": score, "selected": index == best})
        for index, (critique, score) in enumerate(zip(run.draft.critiques, scores, strict=True))
    ]
    run.tell("selected", len(run.rounds) - 1, index=best)
    return run.update(
        stop=None if best is not None else run.failure or "no_helpful_critique",
        rounds=run.with_draft(run.draft.model_copy(update={"critiques": critiques})),
    )


def _most_helpful(scores: list[float | None], helpful_above: float) -> int | None:
    """The first of the highest scores over the threshold."""
    known = [(score, -index) for index, score in enumerate(scores) if score is not None and score > helpful_above]
    return -max(known)[1] if known else None
