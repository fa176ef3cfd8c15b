"""Select the best critique: rejection sampling (paper 1) or a search's final choice (paper 2).

With `critiques_per_refinement` above 1, the next best critiques of other passages are also selected. A critique that
quotes nothing of the draft is selected only with `allow_ungrounded`.

In the loop, the checkers' findings are the critique if no other is selected: a verified error is always refined.
"""

from collections.abc import Sequence

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.critic.selection import (
    count_ungrounded,
    findings_as_critique,
    select_critiques,
)
from selfcritic.agent.schemas import Critique
from selfcritic.agent.scoring.score import score_critiques
from selfcritic.agent.state import State
from selfcritic.agent.step import Step, search_stopped_update


def _is_scoring_over(state: State, critiques: Sequence[Critique]) -> bool:
    """Return whether `critique_and_score` failed to score some critiques; they are not scored again."""
    is_search = any(critique.iteration is not None for critique in critiques)
    return state.get("search_stop_reason") is not None and not is_search


async def select(state: State, runtime: Runtime[Context]) -> State:
    """Score new critiques and select the best; end the run without a helpful one or findings."""
    step = Step(state, runtime)
    context = step.context

    def is_helpful(critique: Critique) -> bool:
        return critique.helpfulness is None or critique.helpfulness > context.helpful_threshold

    critiques: Sequence[Critique] = step.round.critiques
    error = None
    if not _is_scoring_over(state, critiques):
        critiques, error = await score_critiques(step, critiques)
    indices = select_critiques(
        critiques,
        context.length_modifier,
        context.critiques_per_refinement,
        is_helpful,
        allow_ungrounded=context.allow_ungrounded,
    )
    updated = [
        critique.model_copy(update={"selected": index in indices})
        for index, critique in enumerate(critiques)
    ]
    stop = error or state.get("search_stop_reason")
    if not indices and stop is None and _is_loop(state) and step.round.findings:
        indices = [len(updated)]
        updated.append(findings_as_critique(step.round.findings))
    step.emit(
        "selected",
        index=indices[0] if indices else None,
        ungrounded_critiques=count_ungrounded(critiques),
    )
    rounds = step.rounds_with(critiques=updated)
    return step.update(
        stop=None if indices else stop or "no_helpful_critique",
        rounds=rounds,
        ungrounded_critiques=sum(count_ungrounded(draft.critiques) for draft in rounds),
        **search_stopped_update(error),
    )


def _is_loop(state: State) -> bool:
    """Whether the run refines drafts; a review reports its findings separately."""
    return "best_round" in state
