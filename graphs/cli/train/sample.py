"""`selfcritic train sample`: sample, rate and compare critiques."""

from typing import Annotated

import typer

from selfcritic.graphs.cli.terminal import create_console
from selfcritic.graphs.cli.train.judge import load_judge
from selfcritic.graphs.cli.train.options import (
    LARGEST_SEED,
    BaseModel,
    Data,
    Forced,
    JudgeModel,
    MaxTokens,
    Out,
    SampleCount,
    Temperature,
    report_errors,
    require_one_process,
)
from selfcritic.graphs.cli.train.results import print_samples


def sample(
    base: BaseModel,
    data: Data,
    out: Out,
    samples: SampleCount = 4,
    forced: Forced = 2,
    max_tokens: MaxTokens = 256,
    temperature: Temperature = 1.0,
    judge: JudgeModel = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Answers at once.", metavar="N")] = 8,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Random seed.", metavar="N")
    ] = 0,
) -> None:
    """Sample critiques and compare them (stage 2). Rerun the command to resume.

    Adds the gold critique. Rates by oracle, tests or known bugs, else by --judge.

    Writes records.jsonl, ratings.jsonl and comparisons.jsonl to OUT.
    """
    with report_errors():
        require_one_process("sample")
        from selfcritic.agent.training.data import load_data
        from selfcritic.agent.training.pipeline import run_sampling
        from selfcritic.agent.training.sampling import CritiqueOptions

        options = CritiqueOptions(
            samples=samples,
            forced=forced,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            batch_size=batch_size,
        )
        results = run_sampling(base, load_data(data, seed), out, options, load_judge(judge))
        print_samples(results, create_console())
