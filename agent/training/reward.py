"""Stage 3: a reward model from pairs of critiques, with TRL's RewardTrainer."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from selfcritic.agent.data.preference_pairs import PreferencePair, report_lengths
from selfcritic.agent.evals.measures.intervals import Estimate
from selfcritic.agent.scoring.reward_model import score_batch
from selfcritic.agent.training.base import Base
from selfcritic.agent.training.encoding import Row, encode_pairs
from selfcritic.agent.training.pairs import Accuracy, measure_accuracy
from selfcritic.agent.training.run import Report, ignore, read_losses, run_trainer, save_trained
from selfcritic.agent.training.settings import (
    TrainSettings,
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
from selfcritic.agent.training.stage_files import MODEL_FOLDER, explain_file_errors, write_json

CENTER_COEFFICIENT = 0.01
"""Weight of the squared sum of a pair's scores, which keeps their mean near 0."""
REPORT_FILE = "report.json"
_EVAL_BATCH = 16


@explain_file_errors()
@explain_memory_errors()
def train_reward(
    base: Base,
    train_pairs: Sequence[PreferencePair],
    test_pairs: Sequence[PreferencePair],
    out: Path,
    settings: TrainSettings,
    report: Report = ignore,
) -> dict[str, Any]:
    """Train a reward model, and measure it on held-out pairs before and after.

    Saves the model to `out/model`, in the form that `--scorer reward:FOLDER` loads, and `out/report.json`.

    Returns:
        The report: numbers of pairs, dropped pairs and accuracies by kind of flaw.

    Raises:
        InputError: All pairs are too long, training diverged, a package is missing, or `out` has another training or
            other files.
        OutOfMemory: Training did not fit in memory.
    """
    options = {
        **asdict(settings),
        "base": base.info.base,
        "pairs_hash": [hash_items(train_pairs), hash_items(test_pairs)],
    }
    finished = find_results(out, options, [MODEL_FOLDER, REPORT_FILE])
    if finished is not None:
        return finished
    require_packages("RewardTrainer")
    train = encode_pairs(base.chat, train_pairs, settings.max_length)
    test = encode_pairs(base.chat, test_pairs, settings.max_length)
    begin_stage(out, options)
    datasets = import_trainer("datasets")
    trl = import_trainer("trl")
    held_out = [test_pairs[index] for index in test.kept]
    trainer = trl.RewardTrainer(
        model=base.load_reward_model(lora_rank=settings.lora_rank),
        args=trl.RewardConfig(
            **device_arguments(settings, out),
            max_length=settings.max_length,
            center_rewards_coefficient=CENTER_COEFFICIENT,
        ),
        train_dataset=datasets.Dataset.from_list(train.rows),
        processing_class=base.chat.tokenizer,
        peft_config=lora_config(settings, "SEQ_CLS"),
    )
    before = score_margins(trainer.model, base, test.rows)
    run_trainer(trainer, out, report)
    save_trained(trainer, base, out, "reward")
    after = score_margins(trainer.model, base, test.rows)
    losses = read_losses(trainer)
    lengths = report_lengths([train_pairs[index] for index in train.kept])
    results = {
        "train_pairs": len(train.rows),
        "test_pairs": len(test.rows),
        "too_long": train.num_too_long + test.num_too_long,
        "chosen_is_longer": lengths.chosen_is_longer,
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "accuracy": [to_row(row) for row in measure_accuracy(held_out, after, before)],
    }
    if trainer.is_world_process_zero():
        write_json(out / REPORT_FILE, results)
        finish_stage(out, results)
    return results


def score_margins(model: Any, base: Base, rows: Sequence[Row]) -> list[float]:
    """Return the score of each pair's chosen critique minus that of the rejected one."""
    was_training = model.training
    model.eval()
    texts = []
    for row in rows:
        texts += [row["chosen_ids"], row["rejected_ids"]]
    scores: list[float] = []
    for start in range(0, len(texts), _EVAL_BATCH):
        scores += score_batch(model, base.chat.tokenizer, texts[start : start + _EVAL_BATCH])
    model.train(was_training)
    return [chosen - rejected for chosen, rejected in zip(scores[::2], scores[1::2], strict=True)]


def to_row(accuracy: Accuracy) -> dict[str, Any]:
    """Return an accuracy as JSON."""
    return {
        "kind": accuracy.kind,
        "pairs": accuracy.pairs,
        "model": _to_list(accuracy.model),
        "untrained": None if accuracy.untrained is None else _to_list(accuracy.untrained),
        "longer": _to_list(accuracy.longer),
    }


def _to_list(estimate: Estimate) -> list[float | None]:
    """Return the value and its interval; JSON has no NaN."""
    values = [estimate.value, estimate.low, estimate.high]
    return [None if math.isnan(value) else round(value, 4) for value in values]
