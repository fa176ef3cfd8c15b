"""Check a run's input and models before the first request."""

from collections.abc import Sequence
from typing import get_args

from langchain_core.runnables.config import ensure_config

from selfcritic.agent.context import Context, Role
from selfcritic.agent.errors import InputError
from selfcritic.agent.state import State, has_steps


def check_steps(state: State, count: int) -> None:
    """Raise InputError unless LangGraph's `recursion_limit` allows more steps after this one."""
    if has_steps(state, count):
        return
    limit = ensure_config().get("recursion_limit")
    raise InputError(
        f"`recursion_limit` is {limit}, which is too low for this graph: set it to at least {count + 2} in `config`."
    )


def check_question(question: str, context: str, options: Context) -> None:
    """Raise InputError if the question is empty, too long or lacks context."""
    if not question.strip():
        raise InputError(
            "The question is empty: set `question`, or `messages` that end with a human message that has text. "
            "An image alone is not a question."
        )
    check_size(options, question=question, context=context)
    if options.task_type == "summary" and not context.strip():
        raise InputError("A summary needs the passage to summarize: set `context`.")


def check_size(options: Context, /, **texts: str) -> None:
    """Raise InputError if the named texts are too long together."""
    size = sum(map(len, texts.values()))
    if size <= options.max_input_chars:
        return
    *first_names, last_name = texts
    names = f"{', '.join(first_names).capitalize()} and {last_name}"
    raise InputError(
        f"{names} have {size:,} characters together; the limit is {options.max_input_chars:,}. "
        "Shorten them, or raise max_input_chars if the model can read that much."
    )


def check_models(options: Context, roles: Sequence[Role] = get_args(Role)) -> None:
    """Raise UnknownModelError or InputError if a role's model cannot be loaded."""
    for role in _roles_with_model(options, roles):
        options.models_for(role)


def check_prices(options: Context, roles: Sequence[Role] = get_args(Role)) -> None:
    """Raise InputError if the price of a role's model is unknown. May import litellm."""
    for role in _roles_with_model(options, roles):
        for model in options.models_for(role):
            if getattr(model, "is_priced", False):
                continue
            name = (
                getattr(model, "model", None)
                or getattr(model, "model_name", None)
                or type(model).__name__
            )
            raise InputError(
                f"The price of {name}, the {role}'s model, is unknown, so its cost cannot be limited. "
                "Name the model as PROVIDER/MODEL and set input_cost_per_token and output_cost_per_token, "
                "or limit calls or tokens instead."
            )


def _roles_with_model(options: Context, roles: Sequence[Role]) -> list[Role]:
    """Return the roles without a critic that is "none". Raises InputError if another role's model is "none"."""
    remaining: list[Role] = []
    for role in roles:
        if role == "critic" and not options.has_critic:
            continue
        if options.model_for(role) == "none":
            raise InputError(
                f'The {role}\'s model is "none", which only the critic can be: set `critic="none"` to use only the '
                "checkers, and `model` to the model of the other roles."
            )
        remaining.append(role)
    return remaining
