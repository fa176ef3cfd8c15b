"""Refine the draft by the selected critiques, or directly without any."""

from langchain_core.messages import BaseMessage
from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.critic.selection import selected_critique
from selfcritic.agent.errors import InputError, ReplyTruncated, SelfcriticError
from selfcritic.agent.schemas import Round
from selfcritic.agent.state import State
from selfcritic.agent.step import Step

_TRUNCATED = (
    "The refinement was cut off at the model's length limit, twice: raise `max_output_tokens` "
    'of the role "refiner", or the model\'s `max_tokens`.'
)


async def refine(state: State, runtime: Runtime[Context]) -> State:
    """Start a round with the refined draft; a repeated or truncated draft ends the run."""
    step = Step(state, runtime)
    prompt = _prompt(step)
    try:
        [sample] = await step.sampler("refiner").sample_whole(prompt)
    except SelfcriticError as error:
        return step.update(stop=error)
    answer = sample.text.strip()
    step.emit("draft", len(step.rounds), answer=answer, is_truncated=sample.is_truncated)
    if sample.is_truncated:
        truncated = Round(answer=answer, is_truncated=True)
        return step.update(stop=ReplyTruncated(_TRUNCATED), rounds=[*step.rounds, truncated])
    for earlier in step.rounds:
        if earlier.answer.split() == answer.split():
            repeated = earlier.model_copy(
                update={"answer": answer, "candidates": [], "critiques": []}
            )
            return step.update(stop="repeated_answer", rounds=[*step.rounds, repeated])
    return step.update(rounds=[*step.rounds, Round(answer=answer)])


def _prompt(step: Step) -> list[BaseMessage]:
    answer = step.round.answer
    if step.context.refinement == "direct":
        return step.render_prompt("refine_directly", answer=answer)
    critique = selected_critique(step.round.critiques)
    if critique is None:
        raise InputError(
            "No critique is selected: a node in place of `select` must set `selected` or end the run."
        )
    return step.render_prompt("refine", answer=answer, critique=critique_text(critique))
