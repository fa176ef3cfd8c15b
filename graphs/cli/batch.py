"""`selfcritic batch`: run the loop over a dataset."""

import asyncio
import json
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live
from rich.text import Text

from selfcritic.agent.context import Context
from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.schemas import Budget
from selfcritic.graphs.batch.dataset import count_rows, read_rows
from selfcritic.graphs.batch.run import Report, run_batch
from selfcritic.graphs.cli.console import (
    BAD_USAGE,
    check_api_base,
    fail,
    load_model,
    print_notices,
    show_warnings,
)
from selfcritic.graphs.cli.options import (
    BudgetOptions,
    LoopOptions,
    ModelOptions,
    Quiet,
    expand_groups,
    parse_max_output_tokens,
)
from selfcritic.graphs.self_critique import create_self_critique
from selfcritic.prompts import PromptError

_UPDATE_SECONDS = 0.25
"""Minimum time between updates of the progress line."""


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


@expand_groups
def batch(
    rows: Annotated[
        Path,
        typer.Argument(
            metavar="ROWS", help="JSONL, CSV or Parquet: question, context or messages."
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="JSONL file of results, one per line."),
    ],
    models: ModelOptions,
    loop: LoopOptions,
    budget: BudgetOptions,
    options: BatchOptions,
    quiet: Quiet = False,
) -> None:
    """Run the loop over a dataset. Rerun the command to resume.

    Rows that failed are written to OUT with the suffix .errors.jsonl.
    """
    console = Console(stderr=True, quiet=quiet, highlight=False)
    show_warnings(console)
    try:
        context = _build_context(models, loop, options.dask)
        limits = budget.to_budget()
        total = count_rows(rows)
        print_notices(context, console)
        report = _run_rows(rows, out, total, context, limits, options, console)
    except (SelfcriticError, PromptError, ValidationError, OSError, UnicodeDecodeError) as error:
        fail(error, BAD_USAGE)
    console.print(_progress_line(report, total), soft_wrap=True)
    if report.failed:
        console.print(
            f"{report.failed} rows failed; see {_errors_path(out)}. Rerun the command to retry them."
        )
    if report.remaining:
        console.print(
            f"{report.remaining} rows left: the budget is spent. Rerun with a larger budget to continue."
        )


def _build_context(models: ModelOptions, loop: LoopOptions, dask: str | None) -> Context:
    check_api_base(models.api_base, models.model, models.critic)
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
        **asdict(loop),
    )
    context.model_for("generator")
    return context


def _load_model(spec: str, api_base: str | None, dask: str | None) -> str | BaseChatModel:
    if dask and api_base is None:
        return spec  # the workers load it
    return load_model(spec, api_base)


def _run_rows(
    rows: Path,
    out: Path,
    total: int,
    context: Context,
    budget: Budget,
    options: BatchOptions,
    console: Console,
) -> Report:
    with ExitStack() as stack:
        live = stack.enter_context(Live(console=console, auto_refresh=False, transient=True))
        results = _JsonLines(out, stack)
        errors = _JsonLines(_errors_path(out), stack)
        return asyncio.run(
            run_batch(
                create_self_critique().compile(name="self_critique"),
                read_rows(rows),
                ledger=options.ledger or out.with_name(f"{out.name}.ledger"),
                on_result=results.write,
                on_error=errors.write,
                context=context,
                concurrency=options.concurrency,
                ordered=options.ordered,
                budget=budget,
                requests_per_minute=options.rpm,
                tokens_per_minute=options.tpm,
                restart=options.restart,
                dask=options.dask,
                on_progress=ProgressDisplay(live, total).show,
            )
        )


def _errors_path(out: Path) -> Path:
    return out.with_suffix(".errors.jsonl")


class _JsonLines:
    """A JSONL file, opened on first write so that a rejected call keeps the old file."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path = path
        self._stack = stack
        self._file: IO[str] | None = None

    def write(self, record: dict[str, Any]) -> None:
        if self._file is None:
            self._file = self._stack.enter_context(self._path.open("w", encoding="utf-8"))
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()


class ProgressDisplay:
    """Progress line on a terminal, updated a few times per second."""

    def __init__(self, live: Live, total: int) -> None:
        self._live = live
        self._total = total
        self._next_update = 0.0

    def show(self, report: Report) -> None:
        """Update the line, unless it was updated recently."""
        now = time.monotonic()
        if not self._live.console.is_terminal or now < self._next_update:
            return
        self._next_update = now + _UPDATE_SECONDS
        self._live.update(_progress_line(report, self._total), refresh=True)


def _progress_line(report: Report, total: int) -> Text:
    usage = report.usage
    processed = report.finished + report.resumed + report.failed
    rows_per_second = report.finished / max(time.monotonic() - report.started, 1e-9)
    time_left = "time left unknown"
    if rows_per_second:
        time_left = f"{(total - processed) / rows_per_second:,.0f} s left"
    cost = "cost unknown"
    if usage.cost_usd is not None:
        cost = f"{usage.cost_usd:.4f} USD"
    reasons = ", ".join(f"{reason} {count}" for reason, count in report.stop_reasons.most_common())
    fields = [
        f"{processed:,} of {total:,} rows",
        f"{rows_per_second:.1f} per second",
        time_left,
        f"{usage.calls:,} calls",
        f"{usage.input_tokens + usage.output_tokens:,} tokens",
        cost,
        reasons,
    ]
    return Text(" · ".join(fields))
