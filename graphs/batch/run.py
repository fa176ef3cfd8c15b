"""Run a graph over a data set: many rows at once, one budget and one rate limit over all, and a ledger to go on from.

A row that is done is in the ledger before it is handed on; killed at any moment, the same call goes on with the rows
that are not. Rows that were under way then are run again from their beginning.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langgraph.graph.state import CompiledStateGraph
from pydantic import TypeAdapter

from selfcritic import prompts
from selfcritic.agent.context import Context, Role
from selfcritic.agent.errors import BudgetExhausted, InputError
from selfcritic.agent.models.errors import redact
from selfcritic.agent.nodes.validation import check_prices
from selfcritic.agent.sampling.budget import BudgetTracker, parent_budget
from selfcritic.agent.sampling.rate_limit import RateLimit
from selfcritic.agent.schemas import Budget, Usage
from selfcritic.agent.state import Input, Output
from selfcritic.agent.step import models_for
from selfcritic.graphs.batch.dask import dask_runner
from selfcritic.graphs.batch.dataset import Row, parse_row
from selfcritic.graphs.batch.ledger import Ledger, fingerprint
from selfcritic.graphs.runtime import GraphNode

Graph = CompiledStateGraph[Any, Context, Any, Any]
Result = dict[str, Any]
_OUTPUT = TypeAdapter(Output)


def _ignore(_: object) -> None:
    """Nobody listens."""


@dataclass
class Report:
    """How a batch stands. Changed in place while it runs."""

    finished: int = 0
    """Rows done by this call."""
    resumed: int = 0
    """Rows that an earlier call had done."""
    failed: int = 0
    """Rows set aside; a later call tries them again."""
    remaining: int = 0
    """Rows that the budget did not reach."""
    stop_reasons: Counter[str] = field(default_factory=Counter)
    """Of all rows done."""
    usage: Usage = field(default_factory=Usage)
    """Of the whole batch, earlier calls included; its seconds are this call's."""
    began: float = field(default_factory=time.monotonic)


class _PersistentBudget(BudgetTracker):
    """A meter that writes each request down before it is sent: a crash does not make the budget anew."""

    def __init__(self, budget: Budget, ledger: Ledger, rate: RateLimit) -> None:
        super().__init__(budget, ledger.spent().model_copy(update={"seconds": 0.0}))
        self._ledger, self.rate = ledger, rate

    def reserve(self, part: str, messages: Sequence[BaseMessage]) -> None:
        super().reserve(part, messages)
        self._ledger.save_usage(self.usage)

    def add(self, spent: Usage) -> None:
        super().add(spent)
        self._ledger.save_usage(self.usage)

    def charge(self, part: str, tokens: UsageMetadata | None, cost_usd: float | None) -> None:
        super().charge(part, tokens, cost_usd)
        self._ledger.save_usage(self.usage)


async def run_batch(
    graph: Graph,
    rows: Iterable[Row | Mapping[str, Any] | list[Any]],
    *,
    ledger: str | Path,
    on_result: Callable[[Result], None],
    on_error: Callable[[Result], None] = _ignore,
    context: Context | None = None,
    concurrency: int = 16,
    ordered: bool = False,
    budget: Budget | None = None,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    restart: bool = False,
    dask: str | None = None,
    on_progress: Callable[[Report], None] = _ignore,
) -> Report:
    """Run every row that is not done yet; each result goes to `write`, `id` first, and each bad row to `set_aside`.

    `write` gets all rows done, those of earlier calls included, as they come; with `in_order`, in input order at the
    end. `budget` is one over the whole batch: calls, tokens and cost count earlier calls with the same ledger,
    `seconds` this one. A row whose draft the budget cut short is done, with the stop reason `budget`. Raises
    InputError for options that no row could be run with, and for a ledger of other options without `restart`.
    `dask` is the address of a scheduler whose workers run the rows; a row whose worker dies is run by another.
    """
    options = _options(graph).merge(context)
    budget = budget or Budget()
    await _check(graph, options, budget, concurrency)
    if dask is not None and (budget != Budget() or requests_per_minute or tokens_per_minute):
        raise InputError("Over Dask there is no budget or rate limit over the whole batch yet: leave them out.")
    book = Ledger(ledger, fingerprint(graph.name, options), restart)
    meter = _PersistentBudget(budget, book, RateLimit(requests_per_minute, tokens_per_minute))
    token = parent_budget.set(meter)
    try:
        async with AsyncExitStack() as stack:
            run_row = await stack.enter_async_context(dask_runner(dask, graph.name, options, meter)) if dask else None
            here = partial(graph.ainvoke, context=options)
            batch = _Batch(run_row or here, book, meter, on_error, _ignore if ordered else on_result, on_progress)
            await batch.run(rows, concurrency)
        if ordered:
            for result in book.ordered_results():
                on_result(result)
        return batch.report
    finally:
        parent_budget.reset(token)
        book.close()


@dataclass
class _Batch:
    run_row: Callable[[Input], Awaitable[Any]]
    book: Ledger
    meter: BudgetTracker
    on_error: Callable[[Result], None]
    on_result: Callable[[Result], None]
    on_progress: Callable[[Report], None]
    report: Report = field(default_factory=Report)
    failure: Exception | None = None
    """What ended the reading of the rows."""

    async def run(self, rows: Iterable[Row | Mapping[str, Any] | list[Any]], concurrency: int) -> None:
        """Run the rows, so many at once."""
        self.report.usage = self.meter.usage
        todo = self.todo(rows)
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(self.work(todo))
        self.report.usage = self.meter.usage
        if self.failure is not None:
            raise self.failure

    def todo(self, rows: Iterable[Row | Mapping[str, Any] | list[Any]]) -> Iterator[Row]:
        """The rows to be run; the others are dealt with on the way."""
        for row in self._read(rows):
            if row.error is not None:
                self._bad(row, row.error)
            elif not self.book.register(row):
                self._bad(row, f"The id '{row.id}' (or, without ids, the same content) has come before in this input.")
            elif (result := self.book.result(row)) is not None:
                self.report.resumed += 1
                self._done(result)
            elif self.meter.is_spent:
                self.report.remaining += 1
            else:
                yield row

    def _read(self, rows: Iterable[Row | Mapping[str, Any] | list[Any]]) -> Iterator[Row]:
        try:
            for one in rows:
                yield one if isinstance(one, Row) else parse_row(one)
        except Exception as error:  # noqa: BLE001 - raised again once the rows under way, which are paid for, are done
            self.failure = error

    async def work(self, todo: Iterator[Row]) -> None:
        """One of the workers that share the rows."""
        for row in todo:
            try:
                output = await self.run_row(cast(Input, row.input))
            except BudgetExhausted as error:
                if self.meter.is_spent:
                    self.report.remaining += 1
                else:
                    self._bad(row, str(error))  # its own budget does not cover its first draft
            except Exception as error:  # noqa: BLE001 - whatever a row brings about, the other rows are run
                self._bad(row, redact(str(error)) or type(error).__name__)
            else:
                result = {"id": row.id, **_OUTPUT.dump_python(cast(Output, output), mode="json")}
                self.book.finish(row, result)
                self.report.finished += 1
                self._done(result)

    def _done(self, result: Result) -> None:
        self.report.stop_reasons[str(result.get("stop_reason"))] += 1
        self.on_result(result)
        self.on_progress(self.report)

    def _bad(self, row: Row, error: str) -> None:
        self.report.failed += 1
        self.on_error({"id": row.id, "error": error})
        self.on_progress(self.report)


def _options(graph: Graph) -> Context:
    """The options a graph was made with."""
    nodes = (node.runnable for node in graph.builder.nodes.values())
    return next((node.defaults for node in nodes if isinstance(node, GraphNode)), Context())


async def _check(graph: Graph, options: Context, budget: Budget, concurrency: int) -> None:
    """Whatever would make every row a bad one."""
    if concurrency < 1:
        raise InputError("The concurrency is at least 1.")
    if graph.checkpointer:
        raise InputError("A batch has its own ledger: compile the graph without a checkpointer.")
    prompts.load(options.prompts, options.prompt_dir)
    for part in get_args(Role):
        models_for(part, options)
    if budget.cost_usd is not None:
        await asyncio.to_thread(check_prices, options)
