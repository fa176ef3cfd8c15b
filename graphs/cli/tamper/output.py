"""Write the files of `selfcritic tamper`, and report what was made."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from selfcritic.agent.data.files import to_line, write_records
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.data.tampering.plan import Item
from selfcritic.agent.errors import CheckpointError, InputError
from selfcritic.graphs.batch.natural_bugs import NaturalReport
from selfcritic.graphs.batch.tamper import TamperReport
from selfcritic.graphs.cli.console import print_error
from selfcritic.graphs.cli.streams import print_result
from selfcritic.graphs.cli.terminal import print_words

_UPDATE_SECONDS = 0.25
_KILLED = ("silent", "crashed", "timed_out")


class TamperFiles:
    """The files that one call writes."""

    def __init__(self, out: Path, ledger: Path | None) -> None:
        self.out = out
        self.ledger = ledger or out.with_name(f"{out.name}.ledger")
        self.crashed = out.with_suffix(".crashed.jsonl")
        self.errors = out.with_suffix(".errors.jsonl")

    def check(self, inputs: Sequence[Path], is_restarted: bool) -> None:
        """Check that no file would be lost.

        Raises:
            InputError: Two files are the same, a folder is missing, or OUT is of another command.
        """
        if self.out.is_dir():
            raise InputError(
                f"'{self.out}' (--out) is a folder. Pass a file, such as {self.out}/bugs.jsonl."
            )
        paths = [*inputs, self.out, self.ledger, self.crashed, self.errors]
        resolved = [path.resolve() for path in paths]
        for index, path in enumerate(paths):
            if resolved[index] in resolved[:index]:
                raise InputError(
                    f"'{path}' is two files of this command. Pass another --out or --ledger."
                )
        folder = self.out.absolute().parent
        if not folder.is_dir():
            raise InputError(f"The folder '{folder}' of --out does not exist. Create it.")
        if self.out.exists() and not self.ledger.exists() and not is_restarted:
            raise InputError(
                f"'{self.out}' (--out) exists and has no ledger. Pass another file, or --restart to replace it."
            )

    def write(self, items: Sequence[Item], report: TamperReport) -> None:
        """Replace the files by what is finished.

        Raises:
            CheckpointError: A file cannot be written; the ledger has the finished records.
        """
        errors = []
        for item in items:
            if item.id in report.errors:
                errors.append({"id": item.id, "error": report.errors[item.id]})
        try:
            _write_or_remove(self.out, report.records(items))
            _write_or_remove(self.crashed, report.rejected(items))
            if errors:
                lines = [json.dumps(error) + "\n" for error in errors]
                self.errors.write_text("".join(lines), encoding="utf-8")
            else:
                self.errors.unlink(missing_ok=True)
        except OSError as error:
            raise self._cannot_write(error) from None

    def write_or_print(self, items: Sequence[Item], report: TamperReport) -> None:
        """Replace the files; if that fails, print the records that the ledger lacks."""
        try:
            self.write(items, report)
        except CheckpointError:
            records = report.records([item for item in items if item.id in report.unsaved])
            if records:
                print_error(
                    f"Neither '{self.ledger}' nor '{self.out}' can be written; "
                    f"records printed to standard output instead: {len(records):,}."
                )
                print_result("".join(map(to_line, records)).rstrip())

    def write_natural(self, report: NaturalReport) -> None:
        """Replace OUT by the natural bugs found so far.

        Raises:
            CheckpointError: OUT cannot be written.
        """
        try:
            _write_or_remove(self.out, report.records)
        except OSError as error:
            raise self._cannot_write(error) from None

    def _cannot_write(self, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"'{error.filename or self.out}' cannot be written: {error.strerror}. Finished records are in "
            f"'{self.ledger}': free some space, or check the path, then rerun the command."
        )


def _write_or_remove(path: Path, records: Sequence[AnswerRecord]) -> None:
    if records:
        write_records(path, records)
    else:
        path.unlink(missing_ok=True)


class Progress:
    """Progress line on a terminal, updated a few times per second."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._next_update = 0.0

    def show(self, report: TamperReport | NaturalReport) -> None:
        """Update the line, unless it was updated recently."""
        now = time.monotonic()
        if not self._live.console.is_terminal or now < self._next_update:
            return
        self._next_update = now + _UPDATE_SECONDS
        self._live.update(Text(report.describe_progress()), refresh=True)


def print_report(
    items: Sequence[Item], report: TamperReport, files: TamperFiles, console: Console
) -> None:
    """Print what was made, the rates of the candidates, and what is missing."""
    records = report.records(items)
    num_bugs = sum(len(record.bugs or []) for record in records)
    num_clean = sum(record.origin == "clean" for record in records)
    lines = [
        f"{count_noun(len(records), 'record')} in {files.out}: {len(records) - num_clean:,} tampered with "
        f"{count_noun(num_bugs, 'bug')}, {num_clean:,} clean."
    ]
    lines += _describe_candidates(report)
    num_without = len(report.outputs) - len(records)
    if num_without:
        lines.append(f"{count_noun(num_without, 'record')} left out: no new silent flaw was found.")
    if report.rejected(items):
        lines.append(f"Flaws that crash or hang: {files.crashed}")
    if report.errors:
        lines.append(f"{count_noun(len(report.errors), 'record')} failed; see {files.errors}.")
    if report.remaining:
        lines.append(
            f"{count_noun(report.remaining, 'record')} left: the budget is spent. "
            "Rerun with a larger budget to continue."
        )
    if report.usage.calls:
        lines.append(f"{count_noun(report.usage.calls, 'request')}.")
    for line in lines:
        print_words(console, Text(line))


def count_noun(count: int, noun: str) -> str:
    """Return a number with its noun in singular or plural."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _describe_candidates(report: TamperReport) -> list[str]:
    counts = report.counts
    killed = sum(counts[outcome] for outcome in _KILLED)
    total = killed + counts["survived"]
    if not total:
        return []
    names = {"silent": "silent", "crashed": "crashed", "timed_out": "timed out"}
    parts = [f"{counts[outcome] / total:.1%} {name}" for outcome, name in names.items()]
    lines = [
        f"{count_noun(total, 'candidate flaw')}: {killed / total:.1%} fail a test ({', '.join(parts)}), "
        f"{counts['survived'] / total:.1%} survive."
    ]
    more = {
        "incompatible": "hidden by another flaw",
        "caught": "found by every sample of the critic",
        "unusable": "unusable replies",
    }
    rest = [f"{text}: {counts[name]:,}" for name, text in more.items() if counts[name]]
    if rest:
        lines.append(f"Not used: {'; '.join(rest)}.")
    return lines
