"""`selfcritic train tiny`: train the tiny model from scratch (extras `train`, `tiny`)."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.console import BAD_USAGE, fail
from selfcritic.graphs.cli.terminal import create_console

TaskName = Literal["alphabetize", "addition", "three_sat"]
SizeName = Literal["test", "small", "medium", "large"]


def tiny(
    task: Annotated[TaskName, typer.Argument(help="Task type to learn.")],
    folder: Annotated[Path, typer.Argument(help="Folder for checkpoints and the exported model.")],
    size: Annotated[
        SizeName, typer.Option(help="0.02, 0.11, 1.06 or 3.32 million parameters.")
    ] = "medium",
    tokens: Annotated[int, typer.Option(min=10_000, help="Tokens to train on.")] = 18_000_000,
    seed: Annotated[int, typer.Option(help="Random seed (resumed runs are not reproducible).")] = 0,
    minutes: Annotated[
        float | None, typer.Option(help="Stop after this time; rerun to resume.")
    ] = None,
) -> None:
    """Train the tiny model and print its name for --model; rerun the command to resume."""
    console = create_console(stderr=True)
    try:
        from selfcritic.agent.training.tiny.trainer import TrainConfig
        from selfcritic.agent.training.tiny.trainer import train as train_model
    except ImportError as error:
        fail(f"Training needs {error.name}: pip install 'selfcritic[train,tiny]'.", BAD_USAGE)
    config = TrainConfig(task, size, tokens, seed)
    try:
        model_folder = train_model(config, folder, minutes, console.print)
    except InputError as error:
        fail(error, BAD_USAGE)
    create_console().print(f"tiny:{model_folder}", soft_wrap=True)
