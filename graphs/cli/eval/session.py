"""Carry out `selfcritic eval run`: progress, summary and report."""

import time
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from selfcritic.agent.data.files import to_line
from selfcritic.agent.data.readers import load_answers
from selfcritic.agent.evals.journal import SAMPLES_FILE
from selfcritic.agent.evals.runner import Report, RunOptions, run_experiment
from selfcritic.graphs.cli.console import (
    FAILED,
    INTERRUPTED,
    fail,
    print_error,
    print_notice,
    print_simulated_notice,
)
from selfcritic.graphs.cli.eval.plan import Plan, build_plan, check_plan_prices
from selfcritic.graphs.cli.eval.report import report as report_run
from selfcritic.graphs.cli.eval.run_options import RunRequest
from selfcritic.graphs.cli.streams import print_result

_UPDATE_SECONDS = 0.25
"""Minimum time between updates of the progress line."""


def run_session(request: RunRequest, console: Console) -> None:
    """Run the experiment and print its report.

    Raises:
        InputError: The data or an option cannot be used.
    """
    reading = request.reading
    records = load_answers(
        request.data,
        format=reading.format,
        columns=reading.parse_columns(),
        count=reading.count,
        seed=request.sampling.seed,
    )
    plan = build_plan(request, records)
    limits = request.budget.to_budget()
    if limits.cost_usd is not None:
        check_plan_prices(plan)
    _print_warnings(plan, console)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        progress = _Progress(live)
        options = RunOptions(limits, request.sampling.concurrency, progress.show)
        try:
            report = run_experiment(
                plan.experiment, plan.items, request.out, plan.manifest, options
            )
        except KeyboardInterrupt:
            live.stop()
            done = _num_done(progress.report)
            total = len(plan.items)
            fail(
                f"Interrupted: {done:,} of {total:,} items are finished. Rerun the command to resume.",
                INTERRUPTED,
            )
        finally:
            live.stop()
            _print_unsaved(progress.report, request.out)
    console.print(progress_line(report), soft_wrap=True)
    if report.old_logs is not None:
        print_notice(
            f"{report.num_lost:,} of {report.total:,} items were missing in {SAMPLES_FILE} and ran again; the logs of "
            f"their earlier run are in {report.old_logs}",
            console,
        )
    if not _num_done(report):
        reason = report.first_error or "The budget does not cover a single item."
        fail(f"No item has a result. {reason}\nRerun the command to retry.", FAILED)
    _print_unfinished(report, console)
    report_run(request.out)


def _print_unsaved(report: Report | None, out: Path) -> None:
    """Print paid samples that could not be saved."""
    if report is None or not report.unsaved:
        return
    print_error(
        f"'{out / SAMPLES_FILE}' cannot be written; samples printed to standard output instead: "
        f"{len(report.unsaved):,}. Append these lines to that file to keep them."
    )
    print_result("".join(map(to_line, report.unsaved)).rstrip())


def _print_warnings(plan: Plan, console: Console) -> None:
    for context in plan.contexts.values():
        print_simulated_notice(context, console)
    for notice in plan.notices:
        print_notice(notice, console)
    if plan.judged_critics:
        names = ", ".join(plan.judged_critics)
        message = (
            f"WARNING: the judge is the critic ({names}). It rates its own critiques, so its ratings are no evidence. "
            "Pass another model as --judge."
        )
        console.print(Text(message, style="bold red"), soft_wrap=True)


class _Progress:
    """Progress line on a terminal, updated a few times per second."""

    def __init__(self, live: Live) -> None:
        self.report: Report | None = None
        self._live = live
        self._next_update = 0.0

    def show(self, report: Report) -> None:
        """Update the line, unless it was updated recently."""
        self.report = report
        now = time.monotonic()
        if not self._live.console.is_terminal or now < self._next_update:
            return
        self._next_update = now + _UPDATE_SECONDS
        self._live.update(progress_line(report), refresh=True)


def _num_done(report: Report | None) -> int:
    return 0 if report is None else report.resumed + report.finished


def progress_line(report: Report) -> Text:
    """Format the finished items and the usage of a run on one line."""
    usage = report.usage
    cost = "cost unknown"
    if usage.cost_usd is not None:
        cost = f"{usage.cost_usd:.4f} USD"
    parts = [f"{_num_done(report):,} of {report.total:,} items"]
    if report.resumed:
        parts.append(f"{report.resumed:,} of them before")
    if report.failed:
        parts.append(f"{report.failed:,} failed")
    parts += [
        f"{usage.calls:,} calls",
        f"{usage.cached_calls:,} from the cache" if usage.cached_calls else "",
        f"{usage.input_tokens + usage.output_tokens:,} tokens",
        cost,
    ]
    return Text(" · ".join(part for part in parts if part))


def _print_unfinished(report: Report, console: Console) -> None:
    if report.failed:
        console.print(
            f"{report.failed:,} failed, the first with: {report.first_error}\nRerun the command to retry them.",
            soft_wrap=True,
            markup=False,
        )
    if report.remaining:
        console.print(
            f"{report.remaining:,} left: the budget is spent. Rerun with a larger budget to continue.",
            soft_wrap=True,
        )
