"""Tests of reading a stage's files, and of errors about the disk and about weights."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.errors import InputError
from selfcritic.agent.training.stage_files import (
    explain_file_errors,
    find_outputs,
    read_object,
    write_json,
)


def test_writes_what_it_reads(tmp_path: Path):
    write_json(tmp_path / "a.json", {"loss": 0.5})
    assert read_object(tmp_path / "a.json", "Delete it.") == {"loss": 0.5}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@given(content=st.binary(max_size=20) | st.sampled_from([b"{}", b'{"a": 1}', b"[1]", b"\xff{}"]))
def test_any_file_is_an_object_or_an_input_error(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    try:
        expected = json.loads(content)
    except ValueError:
        expected = None
    if isinstance(expected, dict) and expected:
        assert read_object(path, "Delete it.") == expected
        return
    with pytest.raises(InputError, match=r"any\.json' .* Delete it\.$"):
        read_object(path, "Delete it.")


@pytest.mark.parametrize("text", ["", "[]", '{"a', "{}", "null", "[" * 100_000])
def test_damaged_files_name_the_remedy(text: str, tmp_path: Path):
    path = tmp_path / "done.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"done\.json.*Delete it\.$"):
        read_object(path, "Delete it.")


def test_empty_folders_are_no_outputs(tmp_path: Path):
    (tmp_path / "model").mkdir()
    (tmp_path / "notes.txt").write_text("")
    assert find_outputs(tmp_path) == []
    (tmp_path / "model" / "x").write_text("")
    (tmp_path / "records.jsonl").write_text("")
    assert find_outputs(tmp_path) == ["model"]
    assert find_outputs(tmp_path, ["records.jsonl", "model"]) == ["model", "records.jsonl"]


def test_files_that_mark_an_empty_folder_are_no_outputs(tmp_path: Path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".gitkeep").touch()
    assert find_outputs(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(122, "Disk quota exceeded"),
        RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 117248 vs 117136"),
        RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
    ],
)
def test_a_full_disk_is_named(error: Exception):
    with (
        pytest.raises(InputError, match=r"The disk of FOLDER is full\. Free space and rerun"),
        explain_file_errors("FOLDER"),
    ):
        raise error


def test_errors_of_safetensors_are_explained():
    safetensors = pytest.importorskip("safetensors", reason="make train-tools")
    with pytest.raises(InputError, match="The disk of --out is full"), explain_file_errors():
        raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")
    with pytest.raises(InputError, match="in --out is damaged"), explain_file_errors():
        raise safetensors.SafetensorError("Error while deserializing header: incomplete metadata")


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), PermissionError(13, "denied")])
def test_other_errors_are_not_explained(error: Exception):
    with pytest.raises(type(error), match=str(error.args[-1])), explain_file_errors():
        raise error
