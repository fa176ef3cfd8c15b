"""Run an experiment over a data set, resumable and within one budget (extra `eval`).

inspect_ai runs the samples concurrently and writes its logs. Each finished sample is saved before inspect learns of
it, so that a process that is killed loses no finished sample; see `journal`.
"""

import contextlib
import errno
import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfcritic.agent.data.files import to_line
from selfcritic.agent.data.manifest import (
    MANIFEST_FILE,
    Manifest,
    create_manifest,
    read_manifest,
    write_manifest,
)
from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import BudgetExhausted, CheckpointError, InputError
from selfcritic.agent.evals.experiments import Experiment, Item
from selfcritic.agent.evals.journal import FinishedSample, Journal, SavedBudget, UsageStore
from selfcritic.agent.redaction import redact
from selfcritic.agent.sampling.budget import parent_budget
from selfcritic.agent.schemas import Budget, Usage

LOG_FOLDER = "logs"
_IDENTITY = ("task", "data_sha256", "models", "seed", "options")
"""Fields of the manifest that a resumed run must have in common with the first one."""


@dataclass
class Report:
    """Progress of a run; updated in place."""

    total: int
    resumed: int = 0
    """Samples finished by earlier processes."""
    finished: int = 0
    failed: int = 0
    """Samples with an error; the same command runs them again."""
    remaining: int = 0
    """Samples that the budget did not cover."""
    first_error: str | None = None
    num_lost: int = 0
    """Samples that inspect's logs had and the journal lacked; they ran again."""
    old_logs: Path | None = None
    """Folder of these logs."""
    unsaved: list[FinishedSample] = field(default_factory=list)
    """Finished samples that the folder lacks."""
    usage: Usage = field(default_factory=Usage)
    """Usage of all processes of this run."""

    @property
    def num_done(self) -> int:
        """Number of samples that ended in any way."""
        return self.resumed + self.finished + self.failed + self.remaining


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out, without any effect on its results."""

    budget: Budget = field(default_factory=Budget)
    concurrency: int = 8
    on_progress: Callable[[Report], None] = lambda _: None


def describe_run(
    experiment: Experiment,
    records: Sequence[AnswerRecord],
    *,
    command: Sequence[str],
    data: str,
    models: Mapping[str, str],
    seed: int | None,
    options: Mapping[str, Any],
) -> Manifest:
    """Return the manifest of a run; `options` are those that change its results."""
    return create_manifest(
        command=[redact(word) for word in command],
        task=experiment.name,
        models=dict(models),
        seed=seed,
        data=data,
        data_sha256=hash_records(records),
        options=dict(options),
    )


def hash_records(records: Iterable[AnswerRecord]) -> str:
    """Return the SHA-256 of records, in their order."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(to_line(record).encode())
    return digest.hexdigest()


def run_experiment(
    experiment: Experiment,
    items: Sequence[Item],
    folder: Path,
    manifest: Manifest,
    options: RunOptions,
) -> Report:
    """Run all samples that are not finished, and write the records and ratings.

    Raises:
        InputError: There are no samples, or the folder has another run.
        KeyboardInterrupt: The run was interrupted.
    """
    if not items:
        raise InputError("The data has no items. Pass a file with records.")
    prepare_folder(folder, manifest)
    with UsageStore(folder) as store:
        journal = Journal(folder)
        budget = SavedBudget(options.budget, store)
        run = _Run(experiment, journal, budget, options, Report(len(items)))
        run.count_finished(items)
        token = parent_budget.set(budget)
        try:
            run.run_all(items, folder / LOG_FOLDER)
        finally:
            parent_budget.reset(token)
            journal.write_results([item.id for item in items])
            run.report.usage = budget.usage
        if run.fatal_error is not None:
            raise run.fatal_error
        if run.report.num_done < len(items):  # inspect ends normally after Ctrl-C
            raise KeyboardInterrupt
        return run.report


def prepare_folder(folder: Path, manifest: Manifest) -> None:
    """Create the folder of a run for its owner only, or check that it belongs to the same run.

    Raises:
        InputError: The folder has the run of other data or options, or other files.
    """
    if (folder / MANIFEST_FILE).exists():
        _check_same_run(folder, read_manifest(folder), manifest)
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"--out {folder} is not an empty folder and has no {MANIFEST_FILE}. Pass a new folder."
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        files = [parent for parent in folder.parents if parent.is_file()]
        reason = f"'{files[0]}' is a file" if files else error.strerror
        raise InputError(
            f"--out {folder} cannot be created: {reason}. Pass another folder."
        ) from None
    write_manifest(folder, manifest)


def _move_away(folder: Path) -> Path:
    """Rename a folder to the next free numbered name, and return that."""
    number = 1
    while (target := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return folder.rename(target)


def _check_same_run(folder: Path, saved: Manifest, manifest: Manifest) -> None:
    differences = []
    for name in _IDENTITY:
        before, now = getattr(saved, name), getattr(manifest, name)
        if isinstance(before, dict) and isinstance(now, dict):
            for key in sorted({*before, *now}):
                if before.get(key) != now.get(key):
                    differences.append(f"{key}: {before.get(key)!r} → {now.get(key)!r}")
        elif before != now:
            label = "data" if name == "data_sha256" else name
            shown = "changed" if name == "data_sha256" else f"{before!r} → {now!r}"
            differences.append(f"{label}: {shown}")
    if differences:
        raise InputError(
            f"--out {folder} has a run with other options ({'; '.join(differences)}). Use the same data and options to "
            "resume it, or pass a new folder."
        )


@dataclass
class _Run:
    experiment: Experiment
    journal: Journal
    budget: SavedBudget
    options: RunOptions
    report: Report
    fatal_error: Exception | None = None

    def count_finished(self, items: Sequence[Item]) -> None:
        """Count the samples of earlier processes."""
        for item in items:
            self.report.resumed += self.journal.get(item.id) is not None
        self._show()

    def run_all(self, items: Sequence[Item], log_folder: Path) -> None:
        """Run the samples that the journal lacks, also those that inspect's earlier logs have."""
        is_complete = self.call_inspect(items, log_folder)
        num_missing = len(items) - self.report.num_done
        if not is_complete or self.fatal_error is not None or not num_missing:
            return
        self.report.num_lost = num_missing
        self.report.old_logs = _move_away(log_folder)
        self.call_inspect(items, log_folder)

    def call_inspect(self, items: Sequence[Item], log_folder: Path) -> bool:
        """Let inspect run the samples that its logs lack; what it prints goes to stderr.

        Returns whether the logs have all samples.
        """
        from inspect_ai import eval_set

        from selfcritic.agent.evals.tasks import build_task

        name = self.experiment.name
        task = build_task(name, items, self.run, metadata={"selfcritic": name})
        with contextlib.redirect_stdout(sys.stderr):
            is_complete, _ = eval_set(
                task,
                log_dir=str(log_folder),
                model="none",
                display="none",
                max_samples=self.options.concurrency,
                retry_attempts=0,
                retry_immediate=False,
                log_level="critical",
                log_realtime=False,
                ctl_server=False,
            )
        return bool(is_complete)

    async def run(self, item: Item) -> FinishedSample:
        """Return the saved result of a sample, or run and save it."""
        saved = self.journal.get(item.id)
        if saved is not None:
            return saved
        if self.fatal_error is not None:
            raise self.fatal_error
        try:
            finished = await self.experiment.run(item)
        except BudgetExhausted:
            self.report.remaining += 1
            self._show()
            raise
        except CheckpointError as error:
            self.fatal_error = error
            raise
        try:
            self.journal.append(finished)
        except OSError as error:  # such as a full disk: all further samples would be lost, too
            self.fatal_error = error
            self.report.unsaved.append(finished)
            raise
        if finished.error is None:
            self.report.finished += 1
        elif self.budget.is_spent:
            self.report.remaining += 1
        else:
            self.report.failed += 1
            self.report.first_error = self.report.first_error or finished.error
        self._show()
        return finished

    def _show(self) -> None:
        self.report.usage = self.budget.usage
        self.options.on_progress(self.report)
