"""Fixtures of the tests of `selfcritic review`."""

from pathlib import Path

import pytest


@pytest.fixture
def working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder that counts as a Git repository, without a default model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SELFCRITIC_MODEL", raising=False)
    (tmp_path / ".git").mkdir()
    return tmp_path
