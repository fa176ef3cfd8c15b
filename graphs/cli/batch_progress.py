"""Show the progress of a batch, and write its results as JSON lines."""

import json
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from rich.live import Live
from rich.text import Text

from selfcritic.agent.errors import CheckpointError
from selfcritic.graphs.batch.run import Report
from selfcritic.graphs.private_files import open_private

_UPDATE_SECONDS = 0.25
"""Minimum time between updates of the progress line."""


class JsonLines:
    """A JSONL file, opened on first write so that a rejected call keeps the old file."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path = path
        self._stack = stack
        self._file: IO[str] | None = None
        self.first: dict[str, Any] | None = None
        """The first record; None before the first write."""
        self.unwritten: list[dict[str, Any]] = []
        """Records of `write_or_keep` that the file lacks."""

    def write(self, record: dict[str, Any]) -> None:
        """Append a record, and flush.

        Raises:
            CheckpointError: The file cannot be written.
        """
        try:
            if self._file is None:
                self.first = record
                # An unpaired surrogate becomes an escape, which is valid JSON.
                file = open_private(self._path, errors="backslashreplace")
                self._file = file
                self._stack.callback(self._close, file)
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise CheckpointError(
                f"'{self._path}' cannot be written: {error.strerror}. Finished rows are in the ledger: free some "
                "space, or check the path, then rerun to write them."
            ) from None

    def write_or_keep(self, record: dict[str, Any]) -> None:
        """Append a record that is nowhere else; keep it in `unwritten` if the file cannot be written."""
        try:
            self.write(record)
        except CheckpointError:
            self.unwritten.append(record)

    def remove_stale(self) -> None:
        """Remove the file of an earlier call if this call wrote nothing."""
        if self._file is None:
            self._path.unlink(missing_ok=True)

    def _close(self, file: IO[str]) -> None:
        with suppress(OSError):  # reported by `write`
            file.close()


class ProgressDisplay:
    """Progress line on a terminal, updated a few times per second."""

    def __init__(self, live: Live, total: int) -> None:
        self.report: Report | None = None
        """The latest report."""
        self._live = live
        self._total = total
        self._next_update = 0.0

    def show(self, report: Report) -> None:
        """Update the line, unless it was updated recently."""
        self.report = report
        now = time.monotonic()
        if not self._live.console.is_terminal or now < self._next_update:
            return
        self._next_update = now + _UPDATE_SECONDS
        self._live.update(progress_line(report, self._total), refresh=True)


def progress_line(report: Report, total: int) -> Text:
    """Format throughput, spending and stop reasons on one line."""
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
    cached = ""
    if usage.cached_calls:
        cached = f"{usage.cached_calls:,} from the cache"
    fields = [
        f"{processed:,} of {total:,} rows",
        f"{rows_per_second:.1f} per second",
        time_left,
        f"{usage.calls:,} calls",
        cached,
        f"{usage.input_tokens + usage.output_tokens:,} tokens",
        cost,
        reasons,
    ]
    return Text(" · ".join(field for field in fields if field))
