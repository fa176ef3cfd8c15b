"""How the commands speak with the person at the shell: models named, notices given, errors told, exit codes.

Exit codes: 0 done, whatever the stop reason; 1 the run failed before there was a draft; 2 bad usage.
"""

from typing import NoReturn, get_args

import typer
from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from selfcritic.agent.context import Context, Role
from selfcritic.agent.errors import InputError
from selfcritic.agent.models import get_model, load
from selfcritic.agent.models.simulated import NOTICE, SimulatedModel

BAD_USAGE = 2
FAILED = 1


def model_named(spec: str, api_base: str | None) -> BaseChatModel:
    """The model that --model or its like names, behind --api-base where one is given."""
    return get_model(spec) if api_base is None or "/" not in spec else load(spec, api_base=api_base)


def check_api_base(api_base: str | None, *specs: str | None) -> None:
    """Raise InputError where an address is given and no model that is named would be asked there."""
    if api_base is not None and not any("/" in spec for spec in specs if spec):
        named = " and ".join(f"'{spec}'" for spec in specs if spec) or "none"
        raise InputError(f"--api-base goes with a provider's model, such as --model openai/NAME, not with {named}.")


def give_notices(options: Context, console: Console) -> None:
    """Say once what a person should know of the models: that one is simulated, that one grades itself."""
    notice_simulated(options, console)
    if options.is_self_graded:
        notice("self-graded: the critic is the model that drafts; name another with --critic", console)


def notice_simulated(options: Context, console: Console) -> None:
    """Say once that a model is simulated."""
    if any(isinstance(options.model_for(part), SimulatedModel) for part in get_args(Role)):
        notice(NOTICE, console)


def notice(text: str, console: Console) -> None:
    """Say something that a person should know, beside the result."""
    console.print(Text(text, style="dim italic"), soft_wrap=True)


def tell_error(error: Exception | str) -> None:
    """Tell an error in one line."""
    if isinstance(error, ValidationError):
        error = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    Console(stderr=True, highlight=False).print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)


def fail(error: Exception | str, code: int) -> NoReturn:
    """Tell the error and leave with the code."""
    tell_error(error)
    raise typer.Exit(code)
