"""Check a run's input and models before anything is paid for."""

from collections.abc import Sequence
from typing import get_args

from selfcritic.agent.context import Context, Role
from selfcritic.agent.errors import InputError
from selfcritic.agent.step import models_for


def check_question(question: str, material: str, context: Context) -> None:
    """Raise InputError if the question is empty, too long, or lacks the context it needs."""
    if not question.strip():
        raise InputError("The question is empty: give `question`, or `messages` whose last one is a human's.")
    check_size(context, question=question, context=material)
    if context.task_type == "summary" and not material.strip():
        raise InputError("A summary needs the passage that it sums up: give it as `context`.")


def check_size(options: Context, /, **texts: str) -> None:
    """Raise InputError where the texts, told by their names, are too long together."""
    if (size := sum(map(len, texts.values()))) > options.max_input_chars:
        *most, last = texts
        raise InputError(
            f"{', '.join(most).capitalize()} and {last} have {size:,} characters together; at most "
            f"{options.max_input_chars:,} are taken. "
            "Shorten them, or raise max_input_chars if the model can read that much."
        )


def check_models(context: Context, parts: Sequence[Role] = get_args(Role)) -> None:
    """Raise UnknownModelError or InputError where a part's model cannot be had, before another part's is paid for."""
    for part in parts:
        models_for(part, context)


def check_prices(context: Context, parts: Sequence[Role] = get_args(Role)) -> None:
    """Raise InputError where what a part's model costs is not known; may import litellm."""
    for part in parts:
        for model in models_for(part, context):
            if not getattr(model, "is_priced", False):
                name = getattr(model, "model", None) or getattr(model, "model_name", None) or type(model).__name__
                raise InputError(
                    f"The price of {name}, which speaks the {part}, is not known, so its cost cannot be limited. "
                    "Name the model as PROVIDER/MODEL and set input_cost_per_token and output_cost_per_token, "
                    "or limit calls or tokens instead."
                )
