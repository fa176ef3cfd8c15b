"""`selfcritic train reward`: a reward model from comparisons."""

from selfcritic.graphs.cli.options import Quiet, expand_groups
from selfcritic.graphs.cli.train.options import (
    AllowOneSided,
    BaseModel,
    Data,
    DeviceOptions,
    Out,
    Rate,
    Steps,
    create_results_console,
    print_progress,
    report_errors,
)
from selfcritic.graphs.cli.train.results import print_reward


@expand_groups
def reward(
    base: BaseModel,
    data: Data,
    out: Out,
    device: DeviceOptions,
    steps: Steps = 100,
    learning_rate: Rate = None,
    allow_one_sided: AllowOneSided = False,
    quiet: Quiet = False,
) -> None:
    """Train a reward model on comparisons (stage 3). Rerun the command to resume.

    Reports its accuracy on the pairs of test tasks.
    """
    with report_errors():
        from selfcritic.agent.training.data import load_data
        from selfcritic.agent.training.pipeline import run_reward
        from selfcritic.agent.training.stage_files import MODEL_FOLDER

        settings = device.to_settings("reward", steps, learning_rate)
        results = run_reward(
            base,
            load_data(data, device.seed),
            out,
            settings,
            print_progress(quiet),
            allow_one_sided=allow_one_sided,
        )
        console = create_results_console()
        print_reward(results, console)
        console.print(f"--scorer reward:{out / MODEL_FOLDER}", soft_wrap=True, highlight=False)
