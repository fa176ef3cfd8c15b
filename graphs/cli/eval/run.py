"""`selfcritic eval run`: run an experiment on a data set (extra `eval`)."""

import errno
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from selfcritic.agent.errors import CheckpointError, SelfcriticError
from selfcritic.agent.evals.names import ExperimentName
from selfcritic.graphs.cli.console import BAD_USAGE, FAILED, fail, show_warnings
from selfcritic.graphs.cli.eval.extra import fail_missing_extra
from selfcritic.graphs.cli.eval.run_options import (
    CriticOptions,
    DataOptions,
    RatingOptions,
    RunRequest,
    SamplingOptions,
)
from selfcritic.graphs.cli.options import BudgetOptions, Quiet, expand_groups
from selfcritic.graphs.cli.terminal import create_console
from selfcritic.prompts import PromptError


@expand_groups
def run(
    experiment: Annotated[
        ExperimentName, typer.Argument(metavar="EXPERIMENT", help="What to run.")
    ],
    data: Annotated[str, typer.Argument(metavar="DATA", help="File, human-eval, or a task type.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the run.")],
    models: CriticOptions,
    sampling: SamplingOptions,
    ratings: RatingOptions,
    reading: DataOptions,
    budget: BudgetOptions,
    quiet: Quiet = False,
) -> None:
    """Run an experiment and report its measures. Rerun the command to resume.

    self-critique: sample answers, and criticize each one.

    critic: criticize the answers of the data.

    refine: refine answers in several ways at equal calls.

    gdc: sample answers for generator, discriminator and critique gaps.

    frontier: compare FSBS with best of n critiques.

    review: write one critique of each answer per critic.

    Task types are alphabetize, addition, three_sat and functions.

    Exits with 1 if no item has a result, and with 2 for invalid data or options.
    """
    request = RunRequest(experiment, data, out, models, sampling, ratings, reading, budget)
    console = create_console(stderr=True, quiet=quiet)
    show_warnings(console, retries=False)
    try:
        from selfcritic.graphs.cli.eval.session import run_session
    except ImportError as error:
        fail_missing_extra(error)
    try:
        run_session(request, console)
    except CheckpointError as error:
        fail(error, FAILED)
    except (SelfcriticError, PromptError, ValidationError) as error:
        fail(error, BAD_USAGE)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            fail(error, BAD_USAGE)
        message = (
            f"The disk of --out {out} is full. Free some space, and rerun the command to resume."
        )
        fail(message, FAILED)
