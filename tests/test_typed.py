"""Test that the wheel ships its types: a program passes `mypy --strict`."""

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
    environment = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MYPYPATH")
    }
    process = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def wheel_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in an environment with our other packages; return its Python."""
    folder = tmp_path_factory.mktemp("typed")
    uv = (sys.executable, "-m", "uv")
    run(*uv, "build", "--wheel", "--quiet", "--out-dir", folder, ROOT, cwd=folder)
    run(*uv, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(
        *uv,
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--python",
        python,
        next(folder.glob("*.whl")),
        cwd=folder,
    )
    [packages] = (folder / "venv" / "lib").glob("python*/site-packages")
    # Python ignores .pth files in folders added by a .pth file, so this excludes the editable install.
    (packages / "other_packages.pth").write_text("\n".join(site.getsitepackages()))
    return python


@pytest.mark.slow
def test_program_passes_mypy_against_the_wheel(wheel_python: Path, tmp_path: Path):
    (tmp_path / "program.py").write_text(PROGRAM.read_text("utf-8"))
    options = (
        "--strict",
        "--config-file=",
        "--python-executable",
        wheel_python,
        "--cache-dir",
        tmp_path / "cache",
    )
    stdout = run(sys.executable, "-m", "mypy", *options, "program.py", cwd=tmp_path)
    assert "no issues found in 1 source file" in stdout


@pytest.mark.slow
def test_program_runs_with_the_wheel(wheel_python: Path, tmp_path: Path):
    module_path = run(
        wheel_python,
        "-c",
        "import selfcritic.agent; print(selfcritic.agent.__file__)",
        cwd=tmp_path,
    )
    assert Path(module_path).is_relative_to(wheel_python.parents[1])
    output_lines = run(wheel_python, PROGRAM, tmp_path, cwd=tmp_path).splitlines()
    assert output_lines == [
        "384 384 384 accepted 0 generator judge generator judge",
        "384 list",
        "accepted token stopped 0.",
        "384 384 384 accepted 0 generator judge generator judge",
        "1 rows",
        "True True adds_up LangGraph reviewed",
        "384 1",
        "UnknownModelError _RecordSerializer",
    ]


@pytest.mark.parametrize("package", ["selfcritic.agent", "selfcritic.graphs"])
def test_program_uses_every_public_name(package: str):
    tree = ast.parse(PROGRAM.read_text("utf-8"))
    used_names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    public_names = set(importlib.import_module(package).__all__)
    assert public_names <= used_names, "use the new name in tests/support/typed_program.py"
