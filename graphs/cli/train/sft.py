"""`selfcritic train sft`: supervised start on all roles."""

from selfcritic.graphs.cli.options import Quiet, expand_groups
from selfcritic.graphs.cli.train.options import (
    BaseModel,
    Data,
    DeviceOptions,
    Out,
    Prompts,
    Rate,
    Steps,
    create_results_console,
    print_progress,
    report_errors,
)
from selfcritic.graphs.cli.train.results import print_sft, print_usage


@expand_groups
def sft(
    base: BaseModel,
    data: Data,
    out: Out,
    device: DeviceOptions,
    prompts: Prompts = None,
    steps: Steps = 200,
    learning_rate: Rate = None,
    quiet: Quiet = False,
) -> None:
    """Teach all roles from known bugs (stage 1). Rerun the command to resume.

    Learns verdicts, gold critiques, their continuation, refinements and answers.
    """
    with report_errors():
        from selfcritic.agent.training.data import load_data
        from selfcritic.agent.training.pipeline import run_sft
        from selfcritic.agent.training.stage_files import MODEL_FOLDER

        settings = device.to_settings("sft", steps, learning_rate)
        results = run_sft(
            base, load_data(data, device.seed), out, settings, prompts, report=print_progress(quiet)
        )
        console = create_results_console()
        print_sft(results, console)
        print_usage(out / MODEL_FOLDER, None, console)
