"""Settings of a training stage, and the trainer arguments that a device needs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.engine import import_package

CHECKPOINTS = "checkpoints"
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
        "report_to": [],
        "log_level_replica": "error",  # transformers warns in every process but the first
        "disable_tqdm": True,
        "seed": settings.seed,
        "dataloader_pin_memory": has_gpu,
    }


def find_checkpoint(out: Path) -> str | None:
    """Return the newest complete checkpoint of a stage, None without one."""
    checkpoints = []
    for path in (out / CHECKPOINTS).glob("checkpoint-*"):
        number = path.name.removeprefix("checkpoint-")
        if number.isdigit() and _is_complete(path):
            checkpoints.append((int(number), str(path)))
    return max(checkpoints)[1] if checkpoints else None


def _is_complete(checkpoint: Path) -> bool:
    """Whether the file that transformers writes last is whole."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return True


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
