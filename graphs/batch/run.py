"""Run a graph over a dataset with a shared budget and ledger.

A finished row is saved in the ledger before its callback runs. After a crash, the same call runs the remaining rows;
rows that were in progress start over.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langgraph.graph.state import CompiledStateGraph
from pydantic import TypeAdapter

from selfcritic.agent.context import MODEL_VARIABLE, Context, Role
from selfcritic.agent.errors import BudgetExhausted, CheckpointError, InputError
from selfcritic.agent.nodes.validation import check_models, check_prices
from selfcritic.agent.redaction import redact
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.sampling.cache import open_cache
from selfcritic.agent.sampling.rate_limit import RateLimit
from selfcritic.agent.schemas import Budget, Usage
from selfcritic.agent.scoring.registry import check_scorers
from selfcritic.agent.state import Input, Output
from selfcritic.graphs.batch.dask import WorkersLost, dask_runner
from selfcritic.graphs.batch.dataset import Row, parse_row
from selfcritic.graphs.batch.ledger import Ledger, add_columns, fingerprint

Graph = CompiledStateGraph[Any, Context, Any, Any]
Result = dict[str, Any]
RowRunner = Callable[[Input], Awaitable[Any]]
RowData = Row | Mapping[str, Any] | list[Any]
_OUTPUT = TypeAdapter(Output)


def _ignore(_: object) -> None:
    """Do nothing: the default callback."""


@dataclass
class Report:
    """Progress of a batch; updated in place while it runs."""

    finished: int = 0
    """Rows finished by this call."""
    resumed: int = 0
    """Rows finished by earlier calls."""
    failed: int = 0
    """Rows with an error; a later call retries them."""
    unusable: int = 0
    """Failed rows whose data cannot be used; no model was called."""
    remaining: int = 0
    """Rows that the budget did not cover."""
    stop_reasons: Counter[str] = field(default_factory=Counter)
    """Number of finished rows by stop reason, including resumed rows."""
    usage: Usage = field(default_factory=Usage)
    """Usage of the whole batch, including earlier calls; `seconds` covers this call only."""
    started: float = field(default_factory=time.monotonic)


class PersistentBudget(BudgetTracker):
    """Persists usage before each request, so a crash does not reset the budget."""

    def __init__(self, budget: Budget, ledger: Ledger, rate: RateLimit) -> None:
        super().__init__(budget, ledger.spent().model_copy(update={"seconds": 0.0}))
        self._ledger = ledger
        self.rate = rate

    def reserve(self, role: str, messages: Sequence[BaseMessage]) -> None:
        """Count a request, and save the usage before it is sent."""
        super().reserve(role, messages)
        self._ledger.save_usage(self.usage)

    def add(self, usage: Usage) -> None:
        """Count and save usage of a checkpoint or a worker."""
        super().add(usage)
        self._save_paid_usage()

    def charge(self, role: str, tokens: UsageMetadata | None, cost_usd: float | None) -> None:
        """Count and save the tokens and cost of a reply."""
        super().charge(role, tokens, cost_usd)
        self._save_paid_usage()

    def count_cached(self, *arguments: Any, **options: Any) -> None:
        """Count a reply of the cache, and save the usage."""
        super().count_cached(*arguments, **options)
        self._save_paid_usage()

    def _save_paid_usage(self) -> None:
        with suppress(CheckpointError):  # the reply is paid for; the next request is refused
            self._ledger.save_usage(self.usage)


async def run_batch(
    graph: Graph,
    rows: Iterable[RowData],
    *,
    context: Context,
    ledger: str | Path,
    on_result: Callable[[Result], None],
    on_error: Callable[[Result], None] = _ignore,
    on_unsaved: Callable[[Result], None] | None = None,
    on_progress: Callable[[Report], None] = _ignore,
    concurrency: int = 16,
    ordered: bool = False,
    budget: Budget | None = None,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    restart: bool = False,
    dask: str | None = None,
    dask_timeout: float = 60.0,
) -> Report:
    """Run every row that is not finished yet.

    Args:
        graph: A graph compiled without a checkpointer.
        rows: Rows as `read_rows` yields them, mappings, or lists of messages.
        context: Options of every row; the options that the graph was created with are ignored.
        ledger: SQLite file of finished rows.
        on_result: Called with each finished row, including resumed rows: `id`, the output, the row's extra columns.
        on_error: Called with the `id` and `error` of each row that failed.
        on_unsaved: Called instead of `on_result` with each paid result that the ledger cannot save; by default
            `on_result`. A later call runs its row again.
        on_progress: Called with the report after each row.
        concurrency: Number of rows to run at the same time.
        ordered: Call `on_result` in input order, at the end.
        budget: Limits of the whole batch. Calls, tokens and cost include earlier calls with the same ledger; `seconds`
            does not. A row with a draft when the budget runs out is finished, with the stop reason `budget`.
        requests_per_minute: Limit over all rows.
        tokens_per_minute: Limit over all rows.
        restart: Clear the ledger and start over.
        dask: Address of a Dask scheduler whose workers run the rows.
        dask_timeout: Seconds without any connected worker after which the batch ends.

    Raises:
        InputError: The options would make every row fail, or differ from the ledger's without `restart`.
        CheckpointError: The ledger cannot be written. Results that it lacks were given to `on_unsaved`.
        ModelError: No Dask worker is connected.
    """
    options = _with_all_fields_set(context)
    budget = budget or Budget()
    if dask is not None and (budget != Budget() or requests_per_minute or tokens_per_minute):
        raise InputError(
            "`dask` supports no budget or rate limit over the whole batch: leave them out."
        )
    await _check(graph, options, budget, concurrency)
    if dask is None:  # the folder of a scorer may be on the workers only
        await asyncio.to_thread(check_scorers, options)
    with closing(Ledger(ledger, fingerprint(graph.name, options), restart)) as rows_ledger:
        rate_limit = RateLimit(requests_per_minute, tokens_per_minute)
        batch = _Batch(
            ledger=rows_ledger,
            budget=PersistentBudget(budget, rows_ledger, rate_limit),
            on_result=_ignore if ordered else on_result,
            on_unsaved=on_unsaved or on_result,
            on_error=on_error,
            on_progress=on_progress,
        )
        async with _row_runner(graph, options, batch.budget, dask, dask_timeout) as run_row:
            await batch.run(rows, run_row, concurrency)
        if ordered:
            batch.report_in_order(on_result)
        if batch.fatal_error is not None:
            raise batch.fatal_error
        return batch.report


@asynccontextmanager
async def _row_runner(
    graph: Graph, options: Context, budget: BudgetTracker, dask: str | None, dask_timeout: float
) -> AsyncIterator[RowRunner]:
    """Yield a function that runs one row and charges the batch's budget."""
    token = parent_budget.set(budget)
    try:
        if dask is None:
            yield partial(graph.ainvoke, context=options)
        else:
            runner = dask_runner(dask, graph.name, options, budget, dask_timeout)
            async with runner as run_on_worker:
                yield run_on_worker
    finally:
        parent_budget.reset(token)


@dataclass
class _Batch:
    ledger: Ledger
    budget: BudgetTracker
    on_result: Callable[[Result], None]
    on_unsaved: Callable[[Result], None]
    """Called with paid results that the ledger does not have."""
    on_error: Callable[[Result], None]
    on_progress: Callable[[Report], None]
    report: Report = field(default_factory=Report)
    fatal_error: Exception | None = None
    """Error that ends the batch: of reading the rows, the ledger, a callback or all workers."""

    async def run(self, rows: Iterable[RowData], run_row: RowRunner, concurrency: int) -> None:
        """Run the rows; after a fatal error, only those in progress."""
        self.report.usage = self.budget.usage
        pending = self._pending(rows)
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(self._work(pending, run_row))
        self.report.usage = self.budget.usage

    def report_in_order(self, on_result: Callable[[Result], None]) -> None:
        """Call `on_result` with the finished rows in input order; keep the first fatal error."""
        try:
            for result in self.ledger.ordered_results():
                on_result(result)
        except (CheckpointError, OSError) as error:
            self.fatal_error = self.fatal_error or error

    def _pending(self, rows: Iterable[RowData]) -> Iterator[Row]:
        """Yield the rows to run; report finished and invalid rows."""
        for row in self._read(rows):
            if self.fatal_error is not None:
                return
            if row.error is not None:
                self.report.unusable += 1
                self._fail(row, row.error)
            elif not self.ledger.register(row):
                self.report.unusable += 1
                self._fail(
                    row,
                    f"The id '{row.id}' (or, without ids, the same content) is already in this input.",
                )
            elif (result := self.ledger.result(row)) is not None:
                self.report.resumed += 1
                self._finish(row, result)
            elif self.budget.is_spent:
                self.report.remaining += 1
            else:
                yield row

    def _read(self, rows: Iterable[RowData]) -> Iterator[Row]:
        try:
            for data in rows:
                yield data if isinstance(data, Row) else parse_row(data)
        except Exception as error:  # noqa: BLE001 - raised after the rows in progress
            self.fatal_error = error

    async def _work(self, pending: Iterator[Row], run_row: RowRunner) -> None:
        """Run rows until there are no more; the workers share the iterator."""
        try:
            for row in pending:
                await self._run(row, run_row)
        except (CheckpointError, WorkersLost, OSError) as error:
            # The other rows in progress are paid for: they end first.
            self.fatal_error = self.fatal_error or error

    async def _run(self, row: Row, run_row: RowRunner) -> None:
        try:
            output = await run_row(cast(Input, row.input))
        except BudgetExhausted as error:
            if self.budget.is_spent:
                self.report.remaining += 1
            else:
                # The row's own budget does not cover its first draft.
                self._fail(row, str(error))
        except (CheckpointError, WorkersLost):
            raise
        except Exception as error:  # noqa: BLE001 - a row may raise anything; the other rows still run
            self._fail(row, redact(str(error)) or type(error).__name__)
        else:
            result = {"id": row.id, **_OUTPUT.dump_python(cast(Output, output), mode="json")}
            self._save(row, result)

    def _save(self, row: Row, result: Result) -> None:
        """Save a result; one that is incomplete or cannot be saved is only reported."""
        try:
            # A run that the ledger interrupted starts over in the next call.
            if result.get("stop_reason") == "interrupted":
                raise CheckpointError(str(result.get("error")))
            self.ledger.finish(row, result)
        except CheckpointError:
            self.on_unsaved(add_columns(result, row.extra))
            raise
        self.report.finished += 1
        self._finish(row, result)

    def _finish(self, row: Row, result: Result) -> None:
        self.report.stop_reasons[str(result.get("stop_reason"))] += 1
        self.on_result(add_columns(result, row.extra))
        self.on_progress(self.report)

    def _fail(self, row: Row, error: str) -> None:
        self.report.failed += 1
        self.on_error({"id": row.id, "error": error})
        self.on_progress(self.report)


def _with_all_fields_set(context: Context) -> Context:
    """Mark all options as set, so that they override the graph's."""
    options = {name: getattr(context, name) for name in Context.model_fields}
    options["model"] = context.model or os.environ.get(MODEL_VARIABLE)
    return context.model_copy(update=options)


async def _check(graph: Graph, context: Context, budget: Budget, concurrency: int) -> None:
    """Raise InputError if the options would make every row fail."""
    if concurrency < 1:
        raise InputError(f"`concurrency` must be at least 1, not {concurrency}.")
    if graph.checkpointer:
        raise InputError("A batch has its own ledger: compile the graph without a checkpointer.")
    context.load_prompts()
    await asyncio.to_thread(open_cache, context.cache)
    check_models(context, get_args(Role))
    if budget.cost_usd is not None:
        await asyncio.to_thread(check_prices, context)
