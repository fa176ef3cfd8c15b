"""Options of `selfcritic eval run`."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from selfcritic.agent.context import MODEL_VARIABLE
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.names import ExperimentName
from selfcritic.agent.schemas import FSBSConfig
from selfcritic.graphs.cli.options import (
    LOOP,
    MODELS,
    ApiBase,
    BudgetOptions,
    CacheFolder,
    MaxOutputTokens,
    Search,
)
from selfcritic.prompts import TaskType

_model_option = partial(typer.Option, rich_help_panel=MODELS)
_loop_option = partial(typer.Option, rich_help_panel=LOOP)
_data_option = partial(typer.Option, rich_help_panel="Data")
_rating_option = partial(typer.Option, rich_help_panel="Ratings")


@dataclass(frozen=True)
class CriticOptions:
    """Models that answer and criticize."""

    model: Annotated[
        str | None,
        _model_option(
            envvar=MODEL_VARIABLE, help="Model that answers and criticizes.", metavar="NAME"
        ),
    ] = None
    critic: Annotated[
        list[str] | None,
        _model_option(help="Critic (repeatable; default: --model).", metavar="NAME"),
    ] = None
    api_base: ApiBase = None
    max_output_tokens: MaxOutputTokens = None
    cache: CacheFolder = None
    prompts: Annotated[
        str, _model_option(help="Prompt set: default, plain or zh.", metavar="NAME")
    ] = "default"
    prompt_dir: Annotated[
        str | None, _model_option(help="Folder of prompts that override the set.", metavar="DIR")
    ] = None
    task_type: Annotated[
        TaskType | None,
        _model_option(help="Prompts for this type (default: code if the data is).", metavar="TYPE"),
    ] = None


@dataclass(frozen=True)
class RatingOptions:
    """How critiques are rated."""

    judge: Annotated[
        str | None,
        _rating_option(help="Model that also rates critiques (default: none).", metavar="NAME"),
    ] = None
    judge_form: Annotated[
        bool, _rating_option("--judge-form", help="Also have the judge fill in the form.")
    ] = False


@dataclass(frozen=True)
class SamplingOptions:
    """How many answers and critiques are sampled."""

    num_answers: Annotated[
        int | None,
        _loop_option(
            min=1, max=256, help="Answers sampled per task (default: 1; gdc: 2).", metavar="N"
        ),
    ] = None
    num_critiques: Annotated[
        int | None,
        _loop_option(
            min=1, max=256, help="Critiques of each answer (default: 8; review: 1).", metavar="N"
        ),
    ] = None
    search: Search = "rejection"
    fsbs: Annotated[
        str | None,
        _loop_option(help="FSBS: continuations, kept, rounds (default: 4,2,4).", metavar="N,K,D"),
    ] = None
    max_rounds: Annotated[
        int, _loop_option(min=0, max=100, help="Refinements at most.", metavar="N")
    ] = 3
    arm: Annotated[
        list[str] | None,
        _loop_option(help="Arm of refine (repeatable; default: all).", metavar="NAME"),
    ] = None
    checker: Annotated[
        list[str] | None,
        _loop_option(help="Checker (repeatable); a critic in review.", metavar="NAME"),
    ] = None
    epochs: Annotated[
        int,
        _loop_option(
            min=1, max=100, help="Runs of each item, each with another seed.", metavar="N"
        ),
    ] = 1
    seed: Annotated[int, _loop_option(help="Seed of data, split and models.", metavar="N")] = 0
    concurrency: Annotated[
        int, _loop_option(min=1, help="Samples run at the same time.", metavar="N")
    ] = 8


@dataclass(frozen=True)
class DataOptions:
    """How the data is read."""

    count: Annotated[
        int | None,
        _data_option(min=1, help="Tasks to sample (default: all; generated: 100).", metavar="N"),
    ] = None
    format: Annotated[
        str | None, _data_option(help="Format of the file (default: detected).", metavar="NAME")
    ] = None
    columns: Annotated[
        list[str] | None,
        _data_option(help="Column of a field (repeatable).", metavar="FIELD=COLUMN"),
    ] = None

    def parse_columns(self) -> dict[str, str] | None:
        """Return the column of each field.

        Raises:
            InputError: A value is not FIELD=COLUMN.
        """
        if not self.columns:
            return None
        columns: dict[str, str] = {}
        for value in self.columns:
            name, equals, column = value.partition("=")
            if not (name and equals and column):
                raise InputError(
                    f"--columns takes FIELD=COLUMN, such as answer=response; got '{value}'."
                )
            columns[name] = column
        return columns


def parse_fsbs(text: str | None) -> FSBSConfig:
    """Return the sizes of FSBS.

    Raises:
        InputError: The text is not three numbers in range.
    """
    if text is None:
        return FSBSConfig()
    try:
        n, k, d = map(int, text.split(","))
        return FSBSConfig(n=n, k=k, d=d)
    except ValueError:
        raise InputError(
            "--fsbs takes three numbers: continuations (1 to 64), kept critiques (1 to 64) and iterations (1 to 16), "
            f"such as 4,2,4; got '{text}'."
        ) from None


@dataclass(frozen=True)
class RunRequest:
    """All options of `selfcritic eval run`."""

    name: ExperimentName
    data: str
    out: Path
    models: CriticOptions
    sampling: SamplingOptions
    ratings: RatingOptions
    reading: DataOptions
    budget: BudgetOptions
