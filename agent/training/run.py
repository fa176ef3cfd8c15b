"""Run a TRL trainer to its end or from its last checkpoint, and save its model."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from selfcritic.agent.training.base import Base
from selfcritic.agent.training.settings import find_checkpoint, import_trainer
from selfcritic.agent.training.stage import ADAPTER_FOLDER, MODEL_FOLDER

Report = Callable[[str], None]
_NUM_REPORTS = 20
_PARTIAL_FOLDER = "model.partial"


def ignore(_text: str) -> None:
    """Drop a line of progress."""


def run_trainer(trainer: Any, out: Path, report: Report) -> None:
    """Train from the newest checkpoint, if there is one, and report about 20 steps."""
    transformers = import_trainer("transformers")
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    if trainer.is_world_process_zero():
        trainer.add_callback(_progress_callback(report))
        num_processes = trainer.accelerator.num_processes
        if num_processes > 1:
            report(f"  {num_processes} processes")
    trainer.train(resume_from_checkpoint=find_checkpoint(out))


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
    has_adapter = isinstance(model, peft.PeftModel)
    partial = out / _PARTIAL_FOLDER
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
        partial = out / _PARTIAL_FOLDER
        shutil.rmtree(partial, ignore_errors=True)
        base.load_causal_model().save_pretrained(partial)
        base.save_info(partial, "model")
        _replace_model(out)
    trainer.accelerator.wait_for_everyone()


def _replace_model(out: Path) -> None:
    target = out / MODEL_FOLDER
    shutil.rmtree(target, ignore_errors=True)
    (out / _PARTIAL_FOLDER).rename(target)


def _merge(base: Base, adapter: Path, target: Path, kind: Literal["model", "reward"]) -> None:
    """Save the base's weights with an adapter added to them."""
    peft = import_trainer("peft")
    load = base.load_causal_model if kind == "model" else base.load_reward_model
    model = load(lora_rank=1)  # in the type of frozen weights
    merged = peft.PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    merged.save_pretrained(target)
