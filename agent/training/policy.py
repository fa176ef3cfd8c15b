"""Stage 4: a critic policy by GRPO: PPO's clipped objective with group advantages and no value model.

The advantage of a critique is its reward minus the mean of its group, not scaled by the group's deviation. Each batch
is used for two or more updates, since the ratio is 1 in the first one and nothing would be clipped.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.training.base import Base
from selfcritic.agent.training.curves import draw_curves, is_diverging, read_curves, write_curves
from selfcritic.agent.training.policy_rewards import (
    PROXY,
    TRUTH,
    PolicyRewards,
    ScoreFunction,
)
from selfcritic.agent.training.processes import count_processes
from selfcritic.agent.training.restricted_grpo import choose_trainer
from selfcritic.agent.training.run import Report, ignore, run_trainer, save_start, save_trained
from selfcritic.agent.training.settings import (
    TrainSettings,
    device_arguments,
    find_checkpoint,
    import_trainer,
    lora_config,
)
from selfcritic.agent.training.stage import (
    begin_stage,
    explain_memory_errors,
    finish_stage,
    hash_items,
)

_BEST_METRIC = f"eval_rewards/{TRUTH}/mean"


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
        InputError: There are no records, or `out` has a training with other options.
        OutOfMemory: Training did not fit in memory.
    """
    for name, part in (("train", records), ("dev", dev_records)):
        if not part:
            raise InputError(f"--data has no {name} records with known bugs to critique.")
    train_rows, num_too_long = _to_rows(base, records, settings)
    check_step(len(train_rows), settings)
    dev_rows, _ = _to_rows(base, dev_records, settings)
    num_dev, dev_batch = plan_dev(len(dev_rows), settings)
    options = {
        **asdict(settings),
        "base": base.info.base,
        "records_hash": [hash_items(records), hash_items(dev_records)],
    }
    if reward_hash is not None:
        options["reward_hash"] = reward_hash
    finished = begin_stage(out, options)
    if finished is not None:
        return finished
    rewards = PolicyRewards([*records, *dev_records], score)
    if num_dev < len(dev_rows):
        report(f"  dev: {num_dev} of {len(dev_rows)} answers, the same number in each process")
    trainer = _create_trainer(
        base, train_rows, dev_rows[:num_dev], dev_batch, rewards, out, settings
    )
    run_trainer(trainer, out, report)
    rows = read_curves(trainer.state.log_history)
    results = {
        "train_records": len(train_rows),
        "dev_records": num_dev,
        "too_long": num_too_long,
        **summarize(rows),
    }
    results["steps"] = trainer.state.global_step
    results["stopped_early"] = is_diverging(rows, settings.patience)
    results["kept"] = settings.keeps
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


def _to_rows(
    base: Base, records: Sequence[AnswerRecord], settings: PolicySettings
) -> tuple[list[dict[str, Any]], int]:
    """Return the prompts that leave room for a critique, and the number of the others."""
    rows = []
    for record in records:
        messages = base.chat.messages(
            "critique", question=record.question, answer=record.answer, context=record.context
        )
        length = len(base.chat.prompt_ids(messages)) + settings.max_tokens
        if length <= settings.max_length:
            rows.append({"prompt": messages, "record": record.id})
    num_too_long = len(records) - len(rows)
    if not rows:
        raise InputError(
            f"All {num_too_long} prompts with {settings.max_tokens} tokens of critique are longer than --max-length "
            f"{settings.max_length}. Raise --max-length, or lower --max-tokens."
        )
    return rows, num_too_long


def check_step(num_rows: int, settings: PolicySettings) -> None:
    """Raise InputError if there are not enough prompts for one step; TRL would end without any."""
    processes = count_processes()
    num_critiques = settings.batch_size * settings.accumulate * processes
    num_prompts = num_critiques // settings.samples
    if num_rows < num_prompts:
        raise InputError(
            f"--data has {num_rows} train prompts, but a step takes {num_prompts}: --batch-size {settings.batch_size} "
            f"x --accumulate {settings.accumulate} x {processes} process(es) / --samples {settings.samples}. "
            "Lower --batch-size or --accumulate, raise --samples, use fewer processes, or add records."
        )


def plan_dev(num_rows: int, settings: PolicySettings) -> tuple[int, int]:
    """Return how many dev prompts are measured, and the critiques of a batch, so that all batches are full.

    TRL averages over batches, and accelerate fills the last ones with prompts that were measured already.

    Raises:
        InputError: There are fewer prompts than processes.
    """
    processes = count_processes()
    num_each = num_rows // processes
    if num_each == 0:
        raise InputError(
            f"--data has {num_rows} dev prompts for {processes} processes. Add dev records, or use fewer processes."
        )
    num_prompts = settings.batch_size // settings.samples
    while num_each % num_prompts:
        num_prompts -= 1
    return num_each * processes, num_prompts * settings.samples


def _create_trainer(
    base: Base,
    train_rows: list[dict[str, Any]],
    dev_rows: list[dict[str, Any]],
    dev_batch: int,
    rewards: PolicyRewards,
    out: Path,
    settings: PolicySettings,
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
        per_device_eval_batch_size=dev_batch,
        load_best_model_at_end=settings.keeps == "best",
        metric_for_best_model=_BEST_METRIC,
        greater_is_better=True,
        **_vllm_arguments(base, settings),
    )
    return choose_trainer(base)(
        model=base.load_causal_model(lora_rank=settings.lora_rank),
        reward_funcs=rewards.functions(),
        args=trl.GRPOConfig(**arguments),
        train_dataset=datasets.Dataset.from_list(train_rows),
        eval_dataset=datasets.Dataset.from_list(dev_rows),
        processing_class=base.chat.tokenizer,
        peft_config=lora_config(settings, "CAUSAL_LM"),
        callbacks=[_stop_callback(out, settings.patience)],
    )


def _vllm_arguments(base: Base, settings: PolicySettings) -> dict[str, Any]:
    if not settings.uses_vllm:
        return {}
    if importlib.util.find_spec("vllm") is None:
        raise InputError("--vllm needs vLLM: pip install 'trl[vllm]', or leave --vllm out.")
    if base.info.prompt_only_tokens:
        raise InputError("--vllm cannot apply this model's token rules. Leave --vllm out.")
    return {"use_vllm": True, "vllm_mode": "colocate", "vllm_gpu_memory_utilization": 0.3}


def _stop_callback(out: Path, patience: int) -> Any:
    """Return a callback that writes the curves, and stops when truth falls while the proxy rises."""
    callback_class: Any = import_trainer("transformers").TrainerCallback

    class StopWhenDiverging(callback_class):  # type: ignore[misc]
        def on_train_begin(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
            """Stop after one step if the training was killed when it had already stopped."""
            if is_diverging(read_curves(state.log_history), patience):
                control.should_training_stop = True

        def on_evaluate(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
            rows = read_curves(state.log_history)
            if state.is_world_process_zero:
                write_curves(out, rows)
            if is_diverging(rows, patience):
                control.should_training_stop = True

    return StopWhenDiverging()
