import hashlib
from pathlib import Path

import pytest

from selfcritic.agent.data.manifest import (
    create_manifest,
    hash_file,
    read_manifest,
    write_manifest,
)
from selfcritic.agent.errors import InputError


def test_manifest_round_trips(tmp_path: Path):
    manifest = create_manifest(
        command=["selfcritic", "eval", "run"],
        task="critic",
        models={"critic": "tiny"},
        seed=3,
        data="human-eval",
        data_sha256="0" * 64,
    )
    assert manifest.packages["selfcritic"]
    assert manifest.python.startswith("3.")
    assert manifest.created.endswith("+00:00")
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_missing_and_broken_manifests_name_the_fix(tmp_path: Path):
    with pytest.raises(InputError, match=r"has no manifest\.json, which .* Pass the --out folder"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="is not a valid manifest"):
        read_manifest(tmp_path)


def test_hash_of_a_file(tmp_path: Path):
    path = tmp_path / "data"
    path.write_bytes(b"x" * 3_000_000)
    assert hash_file(path) == hashlib.sha256(b"x" * 3_000_000).hexdigest()
