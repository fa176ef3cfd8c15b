"""`selfcritic train policy`: a critic policy by GRPO."""

from pathlib import Path
from typing import Annotated

import typer

from selfcritic.graphs.cli.options import Quiet, expand_groups
from selfcritic.graphs.cli.train.options import (
    BaseModel,
    Data,
    DeviceOptions,
    MaxTokens,
    Out,
    Rate,
    SampleCount,
    Steps,
    Temperature,
    create_results_console,
    print_progress,
    report_errors,
)
from selfcritic.graphs.cli.train.policy_options import PolicyOptions
from selfcritic.graphs.cli.train.results import print_policy, print_usage


@expand_groups
def policy(
    base: BaseModel,
    data: Data,
    out: Out,
    reward: Annotated[
        Path, typer.Option("--reward", help="Model folder of `train reward`.", metavar="DIR")
    ],
    device: DeviceOptions,
    grpo: PolicyOptions,
    steps: Steps = 100,
    learning_rate: Rate = None,
    samples: SampleCount = 8,
    max_tokens: MaxTokens = 256,
    temperature: Temperature = 1.0,
    quiet: Quiet = False,
) -> None:
    """Train a critic with a reward model (stage 4). Rerun the command to resume.

    Uses GRPO: PPO's clipped objective with group advantages, no value model.

    Stops when truth on dev falls while the reward rises, and keeps the best by truth.
    """
    with report_errors():
        from selfcritic.agent.training.data import load_data
        from selfcritic.agent.training.pipeline import run_policy
        from selfcritic.agent.training.settings import PolicySettings
        from selfcritic.agent.training.stage_files import MODEL_FOLDER

        settings = PolicySettings(
            **device.to_fields("policy", steps, learning_rate),
            **grpo.to_fields(),
            samples=samples,
            max_tokens=max_tokens,
            temperature=temperature,
        )
        records = load_data(data, device.seed)
        report = print_progress(quiet)
        results = run_policy(base, records, str(reward), out, settings, report)
        console = create_results_console()
        print_policy(results, console, out)
        print_usage(out / MODEL_FOLDER, reward, console)
