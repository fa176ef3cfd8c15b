"""Read the metadata of GGUF files."""

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfcritic.agent.models.gguf import GgufError, read_metadata
from tests.support.gguf_files import gguf

METADATA = {
    "general.architecture": "llama",
    "llama.block_count": 30,
    "tokens": ["a", "bc", "首都"],
    "scores": [1, 2, 3],
    "rope": 0.5,
    "tokenizer.chat_template": "{{ messages }}",
}
CONTENT = gguf(METADATA)
READ = {key: value for key, value in METADATA.items() if not isinstance(value, list)}


def test_numbers_and_strings_are_read_and_arrays_skipped(tmp_path: Path):
    path = tmp_path / "model.gguf"
    path.write_bytes(CONTENT)
    assert read_metadata(path) == READ


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a GGUF file"),
        (b"PK\x03\x04", "not a GGUF file"),
        (b"GGUF", "damaged or incomplete"),
        (CONTENT[:60], "incomplete"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**60), "too long"),
        (CONTENT.replace(b"rope\x06", b"rope\x63"), "unknown type"),
    ],
)
def test_damaged_file_is_an_error(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(GgufError, match=message):
        read_metadata(path)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(CONTENT) - 1), st.binary(min_size=1, max_size=9))
def test_any_damage_is_read_or_is_a_gguf_error(tmp_path: Path, start: int, damage: bytes):
    path = tmp_path / "model.gguf"
    path.write_bytes(CONTENT[:start] + damage + CONTENT[start + len(damage) :])
    try:
        metadata = read_metadata(path)
    except GgufError:
        return
    assert all(isinstance(key, str) for key in metadata)
