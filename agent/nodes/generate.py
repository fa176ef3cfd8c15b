"""Draw the first draft, or several of them."""

import asyncio
from collections.abc import Sequence
from typing import cast, get_args

from langgraph.runtime import Runtime

from selfcritic.agent.context import Context, Part
from selfcritic.agent.conversation import material_of, question_of
from selfcritic.agent.errors import InputError
from selfcritic.agent.run import Run, models_of
from selfcritic.agent.schemas import Candidate, Draft
from selfcritic.agent.state import State


async def generate(state: State, runtime: Runtime[Context]) -> State:
    """Open a run: round 0 with its draft. Whatever fails here raises, as there is no draft to come back with."""
    run = await opened(state, runtime, question_of(state))
    answers = [text.strip() for text in await run.sampler("generator").sample(run.ask("generate"), run.context.drafts)]
    return first_round(run, answers)


async def opened(state: State, runtime: Runtime[Context], question: str) -> Run:
    """A run that has spent nothing yet; raises InputError where it cannot work on what it was given."""
    context = runtime.context
    fresh = cast(State, {name: state.get(name) for name in ("context", "messages") if name in state})
    fresh["question"] = question
    _check(question, material_of(fresh, context.max_characters - len(question)), context)
    check_models(context)
    if context.budget.cost_usd is not None:
        await asyncio.to_thread(check_prices, context)  # to look a price up may import litellm
    return Run(fresh, runtime)


def first_round(run: Run, answers: Sequence[str]) -> State:
    """The update that opens round 0 with one draft or several, whatever a thread's last run has left in the state."""
    for answer in answers:
        run.tell("draft", 0, answer=answer)
    candidates = [Candidate(answer=answer) for answer in answers] if len(answers) > 1 else []
    return run.update(
        question=run.state["question"],
        rounds=[Draft(answer=answers[0], candidates=candidates)],
        answer=answers[0],
        best=0,
        p_critiqueable=None,
        stop_reason=None,
        self_graded=run.context.is_self_graded,
        error=None,
    )


def _check(question: str, material: str, context: Context) -> None:
    if not question.strip():
        raise InputError("The question is empty: give `question`, or `messages` whose last one is a human's.")
    check_size(context, question=question, context=material)
    if context.kind == "summary" and not material.strip():
        raise InputError("A summary needs the passage that it sums up: give it as `context`.")


def check_size(options: Context, /, **texts: str) -> None:
    """Raise InputError where the texts, told by their names, are too long together."""
    if (size := sum(map(len, texts.values()))) > options.max_characters:
        *most, last = texts
        raise InputError(
            f"{', '.join(most).capitalize()} and {last} have {size:,} characters together; at most "
            f"{options.max_characters:,} are taken. "
            "Shorten them, or raise max_characters if the model can read that much."
        )


def check_models(context: Context, parts: Sequence[Part] = get_args(Part)) -> None:
    """Raise UnknownModelError or InputError where a part's model cannot be had, before another part's is paid for."""
    for part in parts:
        models_of(part, context)


def check_prices(context: Context, parts: Sequence[Part] = get_args(Part)) -> None:
    """Raise InputError where what a part's model costs is not known; may import litellm."""
    for part in parts:
        for model in models_of(part, context):
            if not getattr(model, "is_priced", False):
                name = getattr(model, "model", None) or getattr(model, "model_name", None) or type(model).__name__
                raise InputError(
                    f"The price of {name}, which speaks the {part}, is not known, so its cost cannot be limited. "
                    "Name the model as PROVIDER/MODEL and set input_cost_per_token and output_cost_per_token, "
                    "or limit calls or tokens instead."
                )
