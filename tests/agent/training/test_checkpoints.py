"""Tests of finding whole checkpoints."""

import errno
import zipfile
from pathlib import Path
from typing import Any

import pytest

from selfcritic.agent.training.checkpoints import discard_damaged, find_checkpoint


def save_checkpoint(out: Path, step: int) -> Path:
    """Write the kinds of files that a checkpoint has."""
    folder = out / "checkpoints" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in ("optimizer.pt", "rng_state.pth", "training_args.bin"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("data.pkl", "x" * 100)
    for name in ("config.json", "trainer_state.json"):
        (folder / name).write_text('{"global_step": 2}')
    (folder / "chat_template.jinja").write_text("{%")
    return folder


def test_only_complete_checkpoints_count(tmp_path: Path):
    assert find_checkpoint(tmp_path) is None
    for step in (2, 10):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "trainer_state.json").write_text("{}")
    (tmp_path / "checkpoints" / "checkpoint-12").mkdir()
    (tmp_path / "checkpoints" / "checkpoint-14").mkdir()
    (tmp_path / "checkpoints" / "checkpoint-14" / "trainer_state.json").write_text('{"log')
    assert str(find_checkpoint(tmp_path)).endswith("checkpoint-10")


@pytest.mark.parametrize("share", [0, 0.5, 0.95])
@pytest.mark.parametrize(
    "name",
    ["optimizer.pt", "rng_state.pth", "training_args.bin", "config.json", "trainer_state.json"],
)
def test_a_cut_file_makes_an_older_checkpoint_the_newest(name: str, share: float, tmp_path: Path):
    older = save_checkpoint(tmp_path, 2)
    newer = save_checkpoint(tmp_path, 10)
    assert find_checkpoint(tmp_path) == newer
    content = (newer / name).read_bytes()
    (newer / name).write_bytes(content[: int(share * len(content))])
    assert find_checkpoint(tmp_path) == older
    assert discard_damaged(tmp_path) == ["checkpoint-10"]
    assert not (newer / "trainer_state.json").exists()
    assert (newer / "trainer_state.json.damaged").exists()
    assert discard_damaged(tmp_path) == []
    assert find_checkpoint(tmp_path) == older


@pytest.mark.parametrize("share", [0, 0.05, 0.9])
def test_cut_weights_are_recognized(share: float, tmp_path: Path):
    safetensors = pytest.importorskip("safetensors.numpy", reason="make train-tools")
    numpy = pytest.importorskip("numpy")
    checkpoint = save_checkpoint(tmp_path, 2)
    weights = checkpoint / "model.safetensors"
    safetensors.save_file({"a": numpy.zeros(100)}, weights)
    assert find_checkpoint(tmp_path) == checkpoint
    content = weights.read_bytes()
    weights.write_bytes(content[: int(share * len(content))])
    assert find_checkpoint(tmp_path) is None


def test_random_states_of_all_processes_belong_to_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    checkpoint = save_checkpoint(tmp_path, 2)
    state = checkpoint / "rng_state.pth"
    (checkpoint / "rng_state_0.pth").write_bytes(state.read_bytes())
    assert find_checkpoint(tmp_path) is None
    (checkpoint / "rng_state_1.pth").write_bytes(state.read_bytes())
    assert find_checkpoint(tmp_path) == checkpoint


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_a_file_that_cannot_be_read_now_is_not_damaged(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    checkpoint = save_checkpoint(tmp_path, 2)

    def fail(path: Path, *_: Any) -> bytes:
        raise OSError(code, "cannot be read", str(path))

    for owner, name in ((Path, "read_bytes"), (zipfile, "ZipFile")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            with pytest.raises(OSError, match="cannot be read"):
                find_checkpoint(tmp_path)
            with pytest.raises(OSError, match="cannot be read"):
                discard_damaged(tmp_path)
    assert find_checkpoint(tmp_path) == checkpoint
