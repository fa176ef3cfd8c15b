"""The wheel and the sdist, installed in empty environments beside an app that has its own `agent/` and `prompts.py`."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UV = (sys.executable, "-m", "uv")
APP = """
import agent, prompts
from agent.planner import PLAN
assert (PLAN, prompts.GREETING) == ("mine", "also mine")
from selfcritic.agent import load
from selfcritic.graphs import create_self_critique
graph = create_self_critique(model=load("simulated", draft_error_rate=0, false_alarm_rate=0)).compile()
print(graph.invoke({"question": "What is 128 + 256?"})["answer"])
"""


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def interpreter(version: str) -> str | None:
    """The Python of that version that the machine has; where pyenv keeps several, it is told which one is meant."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    if (found := shutil.which(f"python{version}")) is None:
        return None
    told = {**os.environ, "PYENV_VERSION": version}
    command = [found, "-c", "import sys; print(sys.executable)"]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist of the checkout, and the wheel that comes of that sdist."""
    folder = tmp_path_factory.mktemp("built")
    run(*UV, "build", "--quiet", "--out-dir", folder, ROOT, cwd=folder)
    return {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}


def test_the_wheel_holds_every_module_and_prompt_and_nothing_of_the_tests(built: dict[str, Path]):
    names = set(zipfile.ZipFile(built["wheel"]).namelist())
    for room in ("agent", "graphs", "prompts"):
        assert f"selfcritic/{room}/py.typed" in names
        for path in [*(ROOT / room).rglob("*.py"), *(ROOT / room).rglob("*.md")]:
            assert f"selfcritic/{path.relative_to(ROOT).as_posix()}" in names
    assert {name.split("/")[1] for name in names if name.startswith("selfcritic/")} == {"agent", "graphs", "prompts"}
    assert not any(name.startswith(("tests", "examples", "docs", "agent", "graphs", "prompts")) for name in names)


def test_both_carry_the_licence(built: dict[str, Path]):
    licence = (ROOT / "LICENSE").read_bytes()
    with zipfile.ZipFile(built["wheel"]) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/licenses/LICENSE")]
        metadata = wheel.read(f"{name.split('/')[0]}/METADATA").decode()
        assert wheel.read(name) == licence
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    with tarfile.open(built["sdist"]) as sdist:
        [member] = [member for member in sdist.getmembers() if member.name.endswith("/LICENSE")]
        file = sdist.extractfile(member)
        assert file is not None
        assert file.read() == licence


@pytest.mark.parametrize(
    ("version", "form"),
    [
        ("3.11", "wheel"),
        pytest.param("3.11", "sdist", marks=pytest.mark.slow),
        pytest.param("3.12", "wheel", marks=pytest.mark.slow),
        pytest.param("3.13", "wheel", marks=pytest.mark.slow),
    ],
)
def test_it_works_in_an_empty_environment_beside_an_app_with_the_same_names(
    built: dict[str, Path], tmp_path: Path, version: str, form: str
):
    if (base := interpreter(version)) is None:
        pytest.skip(f"there is no Python {version} here")
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "__init__.py").touch()
    (tmp_path / "agent" / "planner.py").write_text("PLAN = 'mine'\n")
    (tmp_path / "prompts.py").write_text("GREETING = 'also mine'\n")
    (tmp_path / "app.py").write_text(APP)
    run(*UV, "venv", "--quiet", "--python", base, tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    locked = tmp_path / "locked.txt"
    run(*UV, "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "-o", locked, cwd=ROOT)
    run(*UV, "pip", "install", "--quiet", "--python", python, "-r", locked, built[form], cwd=tmp_path)
    assert run(python, "app.py", cwd=tmp_path) == "384\n"
    assert "simulated" in run(tmp_path / "venv" / "bin" / "selfcritic", "models", cwd=tmp_path)
