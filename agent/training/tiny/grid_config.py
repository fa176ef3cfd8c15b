"""Options of a grid of training runs, read from a TOML file."""

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.tiny.examples import SIZES, TRAINABLE_TASKS
from selfcritic.agent.training.tiny.sizes import DECODER_SIZES


def _one_of(names: Mapping[str, Any]) -> Callable[[str], str]:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"'{name}' is unknown: choose from {', '.join(names)}")
        return name

    return check


def _check_unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("is empty: list at least one entry")
    if len(set(values)) < len(values):
        raise ValueError(f"{list(values)} has repeated entries: remove them")
    return values


TaskName = Annotated[str, AfterValidator(_one_of(TRAINABLE_TASKS))]
SizeName = Annotated[str, AfterValidator(_one_of(DECODER_SIZES))]
Unique = AfterValidator(_check_unique)


class GridConfig(BaseModel):
    """Tasks × sizes × seeds, and how to train them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: Annotated[tuple[TaskName, ...], Unique]
    sizes: Annotated[tuple[SizeName, ...], Unique]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Unique] = (0,)
    """Each seed draws other initial weights; the runs of a task share their data."""
    tokens: int = Field(default=100_000_000, ge=10_000)
    """Tokens of each run, padding included."""
    fit: bool = True
    """Whether --minutes shortens the runs so that they finish; otherwise a later command continues them."""
    batch_tokens: int = Field(default=32_768, ge=256)
    """Tokens per step, padding included."""
    learning_rate: float = Field(default=2e-3, gt=0)
    learning_rates: dict[SizeName, Annotated[float, Field(gt=0)]] = {}
    """Learning rates of single sizes."""
    task_sizes: dict[TaskName, tuple[int, int]] = {}
    """Smallest and largest task size, by task."""
    self_play_tasks: int = Field(default=100, ge=0)
    """New tasks per round of self-play, with drafts by one of the runs; 0 turns self-play off."""
    evaluation_tasks: int = Field(default=200, ge=0)
    """Held-out test tasks of each run; as many development tasks choose their sizes."""
    processes: int | None = Field(default=None, ge=1)
    """Processes that draw data; by default the number of cores minus 2."""
    compile: bool = True
    """Whether to compile the blocks on a GPU, which takes time at the start of a command."""
    save_seconds: float = Field(default=60.0, gt=0)
    export_seconds: float = Field(default=20.0, gt=0)
    """Time between two exports of the runs for self-play."""
    peak_tflops: float | None = Field(default=None, gt=0)
    """Peak of the device in TFLOP/s; known for common GPUs."""

    @property
    def num_processes(self) -> int:
        """Return the number of processes that draw data."""
        if self.processes is not None:
            return self.processes
        return max(len(os.sched_getaffinity(0)) - 2, 1) if hasattr(os, "sched_getaffinity") else 1

    def learning_rate_of(self, size: str) -> float:
        """Return the learning rate of a decoder size."""
        return self.learning_rates.get(size, self.learning_rate)

    def sizes_of(self, task_name: str) -> Sequence[int]:
        """Return the task sizes to train on."""
        if task_name not in self.task_sizes:
            return SIZES[task_name]
        smallest, largest = self.task_sizes[task_name]
        return range(smallest, largest + 1)

    def training_options(self) -> dict[str, Any]:
        """Return the options that a resumed grid must repeat."""
        machine = {
            "processes",
            "compile",
            "save_seconds",
            "export_seconds",
            "peak_tflops",
            "evaluation_tasks",
        }
        return self.model_dump(mode="json", exclude=machine)


def load_grid(path: Path) -> GridConfig:
    """Read a grid from a TOML file.

    Raises:
        InputError: the file cannot be read, or an option is unknown or wrong.
    """
    try:
        options = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"--grid: '{path}' cannot be read as TOML: {error}") from error
    try:
        config = GridConfig.model_validate(options)
    except ValidationError as error:
        raise InputError(f"--grid: '{path}': {_describe(error)}") from error
    _check_task_sizes(config, path)
    return config


def _describe(error: ValidationError) -> str:
    problems = []
    for details in error.errors():
        name = ".".join(str(part) for part in details["loc"])
        message = details["msg"].removeprefix("Value error, ")
        if details["type"] == "extra_forbidden":
            known = ", ".join(GridConfig.model_fields)
            message = f"is unknown: remove it, or use one of {known}"
        problems.append(f"`{name}`: {message}")
    return "; ".join(problems)


def _check_task_sizes(config: GridConfig, path: Path) -> None:
    for task_name, (smallest, largest) in config.task_sizes.items():
        allowed = TRAINABLE_TASKS[task_name].sizes
        if not allowed[0] <= smallest <= largest <= allowed[-1]:
            raise InputError(
                f"--grid: '{path}': `task_sizes.{task_name}`: choose a smallest and a largest size from "
                f"{allowed[0]} to {allowed[-1]}, not [{smallest}, {largest}]"
            )
