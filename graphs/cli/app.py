"""Entry point of `selfcritic`; stdout gets results, stderr everything else."""

import typer

from selfcritic.graphs.cli.batch import batch
from selfcritic.graphs.cli.models import models
from selfcritic.graphs.cli.review.command import review
from selfcritic.graphs.cli.run import run
from selfcritic.graphs.cli.train import train

app = typer.Typer(
    help="Find and fix flaws in the answers of language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks print local variables, which hold API keys
)
for command in (run, review, batch):
    app.command()(command)
app.add_typer(models, name="models")
app.add_typer(train, name="train")


def main() -> None:
    """Run the command line."""
    app()
