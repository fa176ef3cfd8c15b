"""Options that the commands of `selfcritic train` share."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from selfcritic.agent.errors import InputError, SelfcriticError
from selfcritic.agent.training.processes import count_processes, get_rank, is_main_process
from selfcritic.graphs.cli.console import (
    BAD_USAGE,
    FAILED,
    INTERRUPTED,
    describe,
    fail,
    print_error,
)
from selfcritic.graphs.cli.terminal import create_console

if TYPE_CHECKING:
    from selfcritic.agent.training.settings import TrainSettings

_TRAINING = "Training"
_SAMPLING = "Sampling"
_RATES = {"sft": 2e-5, "reward": 1e-5, "policy": 1e-6}
_MAIN_PROCESS_SECONDS = 10.0
LARGEST_SEED = 2**32 - 1
"""Of numpy, which transformers and TRL seed, too."""
_LORA_FACTOR = 10
"""Adapters learn with higher rates than all weights."""

BaseModel = Annotated[
    str, typer.Option("--base", help="Folder or name of the model to train.", metavar="MODEL")
]
Data = Annotated[
    Path,
    typer.Option("--data", help="Records, or folder with records.jsonl.", metavar="PATH"),
]
Out = Annotated[
    Path, typer.Option("--out", help="Folder of results; rerun to resume.", metavar="DIR")
]
Prompts = Annotated[
    str | None,
    typer.Option("--prompts", help="Prompt set (default: the base's, or plain).", metavar="NAME"),
]
Steps = Annotated[
    int, typer.Option(min=1, help="Optimizer steps.", metavar="N", rich_help_panel=_TRAINING)
]
Rate = Annotated[
    float | None,
    typer.Option(
        min=0, help="Learning rate (default: by stage).", metavar="X", rich_help_panel=_TRAINING
    ),
]
SampleCount = Annotated[
    int,
    typer.Option(min=2, help="Critiques per answer.", metavar="N", rich_help_panel=_SAMPLING),
]
Forced = Annotated[
    int,
    typer.Option(
        min=0,
        help="Critiques that must start with a quote.",
        metavar="N",
        rich_help_panel=_SAMPLING,
    ),
]
AllowOneSided = Annotated[
    bool,
    typer.Option(
        "--allow-one-sided",
        help="Allow one critic to win all pairs.",
        rich_help_panel=_TRAINING,
    ),
]
MaxTokens = Annotated[
    int,
    typer.Option(
        min=1, help="Length of a critique in tokens.", metavar="N", rich_help_panel=_SAMPLING
    ),
]
Temperature = Annotated[
    float,
    typer.Option(min=0.01, help="Sampling temperature.", metavar="X", rich_help_panel=_SAMPLING),
]
JudgeModel = Annotated[
    str | None,
    typer.Option(
        "--judge",
        help="Model that rates where no oracle can.",
        metavar="NAME",
        rich_help_panel=_SAMPLING,
    ),
]


@dataclass(frozen=True)
class DeviceOptions:
    """What a training step holds in memory."""

    batch_size: Annotated[
        int,
        typer.Option(
            min=1, help="Rows per device and batch.", metavar="N", rich_help_panel=_TRAINING
        ),
    ] = 8
    accumulate: Annotated[
        int,
        typer.Option(min=1, help="Batches per step.", metavar="N", rich_help_panel=_TRAINING),
    ] = 1
    max_length: Annotated[
        int,
        typer.Option(
            min=16,
            help="Drop rows with more tokens.",
            metavar="N",
            rich_help_panel=_TRAINING,
        ),
    ] = 1024
    lora_rank: Annotated[
        int,
        typer.Option(
            min=0,
            help="Rank of LoRA adapters; 0 trains all weights.",
            metavar="N",
            rich_help_panel=_TRAINING,
        ),
    ] = 0
    gradient_checkpointing: Annotated[
        bool,
        typer.Option(
            "--gradient-checkpointing", help="Save memory for time.", rich_help_panel=_TRAINING
        ),
    ] = False
    save_every: Annotated[
        int,
        typer.Option(
            min=1,
            help="Steps between checkpoints and evaluations.",
            metavar="N",
            rich_help_panel=_TRAINING,
        ),
    ] = 20
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            max=LARGEST_SEED,
            help="Random seed.",
            metavar="N",
            rich_help_panel=_TRAINING,
        ),
    ] = 0

    def to_settings(self, stage: str, steps: int, rate: float | None) -> "TrainSettings":
        """Return the settings of a stage."""
        from selfcritic.agent.training.settings import TrainSettings

        return TrainSettings(**self.to_fields(stage, steps, rate))

    def to_fields(self, stage: str, steps: int, rate: float | None) -> dict[str, Any]:
        """Return the fields of a stage's settings; adapters get a higher default rate."""
        if rate is None:
            factor = _LORA_FACTOR if self.lora_rank else 1
            rate = _RATES[stage] * factor
        return {**vars(self), "steps": steps, "learning_rate": rate}


def print_progress(quiet: bool) -> Callable[[str], None]:
    """Return a function that prints lines of progress to stderr, in the main process only."""
    console = create_console(stderr=True, quiet=quiet or not is_main_process())
    return lambda text: console.print(text, markup=False, highlight=False)


def require_one_process(command: str) -> None:
    """Raise InputError if `accelerate launch` started several processes."""
    if count_processes() > 1:
        raise InputError(
            f"`train {command}` runs in one process. Run `train sft`, `train reward` and `train policy` with "
            "`accelerate launch` one after another, and `train sample` without it."
        )


def create_results_console() -> Console:
    """Create the console of a command's results; of several processes, the main one prints."""
    return create_console(quiet=not is_main_process())


@contextmanager
def report_errors() -> Iterator[None]:
    """Print errors of a training and exit; an interrupted training names how to resume."""
    try:
        with warnings.catch_warnings():
            # TRL and transformers warn about each other's renamed options.
            warnings.simplefilter("ignore", FutureWarning)
            yield
    except ImportError as error:
        _fail(_describe_import_error(error), BAD_USAGE)
    except (InputError, OSError) as error:
        _fail(error, BAD_USAGE)
    except SelfcriticError as error:
        _fail(error, FAILED)
    except RuntimeError as error:
        # transformers and TRL import at first use, and wrap the error.
        if not isinstance(error.__cause__, ImportError):
            raise
        _fail(_describe_import_error(error.__cause__), BAD_USAGE)
    except KeyboardInterrupt:
        if is_main_process():
            print_error("Interrupted. Rerun the command to resume.")
        raise typer.Exit(INTERRUPTED) from None


def _describe_import_error(error: ImportError) -> str:
    from selfcritic.agent.training.settings import describe_import_error

    return describe_import_error(error)


def _fail(error: Exception | str, code: int) -> NoReturn:
    """Print the error and exit; of several processes with the same error, the main one prints it."""
    if is_main_process():
        fail(error, code)
    time.sleep(_MAIN_PROCESS_SECONDS)  # the launcher ends this process if the main one has failed
    fail(f"rank {get_rank()} of {count_processes()} processes: {describe(error)}", code)
