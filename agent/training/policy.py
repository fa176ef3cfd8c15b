"""Stage 4: a critic policy by GRPO: PPO's clipped objective with group advantages and no value model.

The advantage of a critique is its reward minus the mean of its group, not scaled by the group's deviation. Each batch
is used for two or more updates, since the ratio is 1 in the first one and nothing would be clipped.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.training.base import Base
from selfcritic.agent.training.checkpoints import find_checkpoint
from selfcritic.agent.training.curves import (
    CURVES_FILE,
    PLOT_FILE,
    draw_curves,
    is_diverging,
    read_curves,
    write_curves,
)
from selfcritic.agent.training.policy_prompts import Prompts, choose_prompts
from selfcritic.agent.training.policy_rewards import (
    PROXY,
    TRUTH,
    PolicyRewards,
    ScoreFunction,
)
from selfcritic.agent.training.restricted_grpo import choose_trainer
from selfcritic.agent.training.run import (
    Log,
    Report,
    ignore,
    run_trainer,
    save_start,
    save_trained,
)
from selfcritic.agent.training.settings import (
    PolicySettings,
    device_arguments,
    import_trainer,
    lora_config,
    require_packages,
)
from selfcritic.agent.training.stage import (
    begin_stage,
    explain_memory_errors,
    find_results,
    finish_stage,
    hash_items,
)
from selfcritic.agent.training.stage_files import MODEL_FOLDER, explain_file_errors

_BEST_METRIC = f"eval_rewards/{TRUTH}/mean"


@explain_file_errors()
@explain_memory_errors()
def train_policy(
    base: Base,
    records: Sequence[AnswerRecord],
    dev_records: Sequence[AnswerRecord],
    score: ScoreFunction,
    out: Path,
    settings: PolicySettings,
    report: Report = ignore,
    *,
    reward_hash: str | None = None,
) -> dict[str, Any]:
    """Train a critic policy from the base.

    Saves the kept policy to `out/model`, and the curves to `out/curves.csv` and `out/curves.png`.

    Args:
        base: The start, such as the model of the supervised stage.
        records: Flawed answers to critique.
        dev_records: Flawed answers of other tasks, on which truth is measured every `save_every` steps.
        score: The proxy, such as `reward_score` of a reward model.
        out: Folder of the stage.
        settings: Settings of GRPO.
        report: Called with a line of progress.
        reward_hash: Hash of the model that `score` uses; a training with another one is not resumed.

    Returns:
        Numbers for the report: truth and proxy on dev at the start, at the best step and at the end.

    Raises:
        InputError: There are no records, training diverged, a package is missing, or `out` has another training or
            other files.
        OutOfMemory: Training did not fit in memory.
    """
    options = {
        **asdict(settings),
        "base": base.info.base,
        "records_hash": [hash_items(records), hash_items(dev_records)],
    }
    if reward_hash is not None:
        options["reward_hash"] = reward_hash
    finished = find_results(out, options, [MODEL_FOLDER, CURVES_FILE], [PLOT_FILE])
    if finished is not None:
        return finished
    check_packages(base, settings)
    prompts = choose_prompts(base, records, dev_records, settings)
    begin_stage(out, options)
    if prompts.num_dev_left_out:
        num_rows = len(prompts.dev) + prompts.num_dev_left_out
        report(f"  dev: {len(prompts.dev)} of {num_rows} answers, the same number in each process")
    rewards = PolicyRewards([*records, *dev_records], score)
    trainer = _create_trainer(base, prompts, rewards, out, settings)

    def has_stopped(log: Log) -> bool:
        return is_diverging(read_curves(log), settings.patience)

    run_trainer(trainer, out, report, has_stopped)
    return _finish(trainer, base, prompts, out, settings)


def _finish(
    trainer: Any, base: Base, prompts: Prompts, out: Path, settings: PolicySettings
) -> dict[str, Any]:
    """Save the kept policy and the curves; return the results."""
    rows = read_curves(trainer.state.log_history)
    results = {
        "train_records": len(prompts.train),
        "dev_records": len(prompts.dev),
        "too_long": prompts.num_too_long,
        **summarize(rows),
        "steps": trainer.state.global_step,
        "stopped_early": is_diverging(rows, settings.patience),
        "kept": settings.keeps,
    }
    if settings.keeps == "best" and results["best_step"] == 0:
        results["kept"] = "start"
        save_start(trainer, base, out)
    else:
        save_trained(trainer, base, out, "model")
    if trainer.is_world_process_zero():
        write_curves(out, rows)
        draw_curves(out, rows, f"GRPO, rewarded by the {settings.trains_on}")
        finish_stage(out, results)
    return results


def check_packages(base: Base, settings: PolicySettings) -> None:
    """Import the packages of this stage, also that of its plots; raises InputError if one is missing."""
    require_packages("GRPOTrainer", ["matplotlib"])
    if not settings.uses_vllm:
        return
    if importlib.util.find_spec("vllm") is None:
        raise InputError("--vllm needs vLLM: pip install 'trl[vllm]', or leave --vllm out.")
    if base.info.prompt_only_tokens:
        raise InputError("--vllm cannot apply this model's token rules. Leave --vllm out.")


def summarize(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return truth and proxy on dev at the start, at the best step and at the end."""
    dev = [row for row in rows if row["split"] == "dev" and row["truth"] is not None]
    if not dev:
        raise InputError(
            "The oracle rated no critique of the dev records, so the best policy is unknown. "
            "Give the dev records bugs with quotes, or a task_type."
        )
    best = max(dev, key=lambda row: row["truth"])  # the first of ties
    summary: dict[str, Any] = {"best_step": best["step"]}
    for name, row in (("start", dev[0]), ("best", best), ("end", dev[-1])):
        summary[name] = {TRUTH: row["truth"], PROXY: row["proxy"], "length": row["length"]}
    return summary


def _create_trainer(
    base: Base, prompts: Prompts, rewards: PolicyRewards, out: Path, settings: PolicySettings
) -> Any:
    datasets = import_trainer("datasets")
    trl = import_trainer("trl")
    weights = [1.0, settings.grounded_weight, 0.0]
    if settings.trains_on == "truth":
        weights = [0.0, settings.grounded_weight, 1.0]
    arguments = device_arguments(settings, out)
    arguments.update(
        num_generations=settings.samples,
        max_completion_length=settings.max_tokens,
        temperature=settings.temperature,
        top_k=0,
        num_iterations=settings.iterations,
        beta=settings.beta,
        loss_type="dr_grpo",
        scale_rewards="none",
        reward_weights=weights,
        eval_strategy="steps",
        eval_steps=settings.save_every,
        eval_on_start=find_checkpoint(out) is None,  # a resumed training has measured its start
        per_device_eval_batch_size=prompts.dev_batch,
        load_best_model_at_end=settings.keeps == "best",
        metric_for_best_model=_BEST_METRIC,
        greater_is_better=True,
        **_vllm_arguments(settings),
    )
    return choose_trainer(base)(
        model=base.load_causal_model(lora_rank=settings.lora_rank),
        reward_funcs=rewards.functions(),
        args=trl.GRPOConfig(**arguments),
        train_dataset=datasets.Dataset.from_list(prompts.train),
        eval_dataset=datasets.Dataset.from_list(prompts.dev),
        processing_class=base.chat.tokenizer,
        peft_config=lora_config(settings, "CAUSAL_LM"),
        callbacks=[_stop_callback(out, settings.patience)],
    )


def _vllm_arguments(settings: PolicySettings) -> dict[str, Any]:
    if not settings.uses_vllm:
        return {}
    return {"use_vllm": True, "vllm_mode": "colocate", "vllm_gpu_memory_utilization": 0.3}


def _stop_callback(out: Path, patience: int) -> Any:
    """Return a callback that writes the curves, and stops when truth falls while the proxy rises."""
    callback_class: Any = import_trainer("transformers").TrainerCallback

    class StopWhenDiverging(callback_class):  # type: ignore[misc]
        def on_train_begin(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
            """Stop after one step if a sharded training was killed when it had already stopped."""
            if is_diverging(read_curves(state.log_history), patience):
                control.should_training_stop = True

        def on_evaluate(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
            rows = read_curves(state.log_history)
            if state.is_world_process_zero:
                write_curves(out, rows)
            if is_diverging(rows, patience):
                control.should_training_stop = True

    return StopWhenDiverging()
