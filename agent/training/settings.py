"""Settings of a training stage, and the trainer arguments that a device needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.engine import import_package
from selfcritic.agent.training.stage_files import CHECKPOINTS

_PACKAGES = ("torch", "transformers", "datasets", "accelerate", "peft")
_EXTRA = "Training needs {name}: pip install 'selfcritic[train,eval]'."


@dataclass(frozen=True)
class TrainSettings:
    """Settings that all stages share."""

    steps: int = 100
    """Optimizer steps."""
    batch_size: int = 8
    """Rows of a step on each device; of GRPO, prompts times samples."""
    accumulate: int = 1
    """Batches of a step, one after another, to save memory."""
    learning_rate: float = 1e-5
    max_length: int = 1024
    """Longest prompt with its reply, in tokens; longer ones are dropped and counted."""
    lora_rank: int = 0
    """Rank of the LoRA adapters; 0 trains all weights."""
    save_every: int = 20
    """Steps between checkpoints."""
    seed: int = 0
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class PolicySettings(TrainSettings):
    """Settings of GRPO."""

    samples: int = 8
    """Critiques of each answer, which are a group."""
    max_tokens: int = 256
    """Longest critique."""
    temperature: float = 1.0
    iterations: int = 2
    """Updates from each batch of critiques."""
    beta: float = 0.05
    """Weight of the KL divergence from the start."""
    grounded_weight: float = 0.2
    """Weight of the share of grounded quotes."""
    patience: int = 3
    """Evaluations in which truth falls while the proxy rises, before training stops."""
    trains_on: Literal["proxy", "truth"] = "proxy"
    """What is the reward: the score, or the oracle (a ceiling)."""
    keeps: Literal["best", "last"] = "best"
    """Which policy is saved: the best one on dev by truth, or the last."""
    uses_vllm: bool = False

    def __post_init__(self) -> None:
        """Check what TRL would only notice later.

        Raises:
            InputError: A value is invalid.
        """
        if self.batch_size % self.samples:
            raise InputError(
                f"--batch-size {self.batch_size} must be a multiple of --samples {self.samples}: "
                "a batch has whole groups of critiques."
            )
        if self.iterations < 2:
            raise InputError(
                f"--iterations {self.iterations} never clips: the ratio is 1 in the first update. Use 2 to 4."
            )


def device_arguments(settings: TrainSettings, out: Path) -> dict[str, Any]:
    """Return arguments of every TRL trainer.

    TRL's defaults are for a GPU: bfloat16 and gradient checkpointing.
    """
    torch = import_trainer("torch")
    import_trainer("datasets").disable_progress_bars()
    transformers = import_trainer("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    has_gpu = torch.cuda.is_available()
    uses_bf16 = has_gpu and torch.cuda.is_bf16_supported()
    return {
        "output_dir": str(out / CHECKPOINTS),
        "use_cpu": not has_gpu,
        "bf16": uses_bf16,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "max_steps": settings.steps,
        "per_device_train_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.accumulate,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "save_steps": settings.save_every,
        "save_total_limit": 2,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would log a loss of NaN as 0
        "report_to": [],
        "log_level_replica": "error",  # transformers warns in every process but the first
        "disable_tqdm": True,
        "seed": settings.seed,
        "dataloader_pin_memory": has_gpu,
    }


def lora_config(settings: TrainSettings, task_type: str) -> Any:
    """Return the LoRA configuration of peft, None if all weights are trained."""
    if settings.lora_rank == 0:
        return None
    peft = import_trainer("peft")
    return peft.LoraConfig(
        r=settings.lora_rank,
        lora_alpha=2 * settings.lora_rank,
        target_modules="all-linear",
        task_type=task_type,
    )


def import_trainer(name: str) -> Any:
    """Import a package of training; raises InputError with the extras if it is missing."""
    try:
        return import_package(name)
    except InputError as error:
        raise InputError(_EXTRA.format(name=name)) from error


def require_packages(trainer: str, packages: Sequence[str] = ()) -> None:
    """Import all that a stage needs before it starts.

    Args:
        trainer: Class of TRL, which imports its own packages when it is first used.
        packages: Packages that only this stage needs.

    Raises:
        InputError: A package is missing.
    """
    for name in (*_PACKAGES, *packages):
        import_trainer(name)
    trl = import_trainer("trl")
    try:
        getattr(trl, trainer)
    except RuntimeError as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        raise InputError(describe_import_error(error.__cause__)) from error


def describe_import_error(error: ImportError) -> str:
    """Return a message with the package to install; a module may raise the error without a name."""
    return _EXTRA.format(name=error.name or f"a package that cannot be imported ({error})")
