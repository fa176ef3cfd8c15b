"""`selfcritic train tiny`: train the tiny model from scratch (extras `train`, `tiny`)."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.console import BAD_USAGE, fail
from selfcritic.graphs.cli.terminal import create_console
from selfcritic.graphs.cli.train.options import LARGEST_SEED

TaskName = Literal["alphabetize", "addition", "three_sat", "functions"]
SizeName = Literal["test", "small", "medium", "large", "xlarge", "xxlarge"]


_ONE_MODEL = {
    "task": "TASK",
    "folder": "FOLDER",
    "size": "--size",
    "tokens": "--tokens",
    "seed": "--seed",
}
"""Parameters that --grid replaces."""


def tiny(
    context: typer.Context,
    task: Annotated[TaskName | None, typer.Argument(help="Task type to learn.")] = None,
    folder: Annotated[
        Path | None, typer.Argument(help="Folder for checkpoints and the exported model.")
    ] = None,
    size: Annotated[
        SizeName, typer.Option(help="0.02, 0.11, 1.06, 3.32, 10.2 or 29.2 million weights.")
    ] = "medium",
    tokens: Annotated[int, typer.Option(min=10_000, help="Tokens to train on.")] = 18_000_000,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=LARGEST_SEED, help="Random seed (resumed runs are not reproducible)."
        ),
    ] = 0,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after this time; rerun to resume.")
    ] = None,
    grid: Annotated[
        Path | None, typer.Option(help="TOML file of tasks, sizes and seeds to train.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the grid (default: GRID without .toml).")
    ] = None,
) -> None:
    """Train the tiny model and print its name for --model; rerun the command to resume.

    With --grid, train many models together and print the path of their report.
    """
    if grid is not None:
        _reject_options_of_one_model(context)
        _train_grid(grid, out, minutes)
        return
    if out is not None:
        fail("--out requires --grid; pass the folder of one model as FOLDER.", BAD_USAGE)
    if task is None or folder is None:
        fail("Pass TASK and FOLDER, or a grid with --grid GRID.toml.", BAD_USAGE)
    console = create_console(stderr=True)
    try:
        from selfcritic.agent.training.tiny.trainer import TrainConfig
        from selfcritic.agent.training.tiny.trainer import train as train_model
    except ImportError as error:
        fail(f"Training needs {error.name}: pip install 'selfcritic[train,tiny]'.", BAD_USAGE)
    config = TrainConfig(task, size, tokens, seed)
    try:
        model_folder = train_model(config, folder, minutes, console.print)
    except (InputError, OSError) as error:
        fail(error, BAD_USAGE)
    create_console().print(f"tiny:{model_folder}", soft_wrap=True)


def _reject_options_of_one_model(context: typer.Context) -> None:
    for name, label in _ONE_MODEL.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            fail(f"{label} cannot be used with --grid: set it in the file instead.", BAD_USAGE)


def _train_grid(grid: Path, out: Path | None, minutes: float | None) -> None:
    from selfcritic.agent.training.tiny.grid_config import load_grid

    console = create_console(stderr=True)
    try:
        config = load_grid(grid)
    except InputError as error:
        fail(error, BAD_USAGE)
    try:
        from selfcritic.agent.training.tiny.grid import train_grid
    except ImportError as error:
        extras = "train,tiny,eval"
        fail(f"A grid needs {error.name}: pip install 'selfcritic[{extras}]'.", BAD_USAGE)
    try:
        report = train_grid(config, out or grid.with_suffix(""), minutes, console.print)
    except (InputError, OSError) as error:
        fail(error, BAD_USAGE)
    create_console().print(str(report), soft_wrap=True)
