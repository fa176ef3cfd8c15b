"""Start a run with a new draft or the last reply of a chat."""

import asyncio
from collections.abc import Sequence

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.messages import get_context, get_question, last_exchange
from selfcritic.agent.nodes.validation import check_models, check_prices, check_question
from selfcritic.agent.schemas import Candidate, Round
from selfcritic.agent.state import State
from selfcritic.agent.step import Step


async def generate(state: State, runtime: Runtime[Context]) -> State:
    """Sample the first drafts; errors are raised because there is no draft to return."""
    step = await start_step(state, runtime, get_question(state))
    replies = await step.sampler("generator").sample(
        step.render_prompt("generate"), step.context.num_drafts
    )
    return initial_update(step, [reply.strip() for reply in replies])


async def start_from_messages(state: State, runtime: Runtime[Context]) -> State:
    """Use a chat's last reply as the first draft, without calling a model."""
    question, answer = last_exchange(state.get("messages", []))
    step = await start_step(state, runtime, question)
    update = initial_update(step, [answer])
    del update["self_graded"]  # unknown: the answer's model is not the generator
    return update


async def start_step(state: State, runtime: Runtime[Context], question: str) -> Step:
    """Check the input and return the first step, without earlier usage.

    Raises:
        InputError: The input or an option is invalid.
        UnknownModelError: A role's model cannot be loaded.
    """
    context = runtime.context
    fresh: State = {"question": question}
    if "context" in state:
        fresh["context"] = state["context"]
    if "messages" in state:
        fresh["messages"] = state["messages"]
    check_question(question, get_context(fresh, context.max_input_chars - len(question)), context)
    check_models(context)
    if context.budget.cost_usd is not None:
        await asyncio.to_thread(check_prices, context)  # looking up a price may import litellm
    return Step(fresh, runtime)


def initial_update(step: Step, answers: Sequence[str]) -> State:
    """Return the update that starts round 0 and resets the state of earlier runs."""
    for answer in answers:
        step.emit("draft", 0, answer=answer)
    candidates = [Candidate(answer=answer) for answer in answers] if len(answers) > 1 else []
    return step.update(
        question=step.state["question"],
        rounds=[Round(answer=answers[0], candidates=candidates)],
        answer=answers[0],
        best_round=0,
        ungrounded_critiques=0,
        p_critiqueable=None,
        stop_reason=None,
        self_graded=step.context.is_self_graded,
        error=None,
    )
