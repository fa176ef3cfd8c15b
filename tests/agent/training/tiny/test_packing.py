"""Tests of prefix trees: they hold every sequence once and give the same loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs torch: make train-tools")

import torch
from torch.nn import functional

from selfcritic.agent.training.tiny.decoder import Decoder, ModelConfig
from selfcritic.agent.training.tiny.packing import Batch, make_batches
from selfcritic.agent.training.tiny.trees import EncodedExample, PrefixTree


@st.composite
def encoded_examples(draw: st.DrawFn) -> EncodedExample:
    ids = draw(st.lists(st.integers(1, 3), min_size=2, max_size=7))
    reply_start = draw(st.integers(1, len(ids) - 1))
    return EncodedExample(ids, reply_start, 1.0)


EXAMPLES = st.lists(encoded_examples(), min_size=1, max_size=6)


def visible_ids(tree: PrefixTree, index: int) -> list[int]:
    """Return the ids that a token attends to, including itself."""
    return [tree.ids[other] for other in range(index + 1) if index < tree.ends[other]]


@given(EXAMPLES)
def test_every_target_follows_its_prefix(examples: list[EncodedExample]):
    tree = PrefixTree.from_examples(examples)
    merged = sorted(
        (tuple(visible_ids(tree, target.previous_index)), target.token) for target in tree.targets
    )
    expected = []
    for ids, reply_start, _ in examples:
        expected += [
            (tuple(ids[:position]), ids[position]) for position in range(reply_start, len(ids))
        ]
    assert merged == sorted(expected)


@given(EXAMPLES)
def test_every_target_has_its_prompt(examples: list[EncodedExample]):
    tree = PrefixTree.from_examples(examples)
    prompts = sorted((sorted(tree.prompts[target.prompt]), target.token) for target in tree.targets)
    expected = []
    for ids, reply_start, _ in examples:
        expected += [(sorted(set(ids[:reply_start])), token) for token in ids[reply_start:]]
    assert prompts == sorted(expected)


@given(EXAMPLES)
def test_every_prefix_occurs_once(examples: list[EncodedExample]):
    tree = PrefixTree.from_examples(examples)
    prefixes = [tuple(visible_ids(tree, index)) for index in range(len(tree.ids))]
    assert len(set(prefixes)) == len(prefixes)
    assert set(prefixes) == {
        tuple(ids[:end]) for ids, _, _ in examples for end in range(1, len(ids))
    }
    assert tree.positions == [len(prefix) - 1 for prefix in prefixes]


def test_tree_has_the_loss_of_its_separate_sequences():
    torch.manual_seed(0)
    decoder = Decoder(ModelConfig.from_name("test", 16))
    examples = [
        EncodedExample([1, 2, 3, 4, 5], 2, 1.0),
        EncodedExample([1, 2, 3, 6], 3, 2.0),
        EncodedExample([1, 2, 7, 8], 2, 1.0),
        EncodedExample([9, 3], 1, 0.5),
    ]
    trees = [PrefixTree.from_examples(examples[:3]), PrefixTree.from_examples(examples[3:])]
    batch = Batch.from_trees(trees, pad=0, is_word=torch.zeros(16, dtype=torch.bool))
    hidden = decoder(batch.ids, batch.positions, batch.attention_mask).flatten(0, 1)[
        batch.target_index
    ]
    losses = functional.cross_entropy(decoder.logits(hidden), batch.targets, reduction="none")
    packed_loss = float((losses * batch.weights).sum().detach())
    separate_loss = 0.0
    for ids, reply_start, weight in examples:
        logits = decoder.logits(decoder(torch.tensor([ids[:-1]])))[0, reply_start - 1 :]
        loss = functional.cross_entropy(logits, torch.tensor(ids[reply_start:]), reduction="sum")
        separate_loss += float(loss.detach()) * weight * (len(ids) - reply_start) ** -0.5
    assert packed_loss == pytest.approx(separate_loss, rel=1e-5)


def test_suppresses_the_words_that_a_prompt_lacks():
    is_word = torch.tensor([False, False, True, True, True, False])
    first_tree = PrefixTree.from_examples(
        [EncodedExample([1, 2, 2], 2, 1.0), EncodedExample([1, 3, 5, 3], 2, 1.0)],
    )
    second_tree = PrefixTree.from_examples([EncodedExample([4, 2, 4], 2, 1.0)])
    batch = Batch.from_trees([first_tree, second_tree], pad=0, is_word=is_word)
    suppressed = [torch.nonzero(row).flatten().tolist() for row in batch.suppressed]
    targets = batch.targets.tolist()
    assert list(zip(targets, suppressed, strict=True)) == [
        (2, [3, 4]),
        (5, [2, 4]),
        (3, [2, 4]),
        (4, [3]),
    ]


def test_batches_hold_every_tree_within_the_token_limit():
    trees = [
        PrefixTree.from_examples([EncodedExample(list(range(1, length)), 1, 1.0)])
        for length in (9, 3, 5, 3, 12)
    ]
    is_word = torch.zeros(16, dtype=torch.bool)
    batches = list(make_batches(trees, max_tokens=12, pad=0, is_word=is_word))
    assert sum(len(batch.ids) for batch in batches) == len(trees)
    assert all(batch.ids.numel() <= 12 for batch in batches)
