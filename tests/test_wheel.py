"""Test the wheel and sdist next to an app with `agent/` and `prompts.py`."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("agent", "graphs", "prompts")
UV = (sys.executable, "-m", "uv")
APP = """
import agent, prompts
from agent.planner import PLAN
assert (PLAN, prompts.GREETING) == ("app", "hello")
from selfcritic.agent import load
from selfcritic.graphs import create_self_critique
graph = create_self_critique(model=load("simulated", draft_error_rate=0, false_alarm_rate=0)).compile()
print(graph.invoke({"question": "What is 128 + 256?"})["answer"])
"""


def run(*command: str | Path, cwd: Path) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VIRTUAL_ENV", "PYTHONPATH")
    }
    process = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def find_interpreter(version: str) -> str | None:
    """Return the path of an installed Python, including those of pyenv."""
    current_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version == current_version:
        return sys.executable
    python = shutil.which(f"python{version}")
    if python is None:
        return None
    environment = {**os.environ, "PYENV_VERSION": version}
    command = [python, "-c", "import sys; print(sys.executable)"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        return None
    return process.stdout.strip()


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the sdist, then the wheel from it."""
    folder = tmp_path_factory.mktemp("distributions")
    run(*UV, "build", "--quiet", "--out-dir", folder, ROOT, cwd=folder)
    return {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}


def test_wheel_contains_every_module_and_prompt_but_no_tests(distributions: dict[str, Path]):
    names = set(zipfile.ZipFile(distributions["wheel"]).namelist())
    for package in PACKAGES:
        assert f"selfcritic/{package}/py.typed" in names
        for path in [*(ROOT / package).rglob("*.py"), *(ROOT / package).rglob("*.md")]:
            assert f"selfcritic/{path.relative_to(ROOT).as_posix()}" in names
    top_level = {name.split("/")[1] for name in names if name.startswith("selfcritic/")}
    assert top_level == {*PACKAGES, "__init__.py", "py.typed"}
    assert not any(name.startswith(("tests", "examples", "docs", *PACKAGES)) for name in names)


def test_wheel_and_sdist_contain_the_license(distributions: dict[str, Path]):
    license_text = (ROOT / "LICENSE").read_bytes()
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        [name] = [path for path in wheel.namelist() if path.endswith(".dist-info/licenses/LICENSE")]
        metadata = wheel.read(f"{name.split('/')[0]}/METADATA").decode()
        assert wheel.read(name) == license_text
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    with tarfile.open(distributions["sdist"]) as sdist:
        [member] = [member for member in sdist.getmembers() if member.name.endswith("/LICENSE")]
        file = sdist.extractfile(member)
        assert file is not None
        assert file.read() == license_text


@pytest.mark.parametrize(
    ("version", "distribution"),
    [
        pytest.param("3.11", "wheel", marks=pytest.mark.slow),
        pytest.param("3.11", "sdist", marks=pytest.mark.slow),
        pytest.param("3.12", "wheel", marks=pytest.mark.slow),
        pytest.param("3.13", "wheel", marks=pytest.mark.slow),
    ],
)
def test_works_next_to_an_app_with_the_same_module_names(
    distributions: dict[str, Path], tmp_path: Path, version: str, distribution: str
):
    base = find_interpreter(version)
    if base is None:
        pytest.skip(f"Python {version} is not installed")
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "__init__.py").touch()
    (tmp_path / "agent" / "planner.py").write_text("PLAN = 'app'\n")
    (tmp_path / "prompts.py").write_text("GREETING = 'hello'\n")
    (tmp_path / "app.py").write_text(APP)
    run(*UV, "venv", "--quiet", "--python", base, tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    requirements = tmp_path / "requirements.txt"
    export = ("export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes")
    run(*UV, *export, "-o", requirements, cwd=ROOT)
    install = ("pip", "install", "--quiet", "--python", python)
    run(*UV, *install, "-r", requirements, distributions[distribution], cwd=tmp_path)
    assert run(python, "app.py", cwd=tmp_path) == "384\n"
    assert "simulated" in run(tmp_path / "venv" / "bin" / "selfcritic", "models", cwd=tmp_path)
