"""Draw the first draft, or several of them."""

import asyncio
from collections.abc import Sequence
from typing import cast

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context
from selfcritic.agent.messages import get_context, get_question, last_exchange
from selfcritic.agent.nodes.validation import check_models, check_prices, check_question
from selfcritic.agent.schemas import Candidate, Round
from selfcritic.agent.state import State
from selfcritic.agent.step import Step


async def generate(state: State, runtime: Runtime[Context]) -> State:
    """Open a run: round 0 with its draft. Whatever fails here raises, as there is no draft to come back with."""
    run = await start_step(state, runtime, get_question(state))
    answers = [
        text.strip() for text in await run.sampler("generator").sample(run.ask("generate"), run.context.num_drafts)
    ]
    return initial_update(run, answers)


async def start_step(state: State, runtime: Runtime[Context], question: str) -> Step:
    """A run that has spent nothing yet; raises InputError where it cannot work on what it was given."""
    context = runtime.context
    fresh = cast(State, {name: state.get(name) for name in ("context", "messages") if name in state})
    fresh["question"] = question
    check_question(question, get_context(fresh, context.max_input_chars - len(question)), context)
    check_models(context)
    if context.budget.cost_usd is not None:
        await asyncio.to_thread(check_prices, context)  # to look a price up may import litellm
    return Step(fresh, runtime)


def initial_update(run: Step, answers: Sequence[str]) -> State:
    """The update that opens round 0 with one draft or several, whatever a thread's last run has left in the state."""
    for answer in answers:
        run.tell("draft", 0, answer=answer)
    candidates = [Candidate(answer=answer) for answer in answers] if len(answers) > 1 else []
    return run.update(
        question=run.state["question"],
        rounds=[Round(answer=answers[0], candidates=candidates)],
        answer=answers[0],
        best_round=0,
        p_critiqueable=None,
        stop_reason=None,
        self_graded=run.context.is_self_graded,
        error=None,
    )


async def start_from_messages(state: State, runtime: Runtime[Context]) -> State:
    """Open a run as `generate` does, without asking any model; whether one model grades itself is not known then."""
    question, answer = last_exchange(state.get("messages", []))
    update = initial_update(await start_step(state, runtime, question), [answer])
    del update["self_graded"]
    return update
