"""Tests of stage folders."""

from pathlib import Path

import pytest

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.training.settings import find_checkpoint
from selfcritic.agent.training.stage import (
    begin_stage,
    explain_memory_error,
    finish_stage,
    hash_items,
)


def test_a_finished_stage_returns_its_results(tmp_path: Path):
    options = {"steps": 3, "pairs": (1, 2)}
    assert begin_stage(tmp_path / "s", options) is None
    assert begin_stage(tmp_path / "s", options) is None
    finish_stage(tmp_path / "s", {"loss": 0.5})
    assert begin_stage(tmp_path / "s", options) == {"loss": 0.5}


def test_other_options_are_refused(tmp_path: Path):
    begin_stage(tmp_path, {"steps": 3})
    with pytest.raises(InputError, match="steps was 3 and is now 4"):
        begin_stage(tmp_path, {"steps": 4})


def test_other_data_of_the_same_size_is_refused(tmp_path: Path):
    records = [AnswerRecord(id="1", task="1", question="1 + 1?", answer="3")]
    corrected = [records[0].model_copy(update={"answer": "2"})]
    begin_stage(tmp_path, {"records_hash": hash_items(records)})
    assert begin_stage(tmp_path, {"records_hash": hash_items(list(records))}) is None
    with pytest.raises(InputError, match="records_hash was"):
        begin_stage(tmp_path, {"records_hash": hash_items(corrected)})


def test_only_complete_checkpoints_count(tmp_path: Path):
    assert find_checkpoint(tmp_path) is None
    for step in (2, 10):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "trainer_state.json").write_text("{}")
    (tmp_path / "checkpoints" / "checkpoint-12").mkdir()
    assert str(find_checkpoint(tmp_path)).endswith("checkpoint-10")


def test_memory_errors_name_what_to_lower():
    class OutOfMemoryError(RuntimeError):
        pass

    explained = explain_memory_error(OutOfMemoryError("CUDA out of memory."))
    assert explained is not None
    assert "--batch-size" in str(explained)
    assert "--lora-rank" in str(explained)
    assert explain_memory_error(RuntimeError("can't allocate memory: 9 GB")) is not None
    assert explain_memory_error(RuntimeError("shape mismatch")) is None
