"""Stage 1: supervised start on all roles, with TRL's SFTTrainer."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.base import Base
from selfcritic.agent.training.encoding import encode_examples
from selfcritic.agent.training.run import Report, ignore, read_losses, run_trainer, save_trained
from selfcritic.agent.training.settings import (
    TrainSettings,
    device_arguments,
    import_trainer,
    lora_config,
    require_packages,
)
from selfcritic.agent.training.sft_examples import Example
from selfcritic.agent.training.stage import (
    begin_stage,
    explain_memory_errors,
    find_results,
    finish_stage,
    hash_items,
)
from selfcritic.agent.training.stage_files import MODEL_FOLDER, explain_file_errors


@explain_file_errors()
@explain_memory_errors()
def train_sft(
    base: Base,
    examples: Sequence[Example],
    out: Path,
    settings: TrainSettings,
    report: Report = ignore,
) -> dict[str, Any]:
    """Train the base on examples; only their replies have a loss.

    Saves the model to `out/model`. A finished training is not repeated, an interrupted one resumes.

    Returns:
        Numbers for the report: examples, examples dropped for their length, first and last loss.

    Raises:
        InputError: There are no examples, all are too long, training diverged, a package is missing, or `out` has
            another training or other files.
        OutOfMemory: Training did not fit in memory.
    """
    if not examples:
        raise InputError(
            "--data gives no examples to start from: its records have no known bugs and no known correctness."
        )
    options = {**asdict(settings), "base": base.info.base, "examples_hash": hash_items(examples)}
    results = find_results(out, options, [MODEL_FOLDER])
    if results is not None:
        return results
    require_packages("SFTTrainer")
    encoded = encode_examples(base.chat, examples, settings.max_length)
    begin_stage(out, options)
    datasets = import_trainer("datasets")
    trl = import_trainer("trl")
    trainer = trl.SFTTrainer(
        model=base.load_causal_model(lora_rank=settings.lora_rank),
        args=trl.SFTConfig(**device_arguments(settings, out), max_length=settings.max_length),
        train_dataset=datasets.Dataset.from_list(encoded.rows),
        processing_class=base.chat.tokenizer,
        peft_config=lora_config(settings, "CAUSAL_LM"),
    )
    run_trainer(trainer, out, report)
    save_trained(trainer, base, out, "model")
    losses = read_losses(trainer)
    results = {
        "examples": len(encoded.rows),
        "too_long": encoded.num_too_long,
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }
    if trainer.is_world_process_zero():
        finish_stage(out, results)
    return results
