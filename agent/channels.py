"""Merge state updates into lists that grow, so that checkpoints save only what is new.

A checkpointer saves each write of a `DeltaChannel` once and rebuilds the list from its writes, in place of saving the
whole list in each checkpoint. A full copy is saved only after many writes, to keep rebuilding fast.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID, uuid5

from langchain_core.messages import AnyMessage, convert_to_messages
from langgraph.channels.delta import DeltaChannel
from langgraph.graph.message import add_messages

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import Round

_MESSAGE_NAMESPACE = UUID("5f0c6a1e-7d0b-4f0e-9d53-6b0f1c6a2d11")
_WRITES_PER_ROUNDS_COPY = 100
_WRITES_PER_MESSAGES_COPY = 40


def merge_rounds(rounds: Sequence[Round] | None, writes: Sequence[Sequence[Round]]) -> list[Round]:
    """Apply writes to a list of rounds.

    The first round of a write has the `index` of the round that it replaces. The rounds from there on are replaced by
    those of the write. Without an index, a write replaces all rounds.

    Raises:
        InputError: A write is not a list of rounds.
    """
    merged = list(rounds or [])
    for write in writes:
        _check_rounds(write)
        start = 0
        if write:
            start = _index_of(write[0]) or 0
        merged = [*merged[:start], *write]
    return merged


def _check_rounds(write: Any) -> None:
    is_list = isinstance(write, list | tuple)
    if not is_list or not all(isinstance(item, Round | Mapping) for item in write):
        raise InputError("`rounds` must be a list of rounds. Pass those of the state, changed.")


def _index_of(round_: Round | Mapping[str, Any]) -> int | None:
    """Return a round's index; a round that was edited in Studio is plain JSON."""
    if isinstance(round_, Mapping):
        return round_.get("index")
    return round_.index


def changed_rounds(before: Sequence[Round], after: Sequence[Round]) -> list[Round]:
    """Return the rounds from the first changed one on, numbered; at least the last one.

    `merge_rounds(before, [changed_rounds(before, after)])` has the rounds of `after`.
    """
    start = 0
    for old, new in zip(before, after, strict=False):
        if old is not new and old != new:
            break
        start += 1
    start = max(0, min(start, len(after) - 1))
    changed = []
    for index, round_ in enumerate(after[start:], start):
        if round_.index != index:
            round_ = round_.model_copy(update={"index": index})
        changed.append(round_)
    return changed


def merge_messages(messages: Sequence[Any] | None, writes: Sequence[Any]) -> list[AnyMessage]:
    """Apply writes as LangGraph's `add_messages`, but give new messages the same ids each time."""
    merged: Any = list(messages or [])
    for write in writes:
        items = write if isinstance(write, list) else [write]
        added = convert_to_messages(items)
        for position, message in enumerate(added, len(merged)):
            if message.id is None:
                key = f"{position} {message.type} {message.text}"
                message.id = str(uuid5(_MESSAGE_NAMESPACE, key))
        merged = add_messages(merged, added)  # type: ignore[arg-type]
    return merged  # type: ignore[no-any-return]


Rounds = Annotated[
    list[Round], DeltaChannel(merge_rounds, snapshot_frequency=_WRITES_PER_ROUNDS_COPY)
]
Messages = Annotated[
    list[AnyMessage], DeltaChannel(merge_messages, snapshot_frequency=_WRITES_PER_MESSAGES_COPY)
]
