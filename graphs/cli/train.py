"""`selfcritic train …`: models made from scratch by this package; extra `train`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.console import BAD_USAGE, fail

train = typer.Typer(help="Train a model from scratch.", no_args_is_help=True)


class FamilyChoice(StrEnum):
    """Families of task that are trained on."""

    alphabetize = "alphabetize"
    addition = "addition"
    three_sat = "three_sat"


class SizeChoice(StrEnum):
    """Sizes of decoder."""

    test = "test"
    small = "small"
    medium = "medium"
    large = "large"


@train.callback()
def _every_command() -> None:
    """Keeps `tiny` a command of its own, though it is the only one yet."""


@train.command()
def tiny(
    family: Annotated[FamilyChoice, typer.Argument(help="Tasks to learn.")],
    folder: Annotated[Path, typer.Argument(help="For checkpoints and the exported model.")],
    size: Annotated[SizeChoice, typer.Option(help="0.11, 1.1 or 3.3 million parameters.")] = SizeChoice.medium,
    tokens: Annotated[int, typer.Option(min=10_000, help="Tokens to train on.")] = 18_000_000,
    seed: Annotated[int, typer.Option(help="Same seed, same run, unless it was broken off.")] = 0,
    minutes: Annotated[float | None, typer.Option(help="Stop after so long; the same command goes on.")] = None,
) -> None:
    """Train the tiny model; the same command goes on where it stopped. Prints the model's folder."""
    console = Console(stderr=True, highlight=False)
    try:
        from selfcritic.agent.training.tiny.trainer import TrainConfig
        from selfcritic.agent.training.tiny.trainer import train as train_by
    except ImportError as error:
        fail(f"To train, {error.name} is needed: pip install 'selfcritic[train,tiny]'.", BAD_USAGE)
    try:
        made = train_by(TrainConfig(family.value, size.value, tokens, seed), folder, minutes, console.print)
    except InputError as error:
        fail(error, BAD_USAGE)
    Console(highlight=False).print(f"tiny:{made}", soft_wrap=True)
