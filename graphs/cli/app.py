"""Entry point of `selfcritic`; stdout gets results, stderr everything else."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from selfcritic.agent.models.litellm_library import freeze_imports
from selfcritic.graphs.cli.batch import batch
from selfcritic.graphs.cli.command import App
from selfcritic.graphs.cli.data import data_app
from selfcritic.graphs.cli.desk import desk
from selfcritic.graphs.cli.eval.app import eval_app
from selfcritic.graphs.cli.models import models
from selfcritic.graphs.cli.review.command import review
from selfcritic.graphs.cli.run import run
from selfcritic.graphs.cli.tamper.command import tamper
from selfcritic.graphs.cli.train.app import train_app

app = App(
    help="Find and fix flaws in the answers of language models.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,  # its tracebacks print local variables, which hold API keys
)
for command in (run, review, batch, desk, tamper):
    app.command()(command)
app.add_typer(models, name="models")
app.add_typer(train_app, name="train")
app.add_typer(data_app, name="data")
app.add_typer(eval_app, name="eval")


def _print_version(is_requested: bool) -> None:
    if is_requested:
        sys.stdout.write(f"selfcritic {version('selfcritic')}\n")
        raise typer.Exit


@app.callback()
def _set_global_options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Find and fix flaws in the answers of language models."""


def main() -> None:
    """Run the command line."""
    freeze_imports()
    app()
