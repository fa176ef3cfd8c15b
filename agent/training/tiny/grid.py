"""Train a grid of tiny models on one device: tasks × sizes × seeds.

The tasks are trained one after another, each with an equal share of the remaining time. All sizes and seeds of a task
are trained in step. While a task is trained, processes draw the first batches of the next one and evaluate the runs of
the previous ones.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.memory import is_memory_error
from selfcritic.agent.training.stage_files import explain_file_errors, read_object, write_json
from selfcritic.agent.training.tiny.ensemble import take_first_steps
from selfcritic.agent.training.tiny.evaluation import Evaluator, HeldOut
from selfcritic.agent.training.tiny.grid_config import GridConfig
from selfcritic.agent.training.tiny.grid_report import REPORT_FILES, write_report
from selfcritic.agent.training.tiny.progress import run_name
from selfcritic.agent.training.tiny.stream import Stream
from selfcritic.agent.training.tiny.task_runs import TaskRuns

_OPTIONS_FILE = "grid.json"
_RESERVED_SHARE = 0.1  # of the time, for the evaluation of the last task
_MAX_RESERVED_SECONDS = 45.0


@explain_file_errors()
def train_grid(
    config: GridConfig,
    folder: Path,
    minutes: float | None = None,
    log: Callable[[str], None] = print,
) -> Path:
    """Train until all runs are finished or `minutes` are used up; return the report's path.

    The same options and folder resume the grid.

    Raises:
        InputError: the folder belongs to another grid, has other or damaged files, its disk is full, or the device
            has too little memory.
    """
    start = time.monotonic()
    _check_options(config, folder)
    torch.set_num_threads(1)
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
    deadline = None
    if minutes is not None:
        deadline = start + 60 * minutes
    tasks = [TaskRuns(config, task_name, folder / task_name) for task_name in config.tasks]
    evaluator = Evaluator()
    try:
        max_processes = _processes_per_task(config, tasks)
        for task in tasks:
            _submit(task, evaluator, max_processes)
        _train_tasks(tasks, evaluator, _end_of_training(start, deadline), log)
        evaluator.finish(deadline)
    finally:
        evaluator.close()
    return write_report(config, folder, {task.task_name: task.progress for task in tasks})


def _check_options(config: GridConfig, folder: Path) -> None:
    """Save the options, or compare them with those of the folder."""
    path = folder / _OPTIONS_FILE
    options = config.training_options()
    if not path.is_file():
        try:
            _check_folder(config, folder)
            folder.mkdir(parents=True, exist_ok=True)
            write_json(path, options)
        except OSError as error:
            raise InputError(
                f"'{folder}' cannot hold the grid ({error}): choose another folder with --out."
            ) from error
        return
    saved = read_object(path, "Choose another folder with --out.")
    changed = [name for name in options if options[name] != saved.get(name)]
    if changed:
        names = ", ".join(f"`{name}` ({saved.get(name)})" for name in changed)
        raise InputError(
            f"'{folder}' has a grid with other options: restore {names}, or choose another folder with --out."
        )


def _check_folder(config: GridConfig, folder: Path) -> None:
    """Raise InputError if the folder has files that the grid would replace."""
    for name in (*config.tasks, *REPORT_FILES):
        if (folder / name).exists():
            raise InputError(
                f"'{folder}' has '{name}', but no grid: choose another folder with --out."
            )


def _end_of_training(start: float, deadline: float | None) -> float | None:
    if deadline is None:
        return None
    reserved = min(_RESERVED_SHARE * (deadline - start), _MAX_RESERVED_SECONDS)
    return deadline - reserved


def _train_tasks(
    tasks: list[TaskRuns], evaluator: Evaluator, end: float | None, log: Callable[[str], None]
) -> None:
    unfinished = [task for task in tasks if not task.progress.is_finished]
    streams: dict[str, Stream] = {}

    def open_streams(first: int) -> None:
        """Let processes draw the data of a task and of the next one."""
        for upcoming in unfinished[first : first + 2]:
            if upcoming.task_name not in streams:
                streams[upcoming.task_name] = upcoming.open_stream()

    try:
        open_streams(0)
        if unfinished:
            _compile_blocks(unfinished[0].config, unfinished[0].device, log)
        for index, task in enumerate(unfinished):
            open_streams(index)
            seconds = None
            if end is not None:
                seconds = max(end - time.monotonic(), 0.0) / (len(unfinished) - index)
            with _explain_lack_of_memory():
                task.build()
                task.train(streams[task.task_name], seconds)
            streams.pop(task.task_name).close()
            task.ensembles.clear()
            num_evaluating = _processes_beside_training(task.config)
            if task is unfinished[-1]:
                num_evaluating = task.config.num_processes  # no process draws data anymore
            _submit(task, evaluator, num_evaluating)
            log(_describe(task))
    finally:
        for stream in streams.values():
            stream.close()


def _compile_blocks(config: GridConfig, device: torch.device, log: Callable[[str], None]) -> None:
    """Compile the blocks of each size before the first task, whose time it would take."""
    if device.type != "cuda" or not config.compile:
        return
    start = time.monotonic()
    for size in config.sizes:
        take_first_steps(size, config.seeds, device)
    log(f"Compiled {len(config.sizes)} sizes in {time.monotonic() - start:.0f} s.")


@contextmanager
def _explain_lack_of_memory() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_memory_error(error):
            raise
        raise InputError(
            "The device has too little memory for the grid: lower `batch_tokens`, or use fewer `seeds`."
        ) from error


def _processes_beside_training(config: GridConfig) -> int:
    """Return how many processes may evaluate while others draw data."""
    return max(config.num_processes // 4, 1)


def _processes_per_task(config: GridConfig, tasks: list[TaskRuns]) -> int:
    """Return how many processes may evaluate each finished task at the start of a command."""
    num_processes = _processes_beside_training(config)
    if all(task.progress.is_finished for task in tasks):
        num_tasks = len([task for task in tasks if _runs_to_evaluate(task)])
        num_processes = max(config.num_processes // max(num_tasks, 1), num_processes)
    return num_processes


def _submit(task: TaskRuns, evaluator: Evaluator, max_processes: int) -> None:
    evaluator.submit(_runs_to_evaluate(task), _held_out(task), max_processes)


def _runs_to_evaluate(task: TaskRuns) -> list[Path]:
    """Return the folders of a finished task's runs without a complete evaluation."""
    config = task.config
    if not task.progress.is_finished or not config.evaluation_tasks:
        return []
    held_out = _held_out(task)
    folders = []
    for size in config.sizes:
        for seed in config.seeds:
            folder = task.folder / run_name(size, seed)
            if not held_out.is_evaluated(folder):
                folders.append(folder)
    return folders


def _held_out(task: TaskRuns) -> HeldOut:
    config = task.config
    return HeldOut(task.task_name, config.sizes_of(task.task_name), config.evaluation_tasks)


def _describe(task: TaskRuns) -> str:
    progress = task.progress
    state = "finished" if progress.is_finished else f"{progress.share:.0%} done"
    runs = len(task.config.sizes) * len(task.config.seeds)
    return (
        f"{task.task_name}: {state}, {runs} runs with {progress.tokens:,} tokens each, "
        f"{progress.seconds:.0f} s"
    )
