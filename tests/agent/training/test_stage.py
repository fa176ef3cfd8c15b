"""Tests of stage folders."""

import subprocess
import sys
from pathlib import Path

import pytest

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.training.stage import (
    OutOfMemory,
    begin_stage,
    explain_memory_errors,
    finish_stage,
    hash_items,
)

BEGIN = """
import sys
from pathlib import Path
from selfcritic.agent.training.stage import begin_stage
begin_stage(Path(sys.argv[1]), {})
print("begun", flush=True)
sys.stdin.read()
"""


def test_a_finished_stage_returns_its_results(tmp_path: Path):
    options = {"steps": 3, "pairs": (1, 2)}
    assert begin_stage(tmp_path / "s", options) is None
    assert begin_stage(tmp_path / "s", options) is None
    finish_stage(tmp_path / "s", {"loss": 0.5})
    assert begin_stage(tmp_path / "s", options) == {"loss": 0.5}


def save_checkpoint(out: Path) -> None:
    """Write what a stage would lose if it started again."""
    (out / "checkpoints/checkpoint-1").mkdir(parents=True)


def test_other_options_are_refused(tmp_path: Path):
    begin_stage(tmp_path, {"steps": 3})
    save_checkpoint(tmp_path)
    with pytest.raises(InputError, match="steps was 3 and is now 4"):
        begin_stage(tmp_path, {"steps": 4})


def test_a_folder_in_use_is_refused(tmp_path: Path):
    command = [sys.executable, "-c", BEGIN, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "begun\n"
        with pytest.raises(InputError, match="Another process is training in"):
            begin_stage(tmp_path, {})
    assert begin_stage(tmp_path, {}) is None


def test_another_number_of_processes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begin_stage(tmp_path, {"steps": 3})
    save_checkpoint(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="the number of processes was 1 and is now 2"):
        begin_stage(tmp_path, {"steps": 3})


def test_only_the_main_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert begin_stage(tmp_path, {"steps": 3}) is None
    assert list(tmp_path.iterdir()) == []


def test_another_reward_model_is_refused(tmp_path: Path):
    begin_stage(tmp_path, {"reward_hash": "a"})
    save_checkpoint(tmp_path)
    with pytest.raises(InputError, match="the hash of --reward was 'a' and is now 'b'"):
        begin_stage(tmp_path, {"reward_hash": "b"})


def test_other_data_of_the_same_size_is_refused(tmp_path: Path):
    records = [AnswerRecord(id="1", task="1", question="1 + 1?", answer="3")]
    corrected = [records[0].model_copy(update={"answer": "2"})]
    begin_stage(tmp_path, {"records_hash": hash_items(records)})
    save_checkpoint(tmp_path)
    assert begin_stage(tmp_path, {"records_hash": hash_items(list(records))}) is None
    with pytest.raises(InputError, match="the hash of the records in --data was"):
        begin_stage(tmp_path, {"records_hash": hash_items(corrected)})


@pytest.mark.parametrize("name", ["model", "adapter", "checkpoints"])
def test_a_folder_with_other_files_is_refused(name: str, tmp_path: Path):
    (tmp_path / name).mkdir()
    (tmp_path / name / "x").write_text("a")
    with pytest.raises(InputError, match=rf"no training wrote \({name}\)\. Choose another folder"):
        begin_stage(tmp_path, {"steps": 3})
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "x").read_text() == "a"


def test_only_files_that_the_stage_writes_are_refused(tmp_path: Path):
    names = ["records.jsonl", "report.json", "curves.png"]
    for name in names:
        (tmp_path / name).write_text("{}")
        with pytest.raises(InputError, match=rf"no training wrote \({name}\)"):
            begin_stage(tmp_path, {"steps": 3}, [name])
        with pytest.raises(InputError, match=rf"no training wrote \({name}\)"):
            begin_stage(tmp_path, {"steps": 3}, ["model"], [name])
    assert begin_stage(tmp_path, {"steps": 3}, ["model"]) is None
    assert [(tmp_path / name).read_text() for name in names] == ["{}"] * 3


def test_the_options_of_another_program_are_kept(tmp_path: Path):
    (tmp_path / "options.json").write_text('{"theme": "dark"}')
    with pytest.raises(InputError, match=r"no options of a training. Use another --out"):
        begin_stage(tmp_path, {"steps": 3})
    assert (tmp_path / "options.json").read_text() == '{"theme": "dark"}'


def test_options_can_change_before_the_first_checkpoint(tmp_path: Path):
    begin_stage(tmp_path, {"steps": 3})
    (tmp_path / "checkpoints").mkdir()
    assert begin_stage(tmp_path, {"steps": 4}) is None
    save_checkpoint(tmp_path)
    assert begin_stage(tmp_path, {"steps": 4}) is None
    with pytest.raises(InputError, match="steps was 4 and is now 3"):
        begin_stage(tmp_path, {"steps": 3})


@pytest.mark.parametrize("text", ["", "[]", '{"a', "{}"])
@pytest.mark.parametrize("name", ["options.json", "done.json"])
def test_a_damaged_file_names_the_remedy(name: str, text: str, tmp_path: Path):
    begin_stage(tmp_path, {"steps": 3})
    finish_stage(tmp_path, {"loss": 0.5})
    (tmp_path / name).write_text(text)
    remedy = "Use another --out" if name == "options.json" else "Delete it and rerun"
    with pytest.raises(InputError, match=rf"{name}' .*{remedy}"):
        begin_stage(tmp_path, {"steps": 3})


def test_a_finished_stage_has_its_outputs(tmp_path: Path):
    begin_stage(tmp_path, {"steps": 3})
    finish_stage(tmp_path, {"loss": 0.5})
    with pytest.raises(InputError, match=r"has finished, but 'model' is missing\. Delete .*done"):
        begin_stage(tmp_path, {"steps": 3}, ["model"])
    (tmp_path / "model").mkdir()
    assert begin_stage(tmp_path, {"steps": 3}, ["model"]) == {"loss": 0.5}


class OutOfMemoryError(RuntimeError):
    """Has the name of torch's error of a GPU."""


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("CUDA out of memory."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("can't start new thread"),
        OSError(12, "Cannot allocate memory"),
        MemoryError(),
    ],
)
def test_memory_errors_name_what_to_lower(error: Exception):
    with pytest.raises(OutOfMemory, match=r"--batch-size .* --lora-rank"), explain_memory_errors():
        raise error


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), InputError("no pairs")])
def test_other_errors_are_not_explained(error: Exception):
    with pytest.raises(type(error), match=str(error)), explain_memory_errors():
        raise error
