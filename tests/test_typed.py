"""The types reach the user: a program over the public API, clean under `mypy --strict` against the installed wheel."""

import ast
import importlib
import os
import site
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "tests" / "support" / "typed_program.py"


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MYPYPATH")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, and with what this one has beside the checkout."""
    folder = tmp_path_factory.mktemp("typed")
    uv = (sys.executable, "-m", "uv")
    run(*uv, "build", "--wheel", "--quiet", "--out-dir", folder, ROOT, cwd=folder)
    run(*uv, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(*uv, "pip", "install", "--quiet", "--no-deps", "--python", python, next(folder.glob("*.whl")), cwd=folder)
    [packages] = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "beside.pth").write_text("\n".join(site.getsitepackages()))  # its own .pth files are not read there
    return python


@pytest.mark.slow
def test_the_program_is_typed_by_the_wheel_and_nothing_else(installed: Path, tmp_path: Path):
    (tmp_path / "program.py").write_text(PROGRAM.read_text("utf-8"))
    options = ("--strict", "--config-file=", "--python-executable", installed, "--cache-dir", tmp_path / "cache")
    assert "no issues found in 1 source file" in run(sys.executable, "-m", "mypy", *options, "program.py", cwd=tmp_path)


def test_the_program_runs(installed: Path, tmp_path: Path):
    where = run(installed, "-c", "import selfcritic.agent; print(selfcritic.agent.__file__)", cwd=tmp_path)
    assert Path(where).is_relative_to(installed.parents[1])
    printed = run(installed, PROGRAM, tmp_path, cwd=tmp_path).splitlines()
    assert printed == [
        "384 384 384 accepted 0 generator judge generator judge",
        "384 384 384 accepted 0 generator judge generator judge",
        "1 rows",
        "True True adds_up LangGraph reviewed",
        "384 1",
        "UnknownModelError JsonPlusSerializer",
    ]


@pytest.mark.parametrize("package", ["selfcritic.agent", "selfcritic.graphs"])
def test_the_program_uses_every_public_name(package: str):
    used = {node.id for node in ast.walk(ast.parse(PROGRAM.read_text("utf-8"))) if isinstance(node, ast.Name)}
    assert set(importlib.import_module(package).__all__) <= used, "use the new name in tests/support/typed_program.py"
