"""Collect natural bugs from fixes, with a ledger: tested fixes are not tested again."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.data.tampering.natural import Fix, FixRejected, build_natural
from selfcritic.agent.data.tampering.plan import PlanOptions
from selfcritic.graphs.batch.dataset import Row
from selfcritic.graphs.batch.ledger import Ledger


@dataclass(frozen=True)
class FixSource:
    """A fix that is loaded when it is tested."""

    id: str
    load: Callable[[], Fix]


@dataclass
class NaturalReport:
    """What was found; updated in place while it runs."""

    total: int
    records: list[AnswerRecord] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    """Fixes without a record, by reason."""
    num_done: int = 0

    def describe_progress(self) -> str:
        """Return one line about the fixes so far."""
        num_bugs = sum(record.origin == "natural" for record in self.records)
        return f"{self.num_done:,} of {self.total:,} fixes, {num_bugs:,} natural bugs."


def collect_natural(
    sources: Sequence[FixSource],
    report: NaturalReport,
    *,
    origin: str,
    plan: PlanOptions,
    seconds: float,
    ledger: Path,
    restart: bool,
    on_progress: Callable[[NaturalReport], None],
) -> None:
    """Test every fix that is not tested yet, and fill the report.

    `origin` names the repository or the releases.

    Raises:
        InputError: The ledger is in use, or was created with other options.
        CheckerError: Tests cannot run on this machine.
        CheckpointError: The ledger cannot be written.
    """
    options = {
        "graph": "natural_bugs",
        "origin": origin,
        "seconds": seconds,
        "clean_share": plan.clean_share,
        "split_shares": list(plan.split_shares),
        "seed": plan.seed,
    }
    with closing(Ledger(ledger, options, restart)) as saved:
        for source in sources:
            row = Row(source.id, source.id, None)
            result = saved.result(row)
            if result is None:
                result = _test_fix(source, plan, seconds)
                saved.finish(row, result)
            _add_result(report, result)
            on_progress(report)


def _test_fix(source: FixSource, plan: PlanOptions, seconds: float) -> dict[str, Any]:
    try:
        records = build_natural(source.load(), plan, seconds)
    except FixRejected as error:
        return {"records": [], "reason": str(error)}
    return {"records": [record.model_dump(mode="json") for record in records], "reason": None}


def _add_result(report: NaturalReport, result: dict[str, Any]) -> None:
    report.num_done += 1
    if result["reason"] is not None:
        report.rejected[result["reason"]] += 1
    for data in result["records"]:
        report.records.append(AnswerRecord.model_validate(data))
