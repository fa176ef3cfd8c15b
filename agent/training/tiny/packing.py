"""Batches of token trees, as tensors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from selfcritic.agent.models.tiny.tokenizer import Tokenizer
from selfcritic.agent.training.tiny.trees import PackedBatch, PrefixTree, group_trees, pack


def mask_words(tokenizer: Tokenizer, vocab_size: int) -> Tensor:
    """Return a mask over the vocabulary: the words, which a reply may use only if its prompt does."""
    is_word = torch.zeros(vocab_size, dtype=torch.bool)
    for [word] in tokenizer.suppressed_tokens(frozenset()):
        is_word[tokenizer.ids[word]] = True
    return is_word


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
        """Pad trees to one length; `is_word` is a mask over the vocabulary."""
        return cls.from_packed(pack(trees, pad), is_word)

    @classmethod
    def from_packed(cls, packed: PackedBatch, is_word: Tensor) -> Self:
        """Create the masks of a packed batch on the device of `is_word`.

        Padding attends to itself only.
        """
        device = is_word.device
        tensors = {
            name: _copy(torch.from_numpy(array), device) for name, array in packed._asdict().items()
        }
        target_prompts = tensors["target_prompts"].long()
        prompts, tokens = tensors["prompt_tokens"].long().unbind(1)
        num_prompts = int(packed.prompt_tokens[-1, 0]) + 1
        suppressed = is_word.expand(num_prompts, -1).clone()
        suppressed.index_put_((prompts, tokens), torch.zeros_like(is_word[0]))
        return cls(
            ids=tensors["ids"].long(),
            positions=tensors["positions"].long(),
            attention_mask=_attention_mask(tensors["ends"].long()),
            target_index=tensors["target_index"].long(),
            targets=tensors["targets"].long(),
            weights=tensors["weights"],
            suppressed=suppressed[target_prompts],
        )


def _copy(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to a device; to a GPU without waiting for it."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _attention_mask(ends: Tensor) -> Tensor:
    """Let each token attend to itself and the tokens whose subtree contains it."""
    length = ends.shape[1]
    order = torch.arange(length, device=ends.device)
    is_earlier = order[:, None] >= order[None, :]
    is_in_subtree = order[:, None] < ends[:, None, :]
    itself = torch.eye(length, dtype=torch.bool, device=ends.device)
    return (is_earlier & is_in_subtree | itself)[:, None]


def make_batches(
    trees: Iterable[PrefixTree], max_tokens: int, pad: int, is_word: Tensor
) -> Iterator[Batch]:
    """Sort trees by length and cut them into batches of at most `max_tokens` or one tree."""
    for group in group_trees(trees, max_tokens):
        yield Batch.from_trees(group, pad, is_word)
