"""A tiny decoder is trained for a few steps, broken off, resumed, exported, and computes the same in both engines."""

import random
from pathlib import Path

import pytest

from selfcritic.agent.errors import InputError

pytest.importorskip("torch", reason="needs torch: python3 -m pip --python .venv/bin/python install torch")

import numpy
import torch

from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.tokenizer import REPLY
from selfcritic.agent.training.tiny import trainer as loop
from selfcritic.agent.training.tiny.examples import Example, draw_task, mending, slip_documents
from selfcritic.agent.training.tiny.packing import PrefixTree
from selfcritic.agent.training.tiny.trainer import TrainConfig, Trainer, train

PLAN = TrainConfig("alphabetize", size="test", tokens=60_000, own_tasks=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("training")
    train(PLAN, home, tell=lambda text: None)
    return home


def test_ctranslate2_computes_what_torch_computes(folder: Path):
    run = Trainer(PLAN, folder)
    run.resume()
    assert run.seen >= PLAN.tokens
    engine = Engine(folder / "float32")
    tokens = [*engine.tokens.encode("Sort these words alphabetically: pear, apple, plum"), REPLY]
    hidden = run.decoder(torch.tensor([[engine.tokens.ids[token] for token in tokens]]))
    ours = run.decoder.logits(hidden).detach().numpy()
    theirs = numpy.array(engine._generator(0).forward_batch([tokens]))
    assert numpy.allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize("family", ["addition", "alphabetize", "three_sat"])
def test_every_stage_is_gone_through_and_teaches(family: str, tmp_path: Path):
    run = Trainer(TrainConfig(family, size="test", tokens=100_000, rate=2e-2, own_tasks=4), tmp_path)
    losses: dict[str, list[float]] = {}
    while run.seen < run.plan.tokens:
        losses.setdefault(run.stage, []).append(run.step())
    assert list(losses) == ["copying", "mending", "slips", "own drafts"]
    assert all(numpy.isfinite(found).all() for found in losses.values())
    assert numpy.mean(losses["own drafts"][-10:]) < numpy.mean(losses["copying"]) - 0.1


@pytest.mark.parametrize("family", ["addition", "alphabetize", "three_sat"])
def test_what_is_learnt_can_be_said_and_no_task_is_too_long(family: str, tmp_path: Path):
    run, rng = Trainer(TrainConfig(family, size="test"), tmp_path), random.Random(3)
    for _ in range(100):
        task = draw_task(family, rng)
        examples = [run._example(document) for document in (*mending(task, rng), *slip_documents(task, rng))]
        assert len(PrefixTree.of(examples).ids) <= loop._LONGEST


def test_a_reply_that_could_not_be_said_is_not_learnt(tmp_path: Path):
    with pytest.raises(ValueError, match=r"words that its prompt has not: \['plum'\]"):
        Trainer(PLAN, tmp_path)._example(Example("Sort: pear, apple", "apple, plum"))


def test_a_run_that_was_broken_off_goes_on_where_it_was_saved(tmp_path: Path):
    run = Trainer(PLAN, tmp_path)
    for _ in range(3):
        run.step()
    run.save()
    again = Trainer(PLAN, tmp_path)
    again.resume()
    assert (again.seen, again.steps) == (run.seen, run.steps)
    pairs = zip(run.decoder.parameters(), again.decoder.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    again.step()
    assert again.steps == run.steps + 1


def test_a_warm_up_ends_once_it_is_learnt_and_a_resumed_run_knows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "_RECENT", 3)
    monkeypatch.setattr(loop, "_WARM_UPS", {"copying": (99.0, 0.9), "mending": (0.0, 0.2)})
    run = Trainer(PLAN, tmp_path)
    stages = [run.stage for _ in range(4) if run.step()]
    assert stages == ["copying", "copying", "mending", "mending"]
    run.save()
    again = Trainer(PLAN, tmp_path)
    again.resume()
    assert (again.stage, again.learnt) == ("mending", run.learnt)
    while again.stage == "mending":
        again.step()
    assert 0.2 * PLAN.tokens < again.learnt["mending"] < 0.3 * PLAN.tokens


def test_a_checkpoint_that_does_not_know_its_warm_ups_is_told(tmp_path: Path):
    run = Trainer(PLAN, tmp_path)
    run.save()
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del state["learnt"]
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="earlier version"):
        run.resume()


def test_another_plan_does_not_go_on_in_the_same_folder(folder: Path):
    with pytest.raises(InputError, match="another plan"):
        Trainer(TrainConfig("alphabetize", size="test", tokens=70_000), folder).resume()


def test_the_batch_and_all_that_is_computed_of_it_go_where_the_decoder_is(tmp_path: Path):
    run, elsewhere = Trainer(PLAN, tmp_path), torch.device("meta")  # as a GPU, it takes no tensor of the processor's
    batch = next(run.batches).to(elsewhere)
    hidden = run.decoder.to(elsewhere)(batch.ids, batch.depths, batch.sees).flatten(0, 1)[batch.places]
    assert torch.nn.functional.cross_entropy(run.decoder.logits(hidden), batch.targets).device == elsewhere
    assert run.decoder(batch.ids).device == elsewhere
