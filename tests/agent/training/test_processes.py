"""Tests of the processes of a training."""

import subprocess
import sys
from pathlib import Path

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.processes import count_processes, is_main_process, lock_folder

HOLD = """
import sys
from pathlib import Path
from selfcritic.agent.training.processes import lock_folder
lock_folder(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_one_process_without_a_launcher(monkeypatch: pytest.MonkeyPatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert count_processes() == 1
    assert is_main_process()


def test_only_the_first_process_is_the_main_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert count_processes() == 2
    assert not is_main_process()


def test_a_lock_ends_with_its_process_also_by_sigkill(tmp_path: Path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(InputError, match="Another process is training"):
            lock_folder(tmp_path)
        other.kill()
        other.wait()
    lock_folder(tmp_path)
    lock_folder(tmp_path)
