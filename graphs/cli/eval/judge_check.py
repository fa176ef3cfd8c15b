"""`selfcritic eval judge-check`: check a judge's ratings against the truth."""

from pathlib import Path
from typing import Annotated

import typer


def judge_check(
    ratings: Annotated[Path, typer.Argument(help="File of ratings.")],
) -> None:
    """Check a judge's ratings against labels of people or an oracle."""
    raise NotImplementedError(ratings)
