"""Files of a folder, with and without git."""

import os
import subprocess
from pathlib import Path

import pytest

from selfcritic.graphs.cli.review.inputs import read_inputs
from selfcritic.graphs.cli.review.walk import walk_folder

FILES = {
    ".gitignore": "*.log\n!kept.log\n/build/\n",
    "a.py": "",
    "noise.log": "",
    "kept.log": "",
    "build/b.py": "",
    "sub/build/c.py": "",
    "sub/.gitignore": "d.py\n!noise.log\n",
    "sub/d.py": "",
    "sub/noise.log": "",
    "sub/é b.py": "",
    "sub/new\nline.py": "",
}
KEPT = {".gitignore", "a.py", "kept.log", "sub/.gitignore", "sub/build/c.py", "sub/noise.log"}
KEPT |= {"sub/é b.py", "sub/new\nline.py"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    Path("sub/loop").symlink_to("..")
    Path("sub/broken.py").symlink_to("nowhere")
    os.mkfifo("pipe.py")
    return tmp_path


def git(*arguments: str) -> None:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@x", *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("has_git", [True, False])
def test_lists_the_files_that_git_does_not_ignore(has_git: bool):
    if has_git:
        git("init", "-q")
        git("add", "a.py")
    assert set(walk_folder(".")) == KEPT
    in_sub = {name for name in KEPT if name.startswith("sub/")}
    assert set(walk_folder("sub")) == in_sub
    absolute = walk_folder(str(Path("sub").resolve()))
    assert {os.path.relpath(name) for name in absolute} == in_sub


def test_skips_deleted_files_and_lists_conflicts_once():
    script = (
        "init -q|add a.py sub|commit -qm 1|checkout -qb side|rm -q a.py|commit -qm 2|checkout -q -"
    )
    for command in script.split("|"):
        git(*command.split())
    Path("a.py").write_text("x = 1\n")
    git("commit", "-qam", "3")
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "-q", "side")
    Path("sub/é b.py").unlink()
    names = walk_folder(".")
    assert names.count("a.py") == 1
    assert "sub/é b.py" not in names


def test_skips_environments_and_caches_outside_of_git():
    for name in (
        ".venv/x.py",
        "env/pyvenv.cfg",
        "env/x.py",
        "node_modules/x.py",
        "__pycache__/x.py",
    ):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert set(walk_folder(".")) == KEPT


def test_reads_the_supported_files_once():
    for name in ("README.md", "run", "data.json", "x.rs", "y.unknown", "x.ipynb", "photo.txt"):
        Path(name).write_text("#!/usr/bin/env python3\nx = 1\n")
    Path("x.ipynb").write_text('{"cells": [{"cell_type": "code", "source": ["x = 1"]}]}')
    Path("photo.txt").write_bytes(b"\0\1")
    Path("binary.py").write_bytes(b"\0\1")
    Path("a.py").write_text("x = 1\n")
    inputs = read_inputs(["a.py", ".", "a.py"], "stdin", has_model=False)
    assert sorted(document.name for document in inputs.documents) == [
        "README.md", "a.py", "run", "x.ipynb",
    ]  # fmt: skip
    assert inputs.from_folders == {"README.md", "run", "x.ipynb"}
    kinds = {skip.name: skip.kind for skip in inputs.skipped}
    assert kinds["binary.py"] == "unreadable"
    assert kinds["sub/é b.py"] == "empty"
    assert {name for name, kind in kinds.items() if kind == "unsupported"} == {
        ".gitignore", "data.json", "kept.log", "photo.txt", "sub/.gitignore", "sub/noise.log", "x.rs", "y.unknown",
    }  # fmt: skip
    with_model = read_inputs(["."], "stdin", has_model=True)
    assert "x.rs" in {document.name for document in with_model.documents}
    assert "data.json" not in {document.name for document in with_model.documents}
