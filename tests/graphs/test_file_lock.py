from pathlib import Path

import pytest

from selfcritic.graphs.file_lock import FileLock


def test_the_lock_file_exists_only_while_it_is_held(tmp_path: Path):
    path = tmp_path / "desk.lock"
    lock = FileLock.acquire(path)
    with pytest.raises(BlockingIOError):
        FileLock.acquire(path)
    assert path.exists()
    lock.release()
    assert not path.exists()
    FileLock.acquire(path).release()


def test_a_lock_that_was_removed_meanwhile_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "desk.lock"
    first = FileLock.acquire(path)
    opened: list[FileLock] = []

    def release_after_opening(*_: object) -> None:
        """Let the owner remove the file after another process opened it, and a third one lock a new file."""
        monkeypatch.undo()
        first.release()
        opened.append(FileLock.acquire(path))

    open_file = Path.open

    def open_then_release(self: Path, mode: str = "r"):
        handle = open_file(self, mode)
        release_after_opening()
        return handle

    monkeypatch.setattr(Path, "open", open_then_release)
    with pytest.raises(BlockingIOError):
        FileLock.acquire(path)
    opened[0].release()
