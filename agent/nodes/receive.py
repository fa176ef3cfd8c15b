"""Open a review: its one round holds the answer that was handed in."""

import asyncio
from typing import cast

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context, Part
from selfcritic.agent.errors import InputError
from selfcritic.agent.nodes.generate import check_models, check_prices, check_size
from selfcritic.agent.run import Run
from selfcritic.agent.schemas import Draft
from selfcritic.agent.state import State

_PARTS: tuple[Part, ...] = ("critic", "judge")


async def receive(state: State, runtime: Runtime[Context]) -> State:
    """Take the answer as it is, to the last blank: offsets of quotes are offsets into it."""
    context = runtime.context
    question, material, answer = state.get("question", ""), state.get("context", ""), state.get("answer", "")
    if not answer.strip():
        raise InputError("There is nothing to review: give the text as `answer`.")
    check_size(context, question=question, context=material, answer=answer)
    if context.has_critic:
        check_models(context, _PARTS)
    if context.budget.cost_usd is not None and context.has_critic:
        await asyncio.to_thread(check_prices, context, _PARTS)
    run = Run(cast(State, {"question": question, "context": material}), runtime)
    run.tell("draft", 0, answer=answer)
    return run.update(
        question=question,
        context=material,
        rounds=[Draft(answer=answer)],
        beams=[],
        critique=None,
        invented_share=None,
        stop_reason=None,
        cut_short=None,
        error=None,
    )
