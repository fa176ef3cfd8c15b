"""`selfcritic batch`: run the loop over a data set; results go to a JSONL file, progress to stderr."""

import asyncio
import json
import time
from contextlib import ExitStack
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
from selfcritic.graphs.batch.dataset import count_rows, read_rows
from selfcritic.graphs.batch.run import Report, run_batch
from selfcritic.graphs.cli.console import BAD_USAGE, check_api_base, fail, give_notices, model_named
from selfcritic.graphs.cli.options import (
    ApiBase,
    Critic,
    Critiques,
    Drafts,
    KindChoice,
    MaxCalls,
    MaxCost,
    MaxSeconds,
    MaxTokens,
    ModelOption,
    Quiet,
    Rounds,
    Seed,
    TaskType,
    budget_of,
)
from selfcritic.graphs.self_critique import create_self_critique
from selfcritic.prompts import PromptError


def batch(
    rows: Annotated[Path, typer.Argument(help="JSONL, CSV or Parquet: question, context or messages; id.")],
    out: Annotated[Path, typer.Argument(help="JSONL file for the results, one a line.")],
    model: ModelOption = "simulated",
    critic: Critic = None,
    api_base: ApiBase = None,
    kind: TaskType = KindChoice.question,
    drafts: Drafts = 1,
    critiques: Critiques = 8,
    rounds: Rounds = 3,
    seed: Seed = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Rows at once.")] = 16,
    ordered: Annotated[bool, typer.Option("--in-order", help="Write in input order, at the end.")] = False,
    rpm: Annotated[float | None, typer.Option(min=0.001, help="Requests a minute at most.")] = None,
    tpm: Annotated[float | None, typer.Option(min=1, help="Tokens a minute at most.")] = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    max_seconds: MaxSeconds = None,
    ledger: Annotated[Path | None, typer.Option(help="Where done rows are kept; OUT.ledger by default.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget the rows done before.")] = False,
    dask: Annotated[str | None, typer.Option(help="Address of a Dask scheduler whose workers run the rows.")] = None,
    quiet: Quiet = False,
) -> None:
    """Run the loop over a data set. The same command goes on where it stopped; bad rows go to OUT.bad."""
    console = Console(stderr=True, quiet=quiet, highlight=False)
    try:
        check_api_base(api_base, model, critic)
        options = Context(
            model=_named(model, api_base, dask),
            critic=_named(critic, api_base, dask) if critic else None,
            task_type=kind.value,
            num_drafts=drafts,
            num_critiques=critiques,
            max_rounds=rounds,
            seed=seed,
        )
        budget = budget_of(max_calls, max_tokens, max_cost, max_seconds)
        total = count_rows(rows)
        give_notices(options, console)
        with ExitStack() as stack:
            live = stack.enter_context(Live(console=console, auto_refresh=False, transient=True))
            files = _Files(stack, out)
            report = asyncio.run(
                run_batch(
                    create_self_critique().compile(name="self_critique"),
                    read_rows(rows),
                    ledger=ledger or out.with_name(out.name + ".ledger"),
                    on_result=files.write,
                    on_error=files.on_error,
                    context=options,
                    concurrency=concurrency,
                    ordered=ordered,
                    budget=budget,
                    requests_per_minute=rpm,
                    tokens_per_minute=tpm,
                    restart=restart,
                    dask=dask,
                    on_progress=_Shown(live, total),
                )
            )
    except (SelfcriticError, PromptError, ValidationError, OSError, UnicodeDecodeError) as error:
        fail(error, BAD_USAGE)
    console.print(_line(report, total), soft_wrap=True)
    if report.failed:
        console.print(f"{report.failed} bad rows set aside in {out}.bad; the same command tries them again.")
    if report.remaining:
        console.print(f"{report.remaining} rows left: the budget is spent. The same command with a larger one goes on.")


def _named(spec: str, api_base: str | None, dask: str | None) -> str | BaseChatModel:
    """Over Dask a model travels by its name, and is loaded on the workers."""
    return spec if dask and api_base is None else model_named(spec, api_base)


class _Files:
    """OUT and OUT.bad, opened at the first line: a call that is refused leaves the earlier ones as they are."""

    def __init__(self, stack: ExitStack, out: Path) -> None:
        self._stack, self._out = stack, out
        self._open: dict[str, IO[str]] = {}

    def write(self, result: dict[str, Any]) -> None:
        self._line("", result)

    def on_error(self, bad: dict[str, Any]) -> None:
        self._line(".bad", bad)

    def _line(self, find_stop_reason: str, data: dict[str, Any]) -> None:
        if find_stop_reason not in self._open:
            path = self._out.with_name(self._out.name + find_stop_reason)
            self._open[find_stop_reason] = self._stack.enter_context(path.open("w", encoding="utf-8"))
        self._open[find_stop_reason].write(json.dumps(data, ensure_ascii=False) + "\n")
        self._open[find_stop_reason].flush()


class _Shown:
    """Shows how the batch stands, a few times a second."""

    def __init__(self, live: Live, total: int) -> None:
        self._live, self._total, self._next = live, total, 0.0

    def __call__(self, report: Report) -> None:
        if self._live.console.is_terminal and (now := time.monotonic()) >= self._next:
            self._next = now + 0.25
            self._live.update(_line(report, self._total), refresh=True)


def _line(report: Report, total: int) -> Text:
    """Rows, throughput, spend, stop reasons and the time left."""
    through = report.finished + report.resumed + report.failed
    rate = report.finished / max(time.monotonic() - report.started, 1e-9)
    left = f"{(total - through) / rate:,.0f} s left" if rate else "time left not known"
    cost = "cost not known" if report.usage.cost_usd is None else f"{report.usage.cost_usd:.4f} USD"
    reasons = ", ".join(f"{reason} {count}" for reason, count in report.stop_reasons.most_common())
    spend = f"{report.usage.calls:,} calls · {report.usage.input_tokens + report.usage.output_tokens:,} tokens · {cost}"
    return Text(f"{through:,} of {total:,} rows · {rate:.1f} a second · {left} · {spend} · {reasons}")
