"""Tamper with many answers within one budget, with a ledger.

A finished item is saved in the ledger. After a crash, the same call makes the other records; requests of items that
were in progress are counted, and sent again.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from selfcritic.agent.context import Context, Role
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.data.tampering.plan import Item, PlanOptions
from selfcritic.agent.errors import BudgetExhausted, CheckpointError, SelfcriticError
from selfcritic.agent.nodes.validation import check_models, check_prices
from selfcritic.agent.sampling.budget import parent_budget
from selfcritic.agent.sampling.rate_limit import RateLimit
from selfcritic.agent.schemas import Budget, Usage
from selfcritic.graphs.batch.dataset import Row
from selfcritic.graphs.batch.ledger import Ledger, fingerprint
from selfcritic.graphs.batch.run import PersistentBudget
from selfcritic.graphs.tamper import create_tamper
from selfcritic.graphs.tamper_nodes import TamperOptions, has_critic
from selfcritic.graphs.tamper_state import TamperInput, TamperOutput

_STEPS_PER_CANDIDATE = 5
_OTHER_STEPS = 5

TamperGraph = CompiledStateGraph[Any, Context, Any, Any]


@dataclass
class TamperReport:
    """Progress of a tampering run; updated in place while it runs."""

    total: int
    outputs: dict[str, TamperOutput] = field(default_factory=dict)
    """Outputs of the finished items, by id."""
    errors: dict[str, str] = field(default_factory=dict)
    """Why items failed, by id; a later call tries them again."""
    unsaved: set[str] = field(default_factory=set)
    """Ids of finished items that the ledger lacks."""
    resumed: int = 0
    """Items finished by earlier calls."""
    remaining: int = 0
    """Items that the budget did not cover."""
    usage: Usage = field(default_factory=Usage)

    @property
    def has_records(self) -> bool:
        """Whether any item has a record."""
        return any(output["result"] is not None for output in self.outputs.values())

    @property
    def counts(self) -> Counter[str]:
        """Candidate flaws by outcome."""
        counts: Counter[str] = Counter()
        for output in self.outputs.values():
            counts.update(output["counts"])
        return counts

    def describe_progress(self) -> str:
        """Return one line about the items so far."""
        num_done = len(self.outputs) + len(self.errors)
        return f"{num_done:,} of {self.total:,} records, {self.counts['silent']:,} silent flaws."

    def records(self, items: Sequence[Item]) -> list[AnswerRecord]:
        """Return the finished records in the order of the items; without repeats."""
        records = []
        seen: set[tuple[str, str]] = set()
        for item in items:
            output = self.outputs.get(item.id)
            if output is None or output["result"] is None:
                continue
            record = AnswerRecord.model_validate(output["result"])
            key = (record.task, record.answer)
            if key not in seen:
                seen.add(key)
                records.append(record)
        return records

    def rejected(self, items: Sequence[Item]) -> list[AnswerRecord]:
        """Return the answers with a flaw that crashes or hangs, in the order of the items."""
        records = []
        for item in items:
            output = self.outputs.get(item.id)
            if output is not None:
                records += [AnswerRecord.model_validate(data) for data in output["rejected"]]
        return records


async def run_tamper(
    items: Sequence[Item],
    report: TamperReport,
    *,
    plan: PlanOptions,
    tampering: TamperOptions,
    context: Context,
    ledger: str | Path,
    budget: Budget | None = None,
    concurrency: int = 2,
    restart: bool = False,
    on_progress: Callable[[TamperReport], None] | None = None,
) -> None:
    """Make every record that is not finished yet, and fill the report.

    Raises:
        InputError: A model cannot be used, or the ledger is in use or was created with other options.
        CheckpointError: The ledger cannot be written; the report has the item that it lacks.
    """
    budget = budget or Budget()
    await _check_models(context, tampering, budget)
    options = fingerprint("tamper", context)
    options |= {f"plan.{name}": value for name, value in asdict(plan).items()}
    options |= {f"tampering.{name}": value for name, value in asdict(tampering).items()}
    options = json.loads(json.dumps(options))
    graph = create_tamper(tampering).compile(name="tamper")
    with closing(Ledger(ledger, options, restart)) as saved:
        tracker = PersistentBudget(budget, saved, RateLimit())
        run = _Run(graph, context, saved, tracker, report, on_progress)
        run.max_steps = _STEPS_PER_CANDIDATE * tampering.max_candidates + _OTHER_STEPS
        token = parent_budget.set(tracker)
        try:
            await run.make_all(items, concurrency)
        finally:
            parent_budget.reset(token)
            report.usage = tracker.usage
        if run.fatal_error is not None:
            raise run.fatal_error


async def _check_models(context: Context, tampering: TamperOptions, budget: Budget) -> None:
    """Raise InputError if a model cannot be loaded, or its price is unknown."""
    roles: list[Role] = []
    if "model" in (tampering.insert, tampering.describe):
        roles.append("generator")
    if has_critic(context):
        roles.append("critic")
    check_models(context, roles)
    if budget.cost_usd is not None:
        await asyncio.to_thread(check_prices, context, roles)


@dataclass
class _Run:
    graph: TamperGraph
    context: Context
    ledger: Ledger
    budget: PersistentBudget
    report: TamperReport
    on_progress: Callable[[TamperReport], None] | None
    max_steps: int = 25
    fatal_error: Exception | None = None

    async def make_all(self, items: Sequence[Item], concurrency: int) -> None:
        pending = self._pending(items)
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(self._work(pending))

    def _pending(self, items: Sequence[Item]) -> Iterator[tuple[Item, Row]]:
        """Yield the items to make, and report the finished ones."""
        waiting = []
        for item in items:
            row = _to_row(item)
            result = self.ledger.result(row)
            if result is None:
                waiting.append((item, row))
            else:
                self.report.resumed += 1
                self.report.outputs[item.id] = _to_output(result)
        for item, row in waiting:
            if self.fatal_error is not None:
                return
            if self.budget.is_spent:
                self.report.remaining += 1
            else:
                yield item, row

    async def _work(self, pending: Iterator[tuple[Item, Row]]) -> None:
        try:
            for item, row in pending:
                await self._make(item, row)
                if self.on_progress is not None:
                    self.on_progress(self.report)
        except CheckpointError as error:
            # The other items in progress are paid for: they end first.
            self.fatal_error = self.fatal_error or error

    async def _make(self, item: Item, row: Row) -> None:
        try:
            output = await self.graph.ainvoke(
                _to_input(item), context=self.context, config={"recursion_limit": self.max_steps}
            )
        except BudgetExhausted:
            self.report.remaining += 1
            return
        except CheckpointError:
            raise
        except SelfcriticError as error:
            self.report.errors[item.id] = str(error)
            return
        self.report.outputs[item.id] = _to_output(output)
        try:
            self.ledger.finish(row, dict(_to_output(output)))
        except CheckpointError:
            self.report.unsaved.add(item.id)
            raise


def _to_input(item: Item) -> TamperInput:
    return {
        "record": item.answer.model_dump(mode="json"),
        "id": item.id,
        "num_bugs": item.num_bugs,
        "variant": item.variant,
        "num_variants": item.num_variants,
        "seed": item.seed,
        "split": item.split,
    }


def _to_row(item: Item) -> Row:
    content = json.dumps(_to_input(item), sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return Row(item.id, digest, None)


def _to_output(data: Any) -> TamperOutput:
    return {"result": data["result"], "rejected": data["rejected"], "counts": data["counts"]}
