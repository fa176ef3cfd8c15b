"""`selfcritic desk`: review, rate and compare critiques in the browser (extra `desk`)."""

import asyncio
import secrets
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.text import Text

from selfcritic.agent.context import Context
from selfcritic.agent.data.comparisons import add_gold_critique
from selfcritic.agent.data.files import read_answers
from selfcritic.agent.data.manifest import hash_file
from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.nodes.preload import load_files
from selfcritic.graphs.cli.console import BAD_USAGE, FAILED, check_api_base, fail, load_model
from selfcritic.graphs.cli.options import ModelOptions, expand_groups, parse_max_output_tokens
from selfcritic.graphs.cli.terminal import create_console, print_words

if TYPE_CHECKING:
    from selfcritic.graphs.desk.run_view import RunView
    from selfcritic.graphs.desk.session import Desk

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class AssignmentOptions:
    """How the desk hands out work."""

    blind: Annotated[bool, typer.Option("--blind", help="Hide the critics' names in reviews.")] = (
        False
    )
    holdout: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="SHARE", help="Share of reviews without the critic's comments."
        ),
    ] = 0.0
    look_first: Annotated[
        bool, typer.Option("--look-first", help="Show the critic's comments only on request.")
    ] = False
    second_reviews: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="SHARE", help="Share that is assigned to a second person."
        ),
    ] = 0.0
    seed: Annotated[int, typer.Option(help="Seed of orders and shares.", metavar="N")] = 0


@expand_groups
def desk(
    models: ModelOptions,
    assignments: AssignmentOptions,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="JSONL file of answer records.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Result of `selfcritic run --json` to show.", metavar="FILE"),
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(help="SQLite file or PostgreSQL URL (default: FILE.desk).", metavar="URL"),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Write the finished work to this folder and exit.", metavar="DIR"),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Port (0: any free).")
    ] = 8420,
) -> None:
    """Review, rate and compare critiques in the browser. Saves each change immediately."""
    try:
        from selfcritic.graphs.desk.addresses import DeskDatabaseError
        from selfcritic.graphs.desk.run_view import RunView
    except ImportError as error:
        fail(f"The desk needs {error.name}: pip install 'selfcritic[desk]'.", BAD_USAGE)
    if file is None and run is None:
        fail("Pass a FILE of answer records, or --run FILE for a finished run.", BAD_USAGE)
    try:
        run_view = None if run is None else RunView.read(run)
        if file is None:
            _serve(None, run_view, port)
            return
        opened = _open_desk(file, db, assignments, models)
        try:
            if export is not None:
                _export(opened, export)
            else:
                _serve(opened, run_view, port)
        finally:
            opened.database.close()
    except DeskDatabaseError as error:
        fail(str(error), FAILED)
    except (SelfcriticError, ValidationError, OSError) as error:
        fail(error, BAD_USAGE)


def _open_desk(
    file: Path, db: str | None, assignments: AssignmentOptions, models: ModelOptions
) -> "Desk":
    from selfcritic.graphs.desk.assignments import DeskOptions
    from selfcritic.graphs.desk.critic import LiveCritic
    from selfcritic.graphs.desk.database import Database
    from selfcritic.graphs.desk.session import Desk

    records = [add_gold_critique(record) for record in read_answers(file)]
    search = None
    spec = models.critic or models.model
    if spec is not None:
        check_api_base(models.api_base, spec)
        context = Context(
            model=load_model(spec, models.api_base),
            max_output_tokens=parse_max_output_tokens(models.max_output_tokens),
            cache=models.cache,
        )
        load_files(context)
        search = LiveCritic(context).search
    address = db or str(file.with_name(f"{file.name}.desk"))
    database = Database.open(address, hash_file(file))
    return Desk(records, database, DeskOptions(**asdict(assignments)), search)


def _export(opened: "Desk", folder: Path) -> None:
    from selfcritic.graphs.desk.export import Export

    result = Export(opened)
    if not result.ratings and not result.reviews:
        raise InputError("--export: nothing is finished yet. Submit an assignment first.")
    for path in result.write(folder):
        sys.stdout.write(f"{path}\n")


def _serve(opened: "Desk | None", run_view: "RunView | None", port: int) -> None:
    """Serve the page until Ctrl+C."""
    import socket

    import uvicorn

    from selfcritic.graphs.desk.server import create_app

    console = create_console(stderr=True)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen()  # before the address is printed
    except OSError as error:
        listener.close()
        raise InputError(
            f"--port: {port} is not free ({error.strerror}). Pass another one."
        ) from None
    port = listener.getsockname()[1]
    token = secrets.token_urlsafe(24)
    hosts = {f"{_HOST}:{port}", f"localhost:{port}"}
    app = create_app(opened, run_view, token, hosts)
    sys.stdout.write(f"http://{_HOST}:{port}/?token={token}\n")
    sys.stdout.flush()
    hint = "Open this address in a browser. Ctrl+C stops the desk; nothing is lost."
    print_words(console, Text(hint))
    signal.signal(signal.SIGTERM, _exit)  # uvicorn raises it again after its shutdown
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    with listener:
        asyncio.run(server.serve(sockets=[listener]))


def _exit(number: int, _frame: object) -> NoReturn:
    """End the process with its cleanup, which closes the database."""
    raise SystemExit(128 + number)
