"""`selfcritic models`: the models that can be named."""

from rich.console import Console
from rich.table import Table

from selfcritic.agent.models import PROVIDERS


def models() -> None:
    """List the models that can be named."""
    table = Table("--model", "what it is", box=None, pad_edge=False)
    for kind in PROVIDERS.values():
        table.add_row(kind.spec, kind.description)
    Console(highlight=False).print(table)
