"""`selfcritic eval report`: measure a critic from a folder of records."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")],
) -> None:
    """Measure the records of a run; write tables and plots."""
    raise NotImplementedError(folder)
