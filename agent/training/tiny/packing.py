"""Pack the examples of a task into one token tree with shared prefixes.

A question has many replies, and a draft has verdicts, critiques and refinements. The tree is laid out in preorder with
a mask that lets each token attend to its ancestors only. It has 3.5 to 6 times fewer tokens than separate sequences and
gives the same gradients.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import torch
from torch import Tensor


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


@dataclass(frozen=True)
class Batch:
    """Trees of equal length after padding."""

    ids: Tensor
    """(batch, length)."""
    positions: Tensor
    """(batch, length)."""
    attention_mask: Tensor
    """(batch, 1, length, length): True where a token may attend."""
    target_index: Tensor
    """(targets,): index of the token before each target in the flattened ids."""
    targets: Tensor
    """(targets,)."""
    weights: Tensor
    """(targets,)."""
    suppressed: Tensor
    """(targets, vocab_size): True for words that are not in the target's prompt, which a reply cannot use."""

    def to(self, device: torch.device) -> "Batch":
        """Copy the batch to a device."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    @classmethod
    def from_trees(cls, trees: Sequence[PrefixTree], pad: int, is_word: Tensor) -> Self:
        """Pad trees to one length.

        `is_word` is a mask over the vocabulary. Padding attends to itself only.
        """
        length = max(len(tree.ids) for tree in trees)
        target_index = []
        targets = []
        weights = []
        prompt_index = []
        suppressed: list[Tensor] = []
        for row, tree in enumerate(trees):
            first_prompt = len(suppressed)
            suppressed += [_suppress_absent(prompt, is_word) for prompt in tree.prompts]
            for target in tree.targets:
                target_index.append(row * length + target.previous_index)
                targets.append(target.token)
                weights.append(target.weight)
                prompt_index.append(first_prompt + target.prompt)
        return cls(
            ids=_pad([tree.ids for tree in trees], length, pad),
            positions=_pad([tree.positions for tree in trees], length, 0),
            attention_mask=_attention_mask(_pad([tree.ends for tree in trees], length, 0)),
            target_index=torch.tensor(target_index),
            targets=torch.tensor(targets),
            weights=torch.tensor(weights),
            suppressed=torch.stack(suppressed)[prompt_index],
        )


def _pad(rows: Sequence[list[int]], length: int, fill: int) -> Tensor:
    return torch.tensor([row + [fill] * (length - len(row)) for row in rows])


def _attention_mask(ends: Tensor) -> Tensor:
    """Let each token attend to itself and the tokens whose subtree contains it."""
    length = ends.shape[1]
    order = torch.arange(length)
    is_earlier = order[:, None] >= order[None, :]
    is_in_subtree = order[:, None] < ends[:, None, :]
    itself = torch.eye(length, dtype=torch.bool)
    return (is_earlier & is_in_subtree | itself)[:, None]


def _suppress_absent(prompt: set[int], is_word: Tensor) -> Tensor:
    suppressed = is_word.clone()
    suppressed[list(prompt)] = False
    return suppressed


def make_batches(
    trees: Iterable[PrefixTree], max_tokens: int, pad: int, is_word: Tensor
) -> Iterable[Batch]:
    """Sort trees by length and cut them into batches.

    A batch has at most `max_tokens` tokens, padding included, or one tree.
    """
    batch: list[PrefixTree] = []
    for tree in sorted(trees, key=lambda tree: len(tree.ids)):
        if batch and (len(batch) + 1) * len(tree.ids) > max_tokens:
            yield Batch.from_trees(batch, pad, is_word)
            batch = []
        batch.append(tree)
    if batch:
        yield Batch.from_trees(batch, pad, is_word)
