"""Encode examples and pairs as token ids, and count what is too long."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from selfcritic.agent.critic.format import critique_text
from selfcritic.agent.critic.grounding import ground
from selfcritic.agent.data.preference_pairs import PreferencePair
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.chat import Chat
from selfcritic.agent.scoring.reward_text import reward_ids
from selfcritic.agent.training.sft_examples import Example

_NO_LOSS = -100
Row = dict[str, Any]


@dataclass(frozen=True)
class Encoded:
    """Rows for a trainer."""

    rows: list[Row] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    """Index of each row's source."""
    num_too_long: int = 0
    """Sources dropped because they exceed the maximum length."""


def encode_examples(chat: Chat, examples: Sequence[Example], max_length: int) -> Encoded:
    """Return rows with `input_ids` and `labels`; only the reply has a loss.

    Raises:
        InputError: All examples are too long.
    """
    encoded = Encoded()
    num_too_long = 0
    for index, example in enumerate(examples):
        prompt = chat.prompt_ids(chat.messages(example.prompt_name, **example.data), example.prefix)
        reply = chat.reply_ids(example.reply)
        if len(prompt) + len(reply) > max_length:
            num_too_long += 1
            continue
        labels = [_NO_LOSS] * len(prompt) + reply
        encoded.rows.append({"input_ids": prompt + reply, "labels": labels})
        encoded.kept.append(index)
    return _finish(encoded, num_too_long, "examples", max_length)


def encode_pairs(chat: Chat, pairs: Sequence[PreferencePair], max_length: int) -> Encoded:
    """Return rows with `chosen_ids` and `rejected_ids`, in the form that `agent.scoring` reads.

    Raises:
        InputError: All pairs are too long.
    """
    encoded = Encoded()
    num_too_long = 0
    for index, pair in enumerate(pairs):
        chosen = pair_ids(chat, pair, pair.chosen.text)
        rejected = pair_ids(chat, pair, pair.rejected.text)
        if max(len(chosen), len(rejected)) > max_length:
            num_too_long += 1
            continue
        encoded.rows.append({"chosen_ids": chosen, "rejected_ids": rejected})
        encoded.kept.append(index)
    return _finish(encoded, num_too_long, "pairs", max_length)


def pair_ids(chat: Chat, pair: PreferencePair, critique: str) -> list[int]:
    """Return the tokens of a pair's critique, as the scorer sees it: located comments only."""
    text = scored_text(critique, pair.record.answer)
    return reward_ids(chat, pair.record.question, pair.record.answer, text)


def scored_text(critique: str, answer: str) -> str:
    """Return the part of a critique that scorers read."""
    return critique_text(ground(critique, answer))


def _finish(encoded: Encoded, num_too_long: int, noun: str, max_length: int) -> Encoded:
    if num_too_long and not encoded.rows:
        raise InputError(
            f"All {num_too_long} {noun} are longer than --max-length {max_length} tokens. Raise --max-length."
        )
    return Encoded(encoded.rows, encoded.kept, num_too_long)
