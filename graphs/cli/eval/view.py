"""`selfcritic eval view`: browse the logs of a run (extra `eval`)."""

from pathlib import Path
from typing import Annotated

import typer

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.console import BAD_USAGE, fail
from selfcritic.graphs.cli.eval.extra import fail_missing_extra

_HOST = "127.0.0.1"
_LOG_FOLDER = "logs"


def view(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")],
    port: Annotated[
        int, typer.Option(min=1, max=65535, metavar="N", help="Port of the viewer.")
    ] = 7575,
) -> None:
    """Browse the logs of a run in inspect's viewer, on this machine only."""
    try:
        logs = find_logs(folder)
        from inspect_ai import view as inspect_view
    except ImportError as error:
        fail_missing_extra(error)
    except InputError as error:
        fail(error, BAD_USAGE)
    inspect_view(log_dir=str(logs), host=_HOST, port=port)


def find_logs(folder: Path) -> Path:
    """Return the folder of a run's logs. Raises InputError if it has none."""
    logs = folder / _LOG_FOLDER
    if not any(logs.glob("*.eval")):
        raise InputError(
            f"{folder} has no logs ({_LOG_FOLDER}/*.eval). Pass the --out folder of `selfcritic eval run`."
        )
    return logs
