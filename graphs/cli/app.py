"""`selfcritic …`: one command a file in `commands/`; results go to stdout, all else to stderr."""

import typer

from selfcritic.graphs.cli.batch import batch
from selfcritic.graphs.cli.models import models
from selfcritic.graphs.cli.review.command import review
from selfcritic.graphs.cli.run import run
from selfcritic.graphs.cli.train import train

app = typer.Typer(
    help="Language models that find the flaws in their own answers and mend them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, keys among them
)
for command in (run, review, batch, models):
    app.command()(command)
app.add_typer(train, name="train")


def main() -> None:
    """The `selfcritic` command."""
    app()
