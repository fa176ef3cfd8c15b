"""Load models for CLI options; print notices and errors.

Exit codes: 0 for success with any stop reason, 1 for failure (including --fail-on), 2 for invalid usage, 130 for an
interrupted batch.
"""

import sys
from pathlib import Path
from typing import NoReturn

import typer
from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.models import get_model, load
from selfcritic.agent.models.simulated import NOTICE, SimulatedModel
from selfcritic.agent.redaction import redact
from selfcritic.graphs.cli.model_keys import check_server
from selfcritic.graphs.cli.notices import NoticeHandler, install
from selfcritic.graphs.cli.terminal import create_console, print_words, stop_spinner
from selfcritic.graphs.control_characters import escape_lines

BAD_USAGE = 2
FAILED = 1
INTERRUPTED = 130

_OPTIONS = {
    "checkers": "--checker",
    "calls": "--max-calls",
    "tokens": "--max-tokens",
    "cost_usd": "--max-cost",
    "seconds": "--max-seconds",
}
"""Options that are not named like their fields."""


def load_model(spec: str, api_base: str | None) -> BaseChatModel:
    """Load a model; `api_base` applies to PROVIDER/MODEL names only."""
    if api_base is None or "/" not in spec:
        return get_model(spec)
    return load(spec, api_base=api_base)


def check_api_base(api_base: str | None, *specs: str | None, needs_key: bool = True) -> None:
    """Check the address and key of each model; raise InputError if no model uses --api-base."""
    names = [spec for spec in specs if spec]
    if api_base is None or any("/" in name for name in names):
        for name in names:
            check_server(name, api_base, needs_key=needs_key)
        return
    quoted_names = " and ".join(f"'{name}'" for name in names) or "no model"
    raise InputError(
        f"--api-base requires a provider's model, such as --model openai/NAME; got {quoted_names}."
    )


def print_notices(context: Context, console: Console) -> None:
    """Warn about simulated models and self-grading."""
    print_simulated_notice(context, console)
    print_self_graded_notice(context, console)


def print_self_graded_notice(context: Context, console: Console) -> None:
    """Warn if the drafting model is also the critic."""
    if context.is_self_graded:
        print_notice(
            "Self-graded: one model wrote and criticized the answer, so its own verdict is no proof. "
            "--critic NAME uses another model.",
            console,
        )


def print_answer_heading(console: Console) -> None:
    """Print a heading above the answer if a terminal shows it after the trace."""
    if console.is_terminal and sys.stdout.isatty():
        console.print(Text("● Answer", "bold"))


def print_simulated_notice(context: Context, console: Console) -> None:
    """Warn once if any role uses the simulated model, or Ollama's API without chats."""
    for model in context.configured_models:
        name = str(getattr(model, "model", ""))
        if name.startswith("ollama/"):
            better = name.replace("ollama/", "ollama_chat/", 1)
            print_notice(
                f"{name} uses Ollama's API without chats: {better} replies better", console
            )
            break
    if any(isinstance(model, SimulatedModel) for model in context.configured_models):
        print_notice(NOTICE, console)


def print_notice(text: str, console: Console) -> None:
    """Print a dimmed note, without credentials."""
    print_words(console, Text(escape_lines(redact(text)), style="dim italic"))


def show_warnings(console: Console, *, retries: bool = True) -> None:
    """Print warnings of the package, and by default failed attempts that are retried."""
    install(NoticeHandler(lambda text: print_notice(text, console), retries))


def print_error(error: Exception | str) -> None:
    """Print an error to stderr, even in quiet mode."""
    stop_spinner()
    console = create_console(stderr=True)
    message = escape_lines(describe(error))
    print_words(console, Text.assemble(("error: ", "bold red"), message))


def describe(error: Exception | str) -> str:
    """Return the message of an error, without credentials: what is wrong and how to fix it."""
    return redact(_describe(error))


def _describe(error: Exception | str) -> str:
    if isinstance(error, ValidationError):
        return _describe_invalid_options(error)
    if isinstance(error, UnicodeDecodeError):
        byte = error.object[error.start]
        return (
            f"A file is not UTF-8: byte 0x{byte:02x} at offset {error.start}. "
            "Convert it first, for example with: iconv -f latin1 -t utf-8"
        )
    if isinstance(error, OSError) and error.filename is not None:
        return _describe_file_error(error)
    return str(error)


def _describe_invalid_options(error: ValidationError) -> str:
    """Name the options of the invalid fields of `Context` or `Budget`, without their values."""
    messages = []
    for detail in error.errors(include_input=False):
        field = str(detail["loc"][0]) if detail["loc"] else ""
        option = _OPTIONS.get(field, "--" + field.replace("_", "-"))
        message = detail["msg"].removeprefix("Value error, ")
        messages.append(f"{option}: {message}" if field else message)
    return "; ".join(messages)


def _describe_file_error(error: OSError) -> str:
    """Describe an error about a file without its number."""
    name = str(error.filename)
    folder = Path(name).parent
    if isinstance(error, FileNotFoundError) and not folder.is_dir():
        return f"'{name}': the folder '{folder}' does not exist. Create it, or check the path."
    if isinstance(error, FileNotFoundError):
        return f"'{name}' does not exist. Check the path."
    if isinstance(error, IsADirectoryError):
        return f"'{name}' is a folder. Pass files instead, such as {Path(name) / '*.py'}."
    if isinstance(error, PermissionError):
        return f"'{name}' cannot be opened: permission denied. Check its permissions."
    return f"'{name}' cannot be opened: {error.strerror}."


def fail(error: Exception | str, code: int) -> NoReturn:
    """Print the error and exit with the code."""
    print_error(error)
    raise typer.Exit(code)
