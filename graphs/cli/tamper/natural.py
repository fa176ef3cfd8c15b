"""Collect natural bugs from a repository or from two releases."""

import functools
from pathlib import Path

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from selfcritic.agent.context import Context
from selfcritic.agent.data.tampering.natural import Fix
from selfcritic.agent.data.tampering.plan import PlanOptions
from selfcritic.agent.data.tampering.releases import load_releases
from selfcritic.agent.data.tampering.repository import Repository
from selfcritic.agent.errors import InputError
from selfcritic.graphs.batch.natural_bugs import FixSource, NaturalReport, collect_natural
from selfcritic.graphs.cli.console import INTERRUPTED, print_error
from selfcritic.graphs.cli.tamper.options import NaturalOptions, RecordOptions, TestingOptions
from selfcritic.graphs.cli.tamper.output import Progress, TamperFiles, count_noun
from selfcritic.graphs.cli.terminal import print_words

_SECONDS = 60.0


def collect(
    natural: NaturalOptions,
    records: RecordOptions,
    plan: PlanOptions,
    testing: TestingOptions,
    files: TamperFiles,
    restart: bool,
    console: Console,
) -> str:
    """Collect natural bugs and write them; return why there are none, or an empty text.

    Raises:
        InputError: The repository or the releases cannot be read, or the sandbox has no isolation.
    """
    Context(require_isolation=testing.require_isolation)
    origin, sources = _find_sources(natural, records.tests)
    report = NaturalReport(len(sources))
    with Live(console=console, auto_refresh=False, transient=True) as live:
        try:
            collect_natural(
                sources,
                report,
                origin=origin,
                plan=plan,
                seconds=testing.seconds or _SECONDS,
                ledger=files.ledger,
                restart=restart,
                on_progress=Progress(live).show,
            )
        except KeyboardInterrupt:
            live.stop()
            files.write_natural(report)
            print_error(f"Interrupted. {report.describe_progress()} Rerun the command to resume.")
            raise typer.Exit(INTERRUPTED) from None
    files.write_natural(report)
    _print_report(report, files.out, console)
    return "" if report.records else "No fix has tests that fail before it and pass after it."


def _find_sources(natural: NaturalOptions, tests: Path | None) -> tuple[str, list[FixSource]]:
    if natural.from_git is not None:
        repository = Repository(natural.from_git)
        commits = repository.find_fixes(natural.max_commits)
        if not commits:
            raise InputError(
                f"'{natural.from_git}' (--from-git) has no commit whose message mentions a fix or a bug."
            )
        sources = []
        for commit in commits:
            sources.append(FixSource(commit.sha, functools.partial(repository.load_fix, commit)))
        return f"git:{natural.from_git.resolve().name}", sources
    if natural.from_release is None or natural.to_release is None:
        raise InputError("--from-release OLD and --to-release NEW belong together.")
    sources = []
    for fix in load_releases(natural.from_release, natural.to_release, tests):
        sources.append(FixSource(f"{fix.id}:{fix.changed[0]}", functools.partial(_return, fix)))
    return f"releases:{natural.from_release.name}..{natural.to_release.name}", sources


def _return(fix: Fix) -> Fix:
    return fix


def _print_report(report: NaturalReport, out: Path, console: Console) -> None:
    num_natural = sum(record.origin == "natural" for record in report.records)
    num_bugs = sum(len(record.bugs or []) for record in report.records)
    num_clean = len(report.records) - num_natural
    lines = [
        f"{count_noun(len(report.records), 'record')} in {out}: {num_natural:,} with "
        f"{count_noun(num_bugs, 'natural bug')}, {num_clean:,} clean.",
        f"{report.total:,} {'fix' if report.total == 1 else 'fixes'} tested.",
    ]
    for reason, count in report.rejected.most_common():
        noun = "fix" if count == 1 else "fixes"
        lines.append(f"  {count:,} {noun} left out: {reason}.")
    for line in lines:
        print_words(console, Text(line))
