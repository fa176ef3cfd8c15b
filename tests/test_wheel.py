"""The wheel, installed in an empty environment beside an app that has its own `agent/` and `prompts.py`."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
APP = """
import agent, prompts
from agent.planner import PLAN
assert (PLAN, prompts.GREETING) == ("mine", "also mine")
from selfcritic.agent import load
from selfcritic.graphs import create_self_critique
graph = create_self_critique(model=load("simulated", slip=0, invent=0)).compile()
print(graph.invoke({"question": "What is 128 + 256?"})["answer"])
"""


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "uv", "build", "--wheel", "--quiet", "--out-dir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_prompt_and_nothing_of_the_tests(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "prompts").rglob("*.md"):
        assert f"selfcritic/{path.relative_to(ROOT).as_posix()}" in names
    assert {name.split("/")[1] for name in names if name.startswith("selfcritic/")} == {"agent", "graphs", "prompts"}
    assert {"selfcritic/agent/py.typed", "selfcritic/graphs/py.typed", "selfcritic/prompts/py.typed"} <= names
    assert not any(name.startswith(("tests", "examples", "agent", "graphs", "prompts")) for name in names)


def test_it_works_in_an_empty_environment_beside_an_app_with_the_same_names(wheel: Path, tmp_path: Path):
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "__init__.py").touch()
    (tmp_path / "agent" / "planner.py").write_text("PLAN = 'mine'\n")
    (tmp_path / "prompts.py").write_text("GREETING = 'also mine'\n")
    (tmp_path / "app.py").write_text(APP)
    uv = (sys.executable, "-m", "uv")
    run(*uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    locked = tmp_path / "locked.txt"
    run(*uv, "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "-o", locked, cwd=ROOT)
    run(*uv, "pip", "install", "--quiet", "--python", python, "-r", locked, wheel, cwd=tmp_path)
    assert run(python, "app.py", cwd=tmp_path) == "384\n"
    assert "simulated" in run(tmp_path / "venv" / "bin" / "selfcritic", "models", cwd=tmp_path)
