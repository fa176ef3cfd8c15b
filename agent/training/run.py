"""Run a TRL trainer to its end or from its last checkpoint, and save its model."""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.base import Base
from selfcritic.agent.training.checkpoints import STATE_FILE, discard_damaged, find_checkpoint
from selfcritic.agent.training.settings import import_trainer
from selfcritic.agent.training.stage_files import ADAPTER_FOLDER, MODEL_FOLDER, PARTIAL_FOLDER

Report = Callable[[str], None]
Log = Sequence[Mapping[str, Any]]
_NUM_REPORTS = 20
_DIVERGED = (
    "Training diverged at step {step}: {name} is {value}. Lower --learning-rate (of `train all`: --sft-rate, "
    "--reward-rate or --policy-rate), and use another --out."
)


def ignore(_text: str) -> None:
    """Drop a line of progress."""


def run_to_last_step(_log: Log) -> bool:
    """Never stop before the last step."""
    return False


def run_trainer(
    trainer: Any, out: Path, report: Report, has_stopped: Callable[[Log], bool] = run_to_last_step
) -> None:
    """Train from the newest whole checkpoint, if there is one, and report about 20 steps.

    Args:
        trainer: Trainer of TRL.
        out: Folder of the stage.
        report: Called with a line of progress.
        has_stopped: Whether a training with this log has stopped before its last step.

    Raises:
        InputError: Training diverged.
    """
    transformers = import_trainer("transformers")
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    trainer.add_callback(_divergence_callback())
    checkpoint = find_checkpoint(out)
    if trainer.is_world_process_zero():
        trainer.add_callback(_progress_callback(report))
        num_processes = trainer.accelerator.num_processes
        if num_processes > 1:
            report(f"  {num_processes} processes")
        for name in discard_damaged(out):
            start = "the start" if checkpoint is None else checkpoint.name
            report(f"  {name} is damaged: training resumes from {start}")
    if checkpoint is not None:
        state = transformers.TrainerState.load_from_json(str(checkpoint / STATE_FILE))
        is_sharded = trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled
        has_ended = state.global_step >= trainer.args.max_steps or has_stopped(state.log_history)
        if has_ended and not is_sharded:
            _restore(trainer, checkpoint, state)
            return
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))


def _restore(trainer: Any, checkpoint: Path, state: Any) -> None:
    """Load a training that has ended: another `train` would take one more step."""
    trainer.state = state
    trainer._load_from_checkpoint(str(checkpoint))
    if trainer.args.load_best_model_at_end and state.best_model_checkpoint is not None:
        trainer._load_best_model()


def _divergence_callback() -> Any:
    """Return a callback that stops all processes when the loss or a gradient is not finite."""
    callback_class: Any = import_trainer("transformers").TrainerCallback

    class StopIfNotFinite(callback_class):  # type: ignore[misc]
        def on_log(
            self, _args: Any, state: Any, _control: Any, logs: dict[str, Any], **_: Any
        ) -> None:
            check_finite(state.global_step, logs)

    return StopIfNotFinite()


def check_finite(step: int, logs: Mapping[str, Any]) -> None:
    """Raise InputError if the loss or the norm of the gradients is not finite."""
    for name, title in (("loss", "the loss"), ("grad_norm", "the norm of the gradients")):
        value = logs.get(name)
        if value is not None and not math.isfinite(value):
            raise InputError(_DIVERGED.format(step=step, name=title, value=value))


def check_weights(model: Any, step: int) -> None:
    """Raise InputError if a trained weight is not finite, as after a last update that diverged."""
    torch = import_trainer("torch")
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not bool(torch.isfinite(parameter).all()):
            raise InputError(_DIVERGED.format(step=step, name=name, value="not finite"))


def _progress_callback(report: Report) -> Any:
    callback_class: Any = import_trainer("transformers").TrainerCallback

    class ReportProgress(callback_class):  # type: ignore[misc]
        def on_log(
            self, _args: Any, state: Any, _control: Any, logs: dict[str, Any], **_: Any
        ) -> None:
            every = max(1, state.max_steps // _NUM_REPORTS)
            is_shown = state.global_step % every == 0 or state.global_step == state.max_steps
            line = describe_step(state.global_step, state.max_steps, logs)
            if is_shown and line:
                report(line)

    return ReportProgress()


def describe_step(step: int, num_steps: int, logs: Mapping[str, Any]) -> str:
    """Return a line about a logged step, "" if it has nothing to report."""
    if "loss" in logs:
        parts = [f"loss {logs['loss']:.4f}"]
        names = {"reward": "reward", "rewards/truth/mean": "truth", "kl": "KL"}
    elif "eval_reward" in logs:
        parts = ["dev"]
        names = {"eval_rewards/proxy/mean": "proxy", "eval_rewards/truth/mean": "truth"}
    else:
        return ""
    for name, title in names.items():
        if logs.get(name) is not None:
            parts.append(f"{title} {logs[name]:.3f}")
    return f"  step {step}/{num_steps}: {', '.join(parts)}"


def read_losses(trainer: Any) -> list[float]:
    """Return the loss of each logged step."""
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def save_trained(trainer: Any, base: Base, out: Path, kind: Literal["model", "reward"]) -> Path:
    """Save the trained weights to `out/model`; with LoRA, merged, and the adapter to `out/adapter`."""
    peft = import_trainer("peft")
    model = trainer.accelerator.unwrap_model(trainer.model)
    check_weights(model, trainer.state.global_step)
    has_adapter = isinstance(model, peft.PeftModel)
    partial = out / PARTIAL_FOLDER
    saved = out / ADAPTER_FOLDER if has_adapter else partial
    if trainer.is_world_process_zero():
        shutil.rmtree(partial, ignore_errors=True)
    trainer.save_model(str(saved))
    if trainer.is_world_process_zero():
        if has_adapter:
            base.save_info(saved, "adapter")
            _merge(base, saved, partial, kind)
        base.save_info(partial, kind)
        _replace_model(out)
    trainer.accelerator.wait_for_everyone()
    return out / MODEL_FOLDER


def save_start(trainer: Any, base: Base, out: Path) -> None:
    """Save the model with which training started to `out/model`, because no step was better."""
    if trainer.is_world_process_zero():
        partial = out / PARTIAL_FOLDER
        shutil.rmtree(partial, ignore_errors=True)
        base.load_causal_model().save_pretrained(partial)
        base.save_info(partial, "model")
        _replace_model(out)
    trainer.accelerator.wait_for_everyone()


def _replace_model(out: Path) -> None:
    """Replace the model that this training saved before; `begin_stage` refuses folders with another one."""
    target = out / MODEL_FOLDER
    shutil.rmtree(target, ignore_errors=True)
    (out / PARTIAL_FOLDER).rename(target)


def _merge(base: Base, adapter: Path, target: Path, kind: Literal["model", "reward"]) -> None:
    """Save the base's weights with an adapter added to them."""
    peft = import_trainer("peft")
    load = base.load_causal_model if kind == "model" else base.load_reward_model
    model = load(lora_rank=1)  # in the type of frozen weights
    merged = peft.PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    merged.save_pretrained(target)
