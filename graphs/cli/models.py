"""`selfcritic models`: list the available models."""

from rich.console import Console
from rich.table import Table

from selfcritic.agent.models import PROVIDERS


def models() -> None:
    """List the models that --model accepts."""
    table = Table("--model", "description", box=None, pad_edge=False)
    for provider in PROVIDERS.values():
        table.add_row(provider.spec, provider.description)
    Console(highlight=False).print(table)
