"""Tests of the processes that draw training data."""

import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytest.importorskip("numpy", reason="needs numpy: pip install 'selfcritic[train,tiny]'")

from selfcritic.agent.errors import UnknownModelError
from selfcritic.agent.training.tiny.examples import Example
from selfcritic.agent.training.tiny.stream import (
    Situation,
    Stream,
    StreamConfig,
    _draw_example_groups,
    to_numbers,
)
from selfcritic.agent.training.tiny.vocabulary import train_tokenizer


def make_config(folder: Path, task: str = "addition") -> StreamConfig:
    return StreamConfig(
        task=task,
        sizes=range(1, 3),
        seed="test",
        batch_tokens=256,
        self_play_tasks=2,
        export_folder=folder,
        tokenizer=train_tokenizer("addition"),
    )


def test_draws_batches_and_ends(tmp_path: Path):
    stream = Stream(make_config(tmp_path), 2, Situation("injected flaws", 2, 0))
    try:
        drawn = [stream.next() for _ in range(30)]
    finally:
        stream.close()
    for batch, num_tokens, _ in drawn:
        assert batch.ids.size <= 256 or len(batch.ids) == 1
        assert 0 < num_tokens <= batch.ids.size
    assert len({batch.ids.tobytes() for batch, _, _ in drawn}) == len(drawn)
    assert not any(process.is_alive() for process in stream._processes)


def draw_groups(folder: Path) -> list[list[Example]]:
    """Return the groups of examples of one self-play with the second export."""
    config = make_config(folder)
    situation = to_numbers(Situation("self-play", None, 2))
    groups = _draw_example_groups(config, random.Random(0), situation)
    return [next(groups) for _ in range(config.self_play_tasks)]


def test_an_export_that_was_removed_is_not_missed(tmp_path: Path):
    assert all(draw_groups(tmp_path))


def test_a_damaged_export_ends_the_process(tmp_path: Path):
    (tmp_path / "2/run").mkdir(parents=True)
    with pytest.raises(UnknownModelError, match="has no tiny model"):
        draw_groups(tmp_path)


def test_reports_a_failed_process(tmp_path: Path):
    stream = Stream(make_config(tmp_path, task="chess"), 1, Situation("injected flaws", 2, 0))
    try:
        with pytest.raises(RuntimeError, match="process that draws training data failed"):
            stream.next()
    finally:
        stream.close()


PROGRAM = """
import os, sys
from pathlib import Path
from tests.agent.training.tiny.test_stream import make_config
from selfcritic.agent.training.tiny.stream import Situation, Stream

if __name__ == "__main__":
    stream = Stream(make_config(Path(sys.argv[1])), 2, Situation("copy", None, 0))
    stream.next()
    print(*(process.pid for process in stream._processes), flush=True)
    while True:
        stream.next()
"""


def test_processes_end_with_a_killed_trainer(tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[4])},
    )
    assert process.stdout
    pids = process.stdout.readline().split()
    process.kill()
    process.wait()
    process.stdout.close()
    assert len(pids) == 2
    deadline = time.monotonic() + 30
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.05)


def is_running(pid: str) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_importing_the_stream_does_not_import_torch():
    code = "import selfcritic.agent.training.tiny.stream, sys; print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert output.stdout.strip() == "False"
