"""The README and the pages of docs/ never lie: their code runs, prints what they say, and names what there is.

The blocks of a page run in order, Python in one namespace, shell in one folder; a block of text right behind one is
what it prints. Shell blocks reach models of `openai/…` at a fake provider. Of `make` and `pip install` only the names
are held against the project.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
import pytest
import typer

from selfcritic.graphs.cli.app import app
from tests.support.fake_provider import FakeProvider
from tests.support.provider_loop import reply

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ADDRESS = "http://127.0.0.1:8000/v1"
"""The address of an own server on the pages."""
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n+(?:```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block of code, the line it starts at, and what the page says that it prints."""

    language: str
    code: str
    line: int
    printed: str | None


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text("utf-8")
    found = (Block(m[1], m[2], text.count("\n", 0, m.start(2)), m[3]) for m in _BLOCK.finditer(text))
    return [block for block in found if block.language == language]


def pages_with(language: str) -> list[object]:
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES if blocks(page, language)]


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * block.line + block.code, page.name, "exec"), namespace)  # noqa: S102 - our own page
        assert block.printed is None or printed.getvalue() == block.printed


@pytest.mark.parametrize("page", pages_with("bash"))
def test_shell_blocks_name_what_there_is(page: Path):
    for line in "\n".join(block.code for block in blocks(page, "bash")).splitlines():
        words = shlex.split(line.rpartition("|")[2], comments=True)
        if words[:1] == ["selfcritic"]:
            commands = cast(click.Group, typer.main.get_command(app)).commands
            commands[words[1]].make_context(words[1], words[2:])
        else:
            is_only_named(line)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("bash"))
def test_shell_blocks_run(page: Path, tmp_path: Path):
    with FakeProvider(reply) as provider:
        environment = {
            **{name: value for name, value in os.environ.items() if name != "SELFCRITIC_MODEL"},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OPENAI_API_BASE": provider.url,
            "OPENAI_API_KEY": "none",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)  # noqa: S607 - some pages show a `git diff`
        for block in blocks(page, "bash"):
            lines = [line for line in block.code.splitlines() if not is_only_named(line)]
            script = "\n".join(["set -euo pipefail", *lines]).replace(ADDRESS, provider.url)
            done = subprocess.run(
                ["/bin/bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            assert block.printed is None or done.stdout == block.printed


def is_only_named(line: str) -> bool:
    """Whether a line is a command that would build or install; what it names must be there."""
    words = shlex.split(line, comments=True)
    if words[:1] == ["make"]:
        assert words[1] in re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE), line
        return True
    if words[:2] == ["pip", "install"]:
        extras = re.findall(r"selfcritic\[(.*?)\]", line)
        there = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert {extra for found in extras for extra in found.split(",")} <= set(there), line
        return True
    return False


def test_every_page_is_in_the_navigation_and_every_block_has_a_language():
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in PAGES[1:]:
        assert page.relative_to(ROOT / "docs").as_posix() in navigation
        text = re.sub(r"^````.*?^````$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        fences = re.findall(r"^```(.*)$", text, re.MULTILINE)
        assert all(fences[::2]), page
        assert not any(fences[1::2]), page
