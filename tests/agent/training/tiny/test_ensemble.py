"""Tests of ensembles: they compute and train each decoder as if it were alone."""

import copy

import pytest

pytest.importorskip("torch", reason="needs torch: make train-tools")

import torch

from selfcritic.agent.training.tiny.decoder import Decoder, ModelConfig
from selfcritic.agent.training.tiny.ensemble import Ensemble, take_first_steps
from selfcritic.agent.training.tiny.muon import StackedMuon, orthogonalize
from selfcritic.agent.training.tiny.packing import Batch
from selfcritic.agent.training.tiny.trees import EncodedExample, PrefixTree

CONFIG = ModelConfig.from_name("test", 16)
CPU = torch.device("cpu")


def make_batch(first_token: int = 1) -> Batch:
    examples = [
        EncodedExample([first_token, 2, 3, 4, 5], 2, 1.0),
        EncodedExample([first_token, 2, 3, 6], 3, 2.0),
    ]
    trees = [
        PrefixTree.from_examples(examples),
        PrefixTree.from_examples([EncodedExample([9, 3, 4], 1, 0.5)]),
    ]
    return Batch.from_trees(trees, pad=0, is_word=torch.zeros(16, dtype=torch.bool))


def make_decoder(seed: int) -> Decoder:
    torch.manual_seed(seed)
    return Decoder(CONFIG)


def test_each_decoder_starts_from_its_seed():
    ensemble = Ensemble(CONFIG, [3, 5], CPU)
    for index, seed in enumerate([3, 5]):
        expected = make_decoder(seed).state_dict()
        extracted = ensemble.extract(index).state_dict()
        assert expected.keys() == extracted.keys()
        assert all(torch.equal(expected[name], extracted[name]) for name in expected)


def test_computes_the_hidden_states_of_separate_decoders():
    batch = make_batch()
    hidden = Ensemble(CONFIG, [3, 5], CPU)(batch.ids, batch.positions, batch.attention_mask)
    for index, seed in enumerate([3, 5]):
        expected = make_decoder(seed)(batch.ids, batch.positions, batch.attention_mask)
        assert torch.allclose(hidden[index], expected, atol=1e-5)


def test_trains_each_decoder_as_if_it_were_alone():
    together = Ensemble(CONFIG, [3, 5], CPU)
    alone = [Ensemble(CONFIG, [seed], CPU) for seed in (3, 5)]
    for first_token in (1, 7, 8):
        batch = make_batch(first_token)
        losses = together.step(batch, 1e-2)
        expected = torch.cat([ensemble.step(batch, 1e-2) for ensemble in alone])
        assert torch.allclose(losses, expected, atol=1e-4)
    assert not torch.allclose(losses[0], losses[1], atol=1e-4)


def test_limits_the_gradients_of_each_decoder():
    ensemble = Ensemble(CONFIG, [3, 5], CPU)
    for parameter in ensemble.parameters():
        parameter.grad = torch.ones_like(parameter)
        parameter.grad[1] *= 1e-4
    ensemble._clip_gradients()
    squares = sum(parameter.grad.flatten(1).square().sum(1) for parameter in ensemble.parameters())
    first, second = squares.sqrt().tolist()
    assert first == pytest.approx(1.0, rel=1e-3)
    assert second < 0.1


def test_learns_a_batch():
    ensemble = Ensemble(CONFIG, [3, 5], CPU)
    batch = make_batch()
    losses = torch.stack([ensemble.step(batch, 1e-2) for _ in range(60)])
    assert (losses[-1] < 0.5 * losses[0]).all()


def test_restores_a_checkpoint():
    batch = make_batch()
    ensemble = Ensemble(CONFIG, [3, 5], CPU)
    ensemble.step(batch, 1e-2)
    checkpoint = copy.deepcopy(ensemble.checkpoint())
    restored = Ensemble(CONFIG, [1, 2], CPU)
    restored.restore(checkpoint)
    for _ in range(2):
        assert torch.equal(ensemble.step(batch, 1e-2), restored.step(batch, 1e-2))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_muon_is_the_one_of_torch(shape: tuple[int, int]):
    torch.manual_seed(0)
    start = torch.randn(2, *shape)
    stacked = torch.nn.Parameter(start.clone())
    single = [torch.nn.Parameter(matrix.clone()) for matrix in start]
    optimizer = StackedMuon([stacked])
    expected = torch.optim.Muon(single, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    for each in (optimizer, expected):
        each.param_groups[0]["lr"] = 1.0
    for _ in range(3):
        gradient = torch.randn(2, *shape)
        stacked.grad = gradient.clone()
        for parameter, single_gradient in zip(single, gradient, strict=True):
            parameter.grad = single_gradient.clone()
        optimizer.step()
        expected.step()
    assert torch.allclose(stacked, torch.stack(single), atol=0.05)
    assert not torch.allclose(stacked, start, atol=0.3)


def test_orthogonalizes_matrices():
    torch.manual_seed(0)
    singular_values = torch.linalg.svdvals(orthogonalize(torch.randn(3, 8, 5)).float())
    assert ((singular_values > 0.5) & (singular_values < 1.3)).all()


def test_first_steps_need_no_data():
    losses = take_first_steps("test", [0, 1], CPU)
    assert losses.shape == (2,)
    assert (losses > 0).all()
