"""`selfcritic batch`: run the loop over a dataset."""

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live

from selfcritic.agent.context import Context
from selfcritic.agent.errors import CheckpointError, InputError, SelfcriticError
from selfcritic.agent.schemas import Budget
from selfcritic.agent.state import Output
from selfcritic.graphs.batch.dask import WorkersLost
from selfcritic.graphs.batch.dataset import Columns, read_rows
from selfcritic.graphs.batch.run import Report, run_batch
from selfcritic.graphs.cli.batch_progress import JsonLines, ProgressDisplay, progress_line
from selfcritic.graphs.cli.console import (
    BAD_USAGE,
    FAILED,
    INTERRUPTED,
    check_api_base,
    fail,
    load_model,
    print_error,
    print_notice,
    print_notices,
    show_warnings,
)
from selfcritic.graphs.cli.options import (
    BudgetOptions,
    LoopOptions,
    ModelOptions,
    Quiet,
    RefinementOptions,
    expand_groups,
    parse_max_output_tokens,
)
from selfcritic.graphs.cli.streams import print_json_lines
from selfcritic.graphs.cli.terminal import create_console
from selfcritic.graphs.private_files import check_output
from selfcritic.graphs.self_critique import create_self_critique
from selfcritic.prompts import PromptError


@dataclass(frozen=True)
class BatchOptions:
    """Concurrency, rate limits and ledger of a batch."""

    concurrency: Annotated[
        int,
        typer.Option(min=1, help="Rows run at the same time.", metavar="N"),
    ] = 16
    ordered: Annotated[
        bool,
        typer.Option("--ordered", help="Write results at the end, in input order."),
    ] = False
    rpm: Annotated[
        float | None,
        typer.Option(min=0.001, help="Requests per minute at most.", metavar="N"),
    ] = None
    tpm: Annotated[
        float | None,
        typer.Option(min=1, help="Tokens per minute at most.", metavar="N"),
    ] = None
    ledger: Annotated[
        Path | None,
        typer.Option(help="SQLite file of finished rows (default: OUT.ledger).", metavar="FILE"),
    ] = None
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Discard the finished rows and start over."),
    ] = False
    dask: Annotated[
        str | None,
        typer.Option(help="Dask scheduler whose workers run the rows.", metavar="ADDRESS"),
    ] = None
    dask_timeout: Annotated[
        float,
        typer.Option(min=1, help="Seconds to wait without a connected worker.", metavar="SECONDS"),
    ] = 60.0


@dataclass(frozen=True)
class ColumnOptions:
    """Columns that the input of a row is read from."""

    question_column: Annotated[
        str,
        typer.Option(help="Column of the question.", metavar="NAME"),
    ] = "question"
    context_column: Annotated[
        str,
        typer.Option(help="Column of the context to answer from.", metavar="NAME"),
    ] = "context"

    def to_columns(self) -> Columns:
        """Build the argument of `read_rows`."""
        return Columns(self.question_column, self.context_column)


@expand_groups
def batch(
    rows: Annotated[
        Path,
        typer.Argument(
            metavar="ROWS", help="JSONL, CSV, TSV or Parquet file of questions or messages."
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="JSONL file of results, one per line."),
    ],
    models: ModelOptions,
    loop: LoopOptions,
    refinement: RefinementOptions,
    budget: BudgetOptions,
    columns: ColumnOptions,
    options: BatchOptions,
    quiet: Quiet = False,
) -> None:
    """Run the loop over a dataset. Rerun the command to resume.

    Rows that failed are written to OUT with the suffix .errors.jsonl. Other columns are copied to the results. Exits
    with 1 if no row has a result or a file cannot be written, and with 2 if no row can be used.
    """
    console = create_console(stderr=True, quiet=quiet)
    show_warnings(console, retries=False)
    try:
        context = _build_context(models, loop, refinement, options.dask)
        dataset = _Dataset(rows, columns.to_columns(), console)
        print_notices(context, console)
        _check_paths(rows, out, options)
        _run_rows(dataset, out, context, budget.to_budget(), options, console)
    except (CheckpointError, WorkersLost) as error:
        fail(error, FAILED)
    except (SelfcriticError, PromptError, ValidationError, OSError) as error:
        fail(error, BAD_USAGE)


def _check_paths(rows: Path, out: Path, options: BatchOptions) -> None:
    """Raise InputError if two of the files are the same, or a result cannot be written."""
    paths = {"ROWS": rows, "OUT": out, "the errors file": _errors_path(out)}
    paths["--ledger"] = _ledger_path(out, options)
    names_by_path: dict[Path, str] = {}
    for name, path in paths.items():
        other = names_by_path.setdefault(path.resolve(), name)
        if other != name:
            raise InputError(f"{other} and {name} are the same file, '{path}': pass another one.")
    check_output("OUT", out)
    if _errors_path(out).exists():
        check_output("The errors file", _errors_path(out))


class _Dataset:
    """The rows of a file, read once to count them."""

    def __init__(self, path: Path, columns: Columns, console: Console) -> None:
        """Count the rows and report columns that look like input but are not.

        Raises:
            InputError: The file has no rows, or cannot be read.
        """
        self.path = path
        self.columns = columns
        self.total = 0
        renamed: set[str] = set()
        for row in read_rows(path, columns):
            self.total += 1
            renamed |= row.extra.keys() & Output.__annotations__.keys()
        if not self.total:
            raise InputError(f"'{path}' has no rows.")
        for name in sorted(renamed):
            print_notice(
                f"the column '{name}' is not used; the results contain it as 'input_{name}'",
                console,
            )


def _build_context(
    models: ModelOptions, loop: LoopOptions, refinement: RefinementOptions, dask: str | None
) -> Context:
    check_api_base(models.api_base, models.model, models.critic, needs_key=dask is None)
    critic: str | BaseChatModel | None = None
    if models.critic:
        critic = _load_model(models.critic, models.api_base, dask)
    model: str | BaseChatModel | None = None
    if models.model is not None:
        model = _load_model(models.model, models.api_base, dask)
    context = Context(
        model=model,
        critic=critic,
        max_output_tokens=parse_max_output_tokens(models.max_output_tokens),
        cache=models.cache,
        **asdict(loop),
        **refinement.to_fields(),
    )
    context.model_for("generator")
    return context


def _load_model(spec: str, api_base: str | None, dask: str | None) -> str | BaseChatModel:
    if dask and api_base is None:
        return spec  # the workers load it
    return load_model(spec, api_base)


def _run_rows(
    dataset: _Dataset,
    out: Path,
    context: Context,
    budget: Budget,
    options: BatchOptions,
    console: Console,
) -> None:
    """Run the rows and report the result; fail if no row has one."""
    logging.getLogger("distributed").setLevel(
        logging.CRITICAL
    )  # its tracebacks; `run_batch` reports
    with ExitStack() as stack:
        live = stack.enter_context(Live(console=console, auto_refresh=False, transient=True))
        progress = ProgressDisplay(live, dataset.total)
        results = JsonLines(out, stack)
        errors = JsonLines(_errors_path(out), stack)
        batch_run = run_batch(
            create_self_critique().compile(name="self_critique"),
            read_rows(dataset.path, dataset.columns),
            ledger=_ledger_path(out, options),
            on_result=results.write,
            on_error=errors.write,
            on_unsaved=results.write_or_keep,
            context=context,
            concurrency=options.concurrency,
            ordered=options.ordered,
            budget=budget,
            requests_per_minute=options.rpm,
            tokens_per_minute=options.tpm,
            restart=options.restart,
            dask=options.dask,
            dask_timeout=options.dask_timeout,
            on_progress=progress.show,
        )
        try:
            report = asyncio.run(batch_run)
        except KeyboardInterrupt:
            live.stop()
            _fail_interrupted(progress.report, dataset.total)
        finally:
            live.stop()
            _print_unwritten(results.unwritten, out)
        errors.remove_stale()
    console.print(progress_line(report, dataset.total), soft_wrap=True)
    _print_unfinished(report, out, console)
    if not report.finished + report.resumed:
        reason = "The budget does not cover a single row."
        if errors.first is not None:
            reason = f"The first error is: {errors.first['error']}"
        if report.unusable == dataset.total:
            fail(f"No row can be used. {reason}", BAD_USAGE)
        fail(f"No row has a result. {reason}", FAILED)


def _print_unwritten(rows: list[dict[str, Any]], out: Path) -> None:
    """Print paid rows that neither the ledger nor OUT has."""
    if rows:
        print_error(
            f"Neither the ledger nor '{out}' can be written; rows printed to standard output instead: {len(rows):,}."
        )
        print_json_lines(rows)


def _print_unfinished(report: Report, out: Path, console: Console) -> None:
    if report.failed:
        noun = "row" if report.failed == 1 else "rows"
        console.print(
            f"{report.failed:,} {noun} failed; see {_errors_path(out)}. Rerun the command to retry.",
            soft_wrap=True,
        )
    if report.remaining:
        noun = "row" if report.remaining == 1 else "rows"
        console.print(
            f"{report.remaining:,} {noun} left: the budget is spent. Rerun with a larger budget to continue.",
            soft_wrap=True,
        )


def _fail_interrupted(report: Report | None, total: int) -> NoReturn:
    num_finished = 0
    if report is not None:
        num_finished = report.finished + report.resumed
    fail(
        f"Interrupted: {num_finished:,} of {total:,} rows are finished. Rerun the command to resume.",
        INTERRUPTED,
    )


def _ledger_path(out: Path, options: BatchOptions) -> Path:
    return options.ledger or out.with_name(f"{out.name}.ledger")


def _errors_path(out: Path) -> Path:
    return out.with_suffix(".errors.jsonl")
