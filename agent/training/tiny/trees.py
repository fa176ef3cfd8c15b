"""Merge the examples of a task into one token tree with shared prefixes.

A question has many replies, and a draft has verdicts, critiques and refinements. The tree is laid out in preorder with
a mask that lets each token attend to its ancestors only. It has 3.5 to 6 times fewer tokens than separate sequences and
gives the same gradients. This module needs no torch, so that processes that draw data start fast.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

MAX_TREE_TOKENS = 2000
"""Longer trees are left out of training."""


class EncodedExample(NamedTuple):
    """A prompt and its reply as token ids."""

    ids: Sequence[int]
    reply_start: int
    weight: float
    """Weight of a one-token reply; a longer reply weighs the square root of its length times as much."""


class Target(NamedTuple):
    """A token to predict."""

    previous_index: int
    """Index of the token before it in the tree."""
    token: int
    weight: float
    prompt: int
    """Index of its prompt in `PrefixTree.prompts`."""


@dataclass
class PrefixTree:
    """Tokens of several examples in preorder."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    """Position of each token in its example."""
    ends: list[int] = field(default_factory=list)
    """Index at which the subtree of each token ends."""
    targets: list[Target] = field(default_factory=list)
    prompts: list[set[int]] = field(default_factory=list)
    """The token ids of each example's prompt."""

    @classmethod
    def from_examples(cls, examples: Iterable[EncodedExample]) -> Self:
        """Merge the common prefixes of examples."""
        tree = cls()
        path: list[int] = []
        ordered = sorted((list(ids), reply_start, weight) for ids, reply_start, weight in examples)
        for ids, reply_start, weight in ordered:
            num_shared = tree._count_shared(path, ids)
            tree._close(path[num_shared:])
            path = path[:num_shared]
            for token in ids[num_shared:-1]:
                path.append(len(tree.ids))
                tree.ids.append(token)
                tree.positions.append(len(path) - 1)
                tree.ends.append(0)
            token_weight = weight * (len(ids) - reply_start) ** -0.5
            for position in range(reply_start, len(ids)):
                target = Target(path[position - 1], ids[position], token_weight, len(tree.prompts))
                tree.targets.append(target)
            tree.prompts.append(set(ids[:reply_start]))
        tree._close(path)
        return tree

    def _count_shared(self, path: Sequence[int], ids: Sequence[int]) -> int:
        """Count the tokens shared with the previous example.

        The last id is not counted: it is only a target.
        """
        length = min(len(path), len(ids) - 1)
        for position in range(length):
            if self.ids[path[position]] != ids[position]:
                return position
        return length

    def _close(self, indexes: Iterable[int]) -> None:
        for index in indexes:
            self.ends[index] = len(self.ids)


class PackedBatch(NamedTuple):
    """Trees of equal length after padding, as numpy arrays."""

    ids: Any
    """(batch, length)."""
    positions: Any
    """(batch, length)."""
    ends: Any
    """(batch, length): index at which the subtree of each token ends; 0 for padding."""
    target_index: Any
    """(targets,): index of the token before each target in the flattened ids."""
    targets: Any
    """(targets,)."""
    weights: Any
    """(targets,)."""
    target_prompts: Any
    """(targets,): index of each target's prompt."""
    prompt_tokens: Any
    """(entries, 2): a prompt's index and the id of a token in it."""


def pack(trees: Sequence[PrefixTree], pad: int, multiple: int = 1) -> PackedBatch:
    """Pad trees to one length, a multiple of `multiple`."""
    import numpy

    longest = max(len(tree.ids) for tree in trees)
    length = -(-longest // multiple) * multiple
    target_index = []
    targets = []
    weights = []
    target_prompts = []
    prompt_tokens: list[tuple[int, int]] = []
    num_prompts = 0
    for row, tree in enumerate(trees):
        for target in tree.targets:
            target_index.append(row * length + target.previous_index)
            targets.append(target.token)
            weights.append(target.weight)
            target_prompts.append(num_prompts + target.prompt)
        for prompt in tree.prompts:
            prompt_tokens += [(num_prompts, token) for token in prompt]
            num_prompts += 1
    return PackedBatch(
        ids=_pad([tree.ids for tree in trees], length, pad),
        positions=_pad([tree.positions for tree in trees], length, 0),
        ends=_pad([tree.ends for tree in trees], length, 0),
        target_index=numpy.array(target_index, "int32"),
        targets=numpy.array(targets, "int16"),
        weights=numpy.array(weights, "float32"),
        target_prompts=numpy.array(target_prompts, "int32"),
        prompt_tokens=numpy.array(prompt_tokens, "int32"),
    )


def _pad(rows: Sequence[list[int]], length: int, fill: int) -> Any:
    import numpy

    padded: Any = numpy.full((len(rows), length), fill, "int16")
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded


def group_trees(trees: Iterable[PrefixTree], max_tokens: int) -> Iterator[list[PrefixTree]]:
    """Sort trees by length and cut them into groups.

    A group has at most `max_tokens` tokens, padding included, or one tree.
    """
    group: list[PrefixTree] = []
    for tree in sorted(trees, key=lambda tree: len(tree.ids)):
        if group and (len(group) + 1) * len(tree.ids) > max_tokens:
            yield group
            group = []
        group.append(tree)
    if group:
        yield group
