"""Draw the first draft, or several of them."""

import asyncio
from collections.abc import Sequence
from typing import cast, get_args

from langchain_core.messages import HumanMessage
from langgraph.runtime import Runtime

from selfcritic.agent.context import Context, Part
from selfcritic.agent.errors import InputError
from selfcritic.agent.run import Run, models_of
from selfcritic.agent.schemas import Candidate, Draft
from selfcritic.agent.state import State


async def generate(state: State, runtime: Runtime[Context]) -> State:
    """Open a run: round 0 with its draft. Whatever fails here raises, as there is no draft to come back with."""
    context = runtime.context
    question, material = question_of(state), state.get("context", "")
    _check(question, material, context)
    if context.budget.cost_usd is not None:
        await asyncio.to_thread(check_prices, context)  # to look a price up may import litellm
    run = Run(cast(State, {"question": question, "context": material}), runtime)
    answers = [text.strip() for text in await run.sampler("generator").sample(run.ask("generate"), context.drafts)]
    for answer in answers:
        run.tell("draft", 0, answer=answer)
    candidates = [Candidate(answer=answer) for answer in answers] if len(answers) > 1 else []
    return run.update(
        question=question,
        rounds=[Draft(answer=answers[0], candidates=candidates)],
        answer=answers[0],
        best=0,
        p_critiqueable=None,
        stop_reason=None,
        self_graded=context.is_self_graded,
        error=None,
    )


def question_of(state: State) -> str:
    """The last message where it is a human's, else the question: a thread's next turn comes as a message."""
    messages = state.get("messages", [])
    if messages and isinstance(messages[-1], HumanMessage):
        return messages[-1].text
    return state.get("question", "")


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
