"""`selfcritic train all`: all stages, one after another."""

from typing import Annotated

import typer

from selfcritic.graphs.cli.options import Quiet, expand_groups
from selfcritic.graphs.cli.terminal import create_console
from selfcritic.graphs.cli.train.judge import load_judge
from selfcritic.graphs.cli.train.options import (
    AllowOneSided,
    BaseModel,
    Data,
    DeviceOptions,
    Forced,
    JudgeModel,
    MaxTokens,
    Out,
    Prompts,
    Rate,
    SampleCount,
    Steps,
    Temperature,
    print_progress,
    report_errors,
    require_one_process,
)
from selfcritic.graphs.cli.train.policy_options import PolicyOptions
from selfcritic.graphs.cli.train.results import (
    print_policy,
    print_reward,
    print_samples,
    print_sft,
    print_usage,
)


@expand_groups
def train_all(
    base: BaseModel,
    data: Data,
    out: Out,
    device: DeviceOptions,
    grpo: PolicyOptions,
    prompts: Prompts = None,
    sft_steps: Steps = 200,
    reward_steps: Steps = 100,
    policy_steps: Steps = 100,
    sft_rate: Rate = None,
    reward_rate: Rate = None,
    policy_rate: Rate = None,
    samples: SampleCount = 4,
    forced: Forced = 2,
    group_size: Annotated[
        int, typer.Option(min=2, help="Critiques per answer in GRPO.", metavar="N")
    ] = 8,
    max_tokens: MaxTokens = 256,
    temperature: Temperature = 1.0,
    judge: JudgeModel = None,
    allow_one_sided: AllowOneSided = False,
    quiet: Quiet = False,
) -> None:
    """Run all stages: sft, sample, reward, policy. Rerun the command to resume.

    Uses one process. For several GPUs, run each stage with `accelerate launch`.
    """
    with report_errors():
        require_one_process("all")
        from selfcritic.agent.training.pipeline import (
            POLICY,
            REWARD,
            SAMPLES,
            SFT,
            PipelineSettings,
            run_all,
        )
        from selfcritic.agent.training.sampling import CritiqueOptions
        from selfcritic.agent.training.settings import PolicySettings
        from selfcritic.agent.training.stage_files import MODEL_FOLDER

        settings = PipelineSettings(
            sft=device.to_settings("sft", sft_steps, sft_rate),
            sampling=CritiqueOptions(
                samples=samples,
                forced=forced,
                max_tokens=max_tokens,
                temperature=temperature,
                seed=device.seed,
            ),
            reward=device.to_settings("reward", reward_steps, reward_rate),
            policy=PolicySettings(
                **device.to_fields("policy", policy_steps, policy_rate),
                **grpo.to_fields(),
                samples=group_size,
                max_tokens=max_tokens,
                temperature=temperature,
            ),
            allow_one_sided=allow_one_sided,
        )
        results = run_all(
            base,
            data,
            out,
            settings,
            prompts=prompts,
            judge=load_judge(judge),
            report=print_progress(quiet),
        )
        console = create_console()
        print_sft(results[SFT], console)
        print_samples(results[SAMPLES], console)
        print_reward(results[REWARD], console)
        print_policy(results[POLICY], console, out / POLICY)
        print_usage(out / POLICY / MODEL_FOLDER, out / REWARD / MODEL_FOLDER, console)
