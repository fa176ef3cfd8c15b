"""Choose the prompts of GRPO, and check that they fill its batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.training.base import Base
from selfcritic.agent.training.processes import count_processes
from selfcritic.agent.training.settings import PolicySettings


@dataclass(frozen=True)
class Prompts:
    """The prompts of a policy training."""

    train: list[dict[str, Any]]
    dev: list[dict[str, Any]]
    dev_batch: int
    """Critiques of a batch on dev."""
    num_too_long: int
    """Train prompts that leave no room for a critique."""
    num_dev_left_out: int
    """Dev prompts that would not be divided equally among the processes."""


def choose_prompts(
    base: Base,
    records: Sequence[AnswerRecord],
    dev_records: Sequence[AnswerRecord],
    settings: PolicySettings,
) -> Prompts:
    """Return the prompts of train and dev.

    Raises:
        InputError: A part has no prompts, or too few for a step or for the processes.
    """
    for name, part in (("train", records), ("dev", dev_records)):
        if not part:
            raise InputError(f"--data has no {name} records with known bugs to critique.")
    train_rows = _to_rows(base, records, settings)
    check_step(len(train_rows), settings)
    dev_rows = _to_rows(base, dev_records, settings)
    num_dev, dev_batch = plan_dev(len(dev_rows), settings)
    return Prompts(
        train=train_rows,
        dev=dev_rows[:num_dev],
        dev_batch=dev_batch,
        num_too_long=len(records) - len(train_rows),
        num_dev_left_out=len(dev_rows) - num_dev,
    )


def _to_rows(
    base: Base, records: Sequence[AnswerRecord], settings: PolicySettings
) -> list[dict[str, Any]]:
    """Return the prompts that leave room for a critique."""
    rows = []
    for record in records:
        messages = base.chat.messages(
            "critique", question=record.question, answer=record.answer, context=record.context
        )
        length = len(base.chat.prompt_ids(messages)) + settings.max_tokens
        if length <= settings.max_length:
            rows.append({"prompt": messages, "record": record.id})
    if not rows:
        raise InputError(
            f"All {len(records)} prompts with {settings.max_tokens} tokens of critique are longer than --max-length "
            f"{settings.max_length}. Raise --max-length, or lower --max-tokens."
        )
    return rows


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
