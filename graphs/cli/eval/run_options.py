"""Options of `selfcritic eval run`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from selfcritic.agent.context import MODEL_VARIABLE
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.names import ExperimentName
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

_DATA = "Data"
_RATINGS = "Ratings"


@dataclass(frozen=True)
class CriticOptions:
    """Models that answer and criticize."""

    model: Annotated[
        str | None,
        typer.Option(
            envvar=MODEL_VARIABLE,
            help="Model that answers and criticizes.",
            metavar="NAME",
            rich_help_panel=MODELS,
        ),
    ] = None
    critic: Annotated[
        list[str] | None,
        typer.Option(
            help="Critic (repeatable; default: --model).", metavar="NAME", rich_help_panel=MODELS
        ),
    ] = None
    api_base: ApiBase = None
    max_output_tokens: MaxOutputTokens = None
    cache: CacheFolder = None
    prompts: Annotated[
        str,
        typer.Option(
            help="Prompt set: default, plain or zh.", metavar="NAME", rich_help_panel=MODELS
        ),
    ] = "default"
    prompt_dir: Annotated[
        str | None,
        typer.Option(
            help="Folder of prompts that override the set.", metavar="DIR", rich_help_panel=MODELS
        ),
    ] = None
    task_type: Annotated[
        TaskType | None,
        typer.Option(
            help="Prompts for this type (default: code if the data is).",
            metavar="TYPE",
            rich_help_panel=MODELS,
        ),
    ] = None


@dataclass(frozen=True)
class RatingOptions:
    """How critiques are rated."""

    judge: Annotated[
        str | None,
        typer.Option(
            help="Model that also rates critiques (default: none).",
            metavar="NAME",
            rich_help_panel=_RATINGS,
        ),
    ] = None
    judge_form: Annotated[
        bool,
        typer.Option(
            "--judge-form", help="Also have the judge fill in the form.", rich_help_panel=_RATINGS
        ),
    ] = False


@dataclass(frozen=True)
class SamplingOptions:
    """How many answers and critiques are sampled."""

    num_answers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            help="Answers sampled per task (default: 1; gdc: 2).",
            metavar="N",
            rich_help_panel=LOOP,
        ),
    ] = None
    num_critiques: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            help="Critiques of each answer (default: 8; review: 1).",
            metavar="N",
            rich_help_panel=LOOP,
        ),
    ] = None
    search: Search = "rejection"
    max_rounds: Annotated[
        int,
        typer.Option(
            min=0, max=100, help="Refinements at most.", metavar="N", rich_help_panel=LOOP
        ),
    ] = 3
    arm: Annotated[
        list[str] | None,
        typer.Option(
            help="Arm of refine (repeatable; default: all).", metavar="NAME", rich_help_panel=LOOP
        ),
    ] = None
    checker: Annotated[
        list[str] | None,
        typer.Option(
            help="Checker (repeatable); a critic in review.", metavar="NAME", rich_help_panel=LOOP
        ),
    ] = None
    seed: Annotated[
        int,
        typer.Option(help="Seed of data, split and models.", metavar="N", rich_help_panel=LOOP),
    ] = 0
    concurrency: Annotated[
        int,
        typer.Option(
            min=1, help="Samples run at the same time.", metavar="N", rich_help_panel=LOOP
        ),
    ] = 8


@dataclass(frozen=True)
class DataOptions:
    """How the data is read."""

    count: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Tasks to sample (default: all; generated: 100).",
            metavar="N",
            rich_help_panel=_DATA,
        ),
    ] = None
    format: Annotated[
        str | None,
        typer.Option(
            help="Format of the file (default: detected).", metavar="NAME", rich_help_panel=_DATA
        ),
    ] = None
    columns: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of a field (repeatable).", metavar="FIELD=COLUMN", rich_help_panel=_DATA
        ),
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
