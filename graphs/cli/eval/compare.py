"""`selfcritic eval compare`: compare two runs on the same items."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the first run.")],
    second: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the second run.")],
) -> None:
    """Compare two runs on the same items."""
    raise NotImplementedError(first, second)
