"""The README never lies: its code runs, its tree is the one on disk, its commands are those of the Makefile."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfcritic.graphs.cli import app
from selfcritic.graphs.self_critique import graph

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
SHOWN = ("agent", "graphs", "prompts", "examples")


@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "python"])
def test_python_blocks_run(code: str):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own page
    assert printed.getvalue().strip()


def test_shell_blocks_name_commands_that_there_are():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in "\n".join(code for language, code in BLOCKS if language == "bash").splitlines():
        for command in line.split("|"):
            words = shlex.split(command, comments=True)
            if not words:
                continue
            if words[0] == "make":
                assert words[1] in targets, line
            elif words[0] == "selfcritic":
                assert CliRunner().invoke(app, [words[1], "--help"]).exit_code == 0, line


def test_the_tree_is_the_one_on_disk():
    tree = re.search(r"<!-- tree -->\n```text\n(.*?)```", README, re.DOTALL)
    assert tree is not None
    listed: set[str] = set()
    folder: list[str] = []
    for line in tree[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        folder = [*folder[:depth], name.rstrip("/")]
        listed |= {"/".join(folder)} if not name.endswith("/") else set()
    on_disk = {
        path.relative_to(ROOT).as_posix()
        for room in SHOWN
        for path in (ROOT / room).rglob("*")
        if path.suffix in (".py", ".md") and path.name != "__init__.py" and "__pycache__" not in path.parts
    }
    assert listed == on_disk


def test_the_picture_is_the_one_that_langgraph_draws():
    assert (
        next(code for language, code in BLOCKS if language == "mermaid").strip()
        == graph.get_graph().draw_mermaid().strip()
    )
