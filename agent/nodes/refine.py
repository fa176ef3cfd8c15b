"""Mend the draft: by what was selected, or directly without any critique."""

from langchain_core.messages import BaseMessage
from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.critic.selection import merge_critiques
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.schemas import Round
from selfcritic.agent.state import State
from selfcritic.agent.step import Step


async def refine(state: State, runtime: Runtime[Context]) -> State:
    """Open the next round with the mended draft; one that was there before ends the run."""
    run = Step(state, runtime)
    try:
        [text] = await run.sampler("refiner").sample(_messages(run))
    except SelfcriticError as failure:
        return run.update(stop=failure)
    answer = text.strip()
    run.tell("draft", len(run.rounds), answer=answer)
    earlier = next((draft for draft in run.rounds if _same(draft.answer, answer)), None)
    if earlier is None:
        return run.update(rounds=[*run.rounds, Round(answer=answer)])
    again = earlier.model_copy(update={"answer": answer, "candidates": [], "critiques": []})
    return run.update(stop="repeated_answer", rounds=[*run.rounds, again])


def _messages(run: Step) -> list[BaseMessage]:
    if run.context.refinement == "direct":
        return run.ask("refine_directly", answer=run.draft.answer)
    critique = merge_critiques([critique for critique in run.draft.critiques if critique.selected])
    return run.ask("refine", answer=run.draft.answer, critique=critique_text(critique))


def _same(one: str, other: str) -> bool:
    return one.split() == other.split()
