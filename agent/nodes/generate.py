"""Start a run with a new draft or the last reply of a chat."""

import asyncio
from collections.abc import Sequence

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.messages import get_question, last_exchange
from selfcritic.agent.models.normalize import is_truncated
from selfcritic.agent.nodes.validation import (
    check_models,
    check_prices,
    check_question,
    check_steps,
)
from selfcritic.agent.schemas import Candidate, Round
from selfcritic.agent.state import State
from selfcritic.agent.step import Step

_MIN_STEPS = 1
"""Steps after the first draft: it is judged."""


async def generate(state: State, runtime: Runtime[Context]) -> State:
    """Sample the first drafts; errors are raised because there is no draft to return."""
    step = await start_step(state, runtime, get_question(state))
    samples = await step.sampler("generator").sample_whole(
        step.render_prompt("generate"), step.context.num_drafts
    )
    return initial_update(
        step,
        [
            Candidate(answer=sample.text.strip(), is_truncated=sample.is_truncated)
            for sample in samples
        ],
    )


async def start_from_messages(state: State, runtime: Runtime[Context]) -> State:
    """Use a chat's last reply as the first draft, without calling a model."""
    messages = state.get("messages", [])
    question, answer = last_exchange(messages)
    step = await start_step(state, runtime, question)
    draft = Candidate(answer=answer, is_truncated=is_truncated(messages[-1]))
    update = initial_update(step, [draft])
    del update["self_graded"]  # unknown: the answer's model is not the generator
    return update


async def start_step(state: State, runtime: Runtime[Context], question: str) -> Step:
    """Check the input and return the first step, without earlier usage.

    Raises:
        InputError: The input or an option is invalid.
        UnknownModelError: A role's model cannot be loaded.
    """
    context = runtime.context
    check_steps(state, _MIN_STEPS)
    fresh: State = {"question": question}
    if "context" in state:
        fresh["context"] = state["context"]
    if "messages" in state:
        fresh["messages"] = state["messages"]
    step = Step(fresh, runtime)
    check_question(question, step.chat_context().text, context)
    check_models(context)
    if context.budget.cost_usd is not None:
        await asyncio.to_thread(check_prices, context)  # looking up a price may import litellm
    return step


def initial_update(step: Step, drafts: Sequence[Candidate]) -> State:
    """Return the update that starts round 0 and resets the state of earlier runs."""
    for draft in drafts:
        step.emit("draft", 0, answer=draft.answer, is_truncated=draft.is_truncated)
    first = drafts[0]
    candidates = list(drafts) if len(drafts) > 1 else []
    return step.update(
        question=step.state["question"],
        rounds=[Round(answer=first.answer, is_truncated=first.is_truncated, candidates=candidates)],
        answer=first.answer,
        best_round=0,
        ungrounded_critiques=0,
        omitted_messages=step.chat_context().omitted_messages,
        p_critiqueable=None,
        stop_reason=None,
        self_graded=step.context.is_self_graded,
        error=None,
    )
