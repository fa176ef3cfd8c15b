"""Test the pre-commit hooks: required fields and exit codes."""

import json
import shlex
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from selfcritic.graphs.cli.app import app

HOOKS_FILE = Path(__file__).parents[1] / ".pre-commit-hooks.yaml"
HOOKS = {hook["id"]: hook for hook in yaml.safe_load(HOOKS_FILE.read_text())}
CLEAN_CODE = "def double(x):\n    return 2 * x\n"


def run_hook(hook: str, *files: str, **environment: str):
    program, *arguments = shlex.split(HOOKS[hook]["entry"])
    assert program == "selfcritic"
    return CliRunner().invoke(app, [*arguments, *files], env=environment)


def test_hooks_have_the_fields_that_pre_commit_requires():
    assert set(HOOKS) == {"selfcritic", "selfcritic-critic"}
    for hook in HOOKS.values():
        assert set(hook) == {
            "id",
            "name",
            "description",
            "entry",
            "language",
            "types_or",
            "require_serial",
        }
        assert (hook["language"], hook["require_serial"]) == ("python", True)
        assert set(hook["types_or"]) <= {"python", "pyi", "jupyter", "markdown"}


@pytest.mark.parametrize(
    ("name", "text", "exit_code"),
    [
        ("good.py", CLEAN_CODE, 0),
        ("__init__.py", "", 0),
        ("bad.py", "def double(x):\n    return 2 * y\n", 1),
        ("worse.py", "def double(x:\n", 1),
        ("good.md", "So 2 + 2 = 4.\n", 0),
        ("good.pyi", "class A:\n    def other(self) -> B: ...\n\nclass B: ...\n", 0),
        ("bad.ipynb", '{"cells": [{"cell_type": "code", "source": "print(x)"}]}', 1),
        ("bad.md", "So 12 × 12 = 145, as is known.\n", 1),
    ],
)
def test_checker_hook_fails_for_findings(tmp_path: Path, name: str, text: str, exit_code: int):
    (tmp_path / "other.py").write_text(CLEAN_CODE)
    (tmp_path / name).write_text(text)
    result = run_hook("selfcritic", str(tmp_path / "other.py"), str(tmp_path / name))
    assert result.exit_code == exit_code, result.output


def test_critic_hook_uses_the_model_from_the_environment(tmp_path: Path):
    script = tmp_path / "script.json"
    critique = "```\n2 * x\n```\n[high] Overflows."
    script.write_text(json.dumps({"critique": [critique] * 8, "helpfulness": [0.9]}))
    (tmp_path / "good.py").write_text(CLEAN_CODE)
    result = run_hook(
        "selfcritic-critic", str(tmp_path / "good.py"), SELFCRITIC_MODEL=f"scripted:{script}"
    )
    assert result.exit_code == 1
    assert "╰ high critic: Overflows." in result.stdout
