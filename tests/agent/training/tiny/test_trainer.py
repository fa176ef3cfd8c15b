"""Tests of training: stages, checkpoints, and equal results in torch and ctranslate2."""

import random
from pathlib import Path

import pytest

from selfcritic.agent.errors import InputError

pytest.importorskip("torch", reason="needs torch: make train-tools")

import numpy
import torch

from selfcritic.agent.models.tiny.engine import Engine
from selfcritic.agent.models.tiny.tokenizer import REPLY
from selfcritic.agent.training.tiny import curriculum
from selfcritic.agent.training.tiny.curriculum import Curriculum, WarmUp
from selfcritic.agent.training.tiny.encoding import encode
from selfcritic.agent.training.tiny.examples import (
    Example,
    draw_task,
    edit_examples,
    injected_flaw_examples,
)
from selfcritic.agent.training.tiny.trainer import TrainConfig, Trainer, train
from selfcritic.agent.training.tiny.trees import MAX_TREE_TOKENS, PrefixTree
from selfcritic.agent.training.tiny.vocabulary import train_tokenizer

CONFIG = TrainConfig("alphabetize", size="test", tokens=40_000, self_play_tasks=4)


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    train(CONFIG, folder, log=lambda text: None)
    return folder


def test_ctranslate2_computes_the_same_logits_as_torch(trained_folder: Path):
    trainer = Trainer(CONFIG, trained_folder)
    trainer.resume()
    assert trainer.tokens_seen >= CONFIG.tokens
    engine = Engine(trained_folder / "float32")
    tokens = [*engine.tokenizer.encode("Sort these words alphabetically: pear, apple, plum"), REPLY]
    ids = [engine.tokenizer.ids[token] for token in tokens]
    torch_logits = trainer.decoder.logits(trainer.decoder(torch.tensor([ids]))).detach().numpy()
    exported_logits = numpy.array(engine._create_generator(0).forward_batch([tokens]))
    assert numpy.allclose(torch_logits, exported_logits, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("task_name", ["addition", "alphabetize", "functions", "three_sat"])
def test_loss_falls_over_all_stages(task_name: str, tmp_path: Path):
    config = TrainConfig(
        task_name, size="test", tokens=90_000, learning_rate=2e-2, self_play_tasks=4
    )
    trainer = Trainer(config, tmp_path)
    losses: dict[str, list[float]] = {}
    while trainer.tokens_seen < config.tokens:
        stage = trainer.stage
        loss = trainer.step()
        losses.setdefault(stage, []).append(loss)
    assert list(losses) == ["copy", "edit", "injected flaws", "self-play"]
    assert all(numpy.isfinite(stage_losses).all() for stage_losses in losses.values())
    assert numpy.mean(losses["self-play"][-10:]) < numpy.mean(losses["copy"]) - 0.3


@pytest.mark.parametrize("task_name", ["addition", "alphabetize", "functions", "three_sat"])
def test_examples_use_words_of_their_prompt_and_nearly_all_fit(task_name: str):
    tokenizer = train_tokenizer(task_name)
    rng = random.Random(3)
    num_long = 0
    for _ in range(50):
        task = draw_task(task_name, rng)
        for examples in (edit_examples(task, rng), injected_flaw_examples(task, rng)):
            tree = PrefixTree.from_examples(encode(example, tokenizer) for example in examples)
            num_long += len(tree.ids) > MAX_TREE_TOKENS
    assert num_long <= 2


def test_rejects_a_reply_with_words_that_its_prompt_lacks():
    example = Example("Sort: pear, apple", "apple, plum")
    with pytest.raises(ValueError, match=r"words that its prompt lacks: \['plum'\]"):
        encode(example, train_tokenizer("alphabetize"))


def test_resumes_from_the_checkpoint(tmp_path: Path):
    trainer = Trainer(CONFIG, tmp_path)
    for _ in range(3):
        trainer.step()
    trainer.save()
    resumed = Trainer(CONFIG, tmp_path)
    resumed.resume()
    assert resumed.tokens_seen == trainer.tokens_seen
    assert resumed.steps == trainer.steps
    for saved, loaded in zip(
        trainer.decoder.parameters(), resumed.decoder.parameters(), strict=True
    ):
        assert torch.equal(saved, loaded)
    resumed.step()
    assert resumed.steps == trainer.steps + 1


def test_warm_up_ends_when_learned_or_at_its_budget_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        curriculum, "WARM_UPS", {"copy": WarmUp(99.0, 0.9), "edit": WarmUp(0.0, 0.2)}
    )
    trainer = Trainer(CONFIG, tmp_path)
    trainer.curriculum = Curriculum(CONFIG.tokens, loss_window=3)
    stages = []
    for _ in range(4):
        trainer.step()
        stages.append(trainer.stage)
    assert stages == ["copy", "copy", "edit", "edit"]
    trainer.save()
    resumed = Trainer(CONFIG, tmp_path)
    resumed.resume()
    assert resumed.stage == "edit"
    assert resumed.curriculum.finished == trainer.curriculum.finished
    while resumed.stage == "edit":
        resumed.step()
    assert 0.2 * CONFIG.tokens < resumed.curriculum.finished["edit"] < 0.3 * CONFIG.tokens


def test_rejects_a_checkpoint_of_an_earlier_version(tmp_path: Path):
    trainer = Trainer(CONFIG, tmp_path)
    trainer.save()
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del state["finished_stages"]
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="earlier version"):
        trainer.resume()


def test_rejects_a_checkpoint_of_other_options(trained_folder: Path):
    with pytest.raises(InputError, match="other options"):
        Trainer(TrainConfig("alphabetize", size="test", tokens=50_000), trained_folder).resume()


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_damaged_checkpoint_is_named(share: float, tmp_path: Path):
    trainer = Trainer(CONFIG, tmp_path)
    trainer.save()
    checkpoint = tmp_path / "checkpoint.pt"
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"checkpoint\.pt' is damaged .* Delete the folder"):
        trainer.resume()


def test_damaged_options_are_named(tmp_path: Path):
    trainer = Trainer(CONFIG, tmp_path)
    trainer.save()
    (tmp_path / "train_config.json").write_text('{"task')
    with pytest.raises(InputError, match=r"train_config\.json' cannot be read .* another folder"):
        trainer.resume()


def test_a_model_that_no_training_wrote_is_kept(tmp_path: Path):
    (tmp_path / "float32").mkdir()
    with pytest.raises(InputError, match="a folder 'float32' that no training wrote"):
        train(CONFIG, tmp_path, log=lambda text: None)
    assert [path.name for path in tmp_path.iterdir()] == ["float32"]


def test_a_run_killed_before_its_first_checkpoint_starts_again(tmp_path: Path):
    trainer = Trainer(CONFIG, tmp_path)
    trainer.resume()
    trainer.export()
    Trainer(CONFIG, tmp_path).resume()


def test_computes_on_the_device_of_the_decoder(tmp_path: Path):
    trainer = Trainer(CONFIG, tmp_path)
    device = torch.device("meta")  # rejects CPU tensors, as a GPU does
    batch = next(trainer.batches).to(device)
    decoder = trainer.decoder.to(device)
    hidden = decoder(batch.ids, batch.positions, batch.attention_mask).flatten(0, 1)[
        batch.target_index
    ]
    assert torch.nn.functional.cross_entropy(decoder.logits(hidden), batch.targets).device == device
    assert decoder(batch.ids).device == device
