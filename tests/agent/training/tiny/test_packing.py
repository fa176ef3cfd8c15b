"""A tree of tokens holds every sequence that was merged into it, and costs its decoder what they cost apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs torch: python3 -m pip --python .venv/bin/python install torch")

import torch
from torch.nn import functional

from selfcritic.agent.training.tiny.decoder import Decoder, ModelConfig
from selfcritic.agent.training.tiny.packing import Batch, PrefixTree, batches

SEQUENCES = st.lists(
    st.lists(st.integers(1, 3), min_size=2, max_size=7).flatmap(
        lambda ids: st.tuples(st.just(ids), st.integers(1, len(ids) - 1), st.just(1.0))
    ),
    min_size=1,
    max_size=6,
)


def seen_from(tree: PrefixTree, place: int) -> list[int]:
    """The ids that a token sees, itself included."""
    return [tree.ids[at] for at in range(place + 1) if place < tree.ends[at]]


@given(SEQUENCES)
def test_every_target_follows_its_own_prefix(sequences: list[tuple[list[int], int, float]]):
    tree = PrefixTree.of(sequences)
    merged = sorted((tuple(seen_from(tree, place)), token) for place, token, *_ in tree.targets)
    assert merged == sorted((tuple(ids[:at]), ids[at]) for ids, start, _ in sequences for at in range(start, len(ids)))
    followed = sorted((sorted(tree.prompts[prompt]), token) for _, token, _, prompt in tree.targets)
    assert followed == sorted((sorted({*ids[:start]}), token) for ids, start, _ in sequences for token in ids[start:])
    assert all(tree.depths[at] == len(seen_from(tree, at)) - 1 for at in range(len(tree.ids)))


@given(SEQUENCES)
def test_no_prefix_is_laid_out_twice(sequences: list[tuple[list[int], int, float]]):
    tree = PrefixTree.of(sequences)
    prefixes = [tuple(seen_from(tree, at)) for at in range(len(tree.ids))]
    assert len(set(prefixes)) == len(prefixes)
    assert set(prefixes) == {tuple(ids[:at]) for ids, _, _ in sequences for at in range(1, len(ids))}


def test_a_tree_loses_what_its_sequences_lose_apart():
    torch.manual_seed(0)
    decoder = Decoder(ModelConfig.named("test", 16))
    sequences = [([1, 2, 3, 4, 5], 2, 1.0), ([1, 2, 3, 6], 3, 2.0), ([1, 2, 7, 8], 2, 1.0), ([9, 3], 1, 0.5)]
    batch = Batch.of(
        [PrefixTree.of(sequences[:3]), PrefixTree.of(sequences[3:])], pad=0, is_word=torch.zeros(16, dtype=torch.bool)
    )
    hidden = decoder(batch.ids, batch.depths, batch.sees).flatten(0, 1)[batch.places]
    together = (functional.cross_entropy(decoder.logits(hidden), batch.targets, reduction="none") * batch.weights).sum()
    apart = torch.stack(
        [
            functional.cross_entropy(
                decoder.logits(decoder(torch.tensor([ids[:-1]])))[0, start - 1 :],
                torch.tensor(ids[start:]),
                reduction="sum",
            )
            * (weight * (len(ids) - start) ** -0.5)
            for ids, start, weight in sequences
        ]
    ).sum()
    assert float(together.detach()) == pytest.approx(float(apart.detach()), rel=1e-5)


def test_a_word_that_does_not_stand_in_its_own_prompt_may_not_be_said():
    is_word = torch.tensor([False, False, True, True, True, False])
    trees = [PrefixTree.of([([1, 2, 2], 2, 1.0), ([1, 3, 5, 3], 2, 1.0)]), PrefixTree.of([([4, 2, 4], 2, 1.0)])]
    batch = Batch.of(trees, pad=0, is_word=is_word)
    unsaid = [torch.nonzero(row).flatten().tolist() for row in batch.unsaid]
    assert list(zip(batch.targets.tolist(), unsaid, strict=True)) == [(2, [3, 4]), (5, [2, 4]), (3, [2, 4]), (4, [3])]


def test_batches_hold_every_tree_and_no_more_tokens_than_asked():
    trees = [PrefixTree.of([(list(range(1, length)), 1, 1.0)]) for length in (9, 3, 5, 3, 12)]
    cut = list(batches(trees, tokens=12, pad=0, is_word=torch.zeros(16, dtype=torch.bool)))
    assert sum(len(batch.ids) for batch in cut) == len(trees)
    assert all(batch.ids.numel() <= 12 for batch in cut)
