"""Run the code blocks of the README and docs/, and check their output.

The blocks of a page run in order: Python blocks in one namespace, shell blocks in one folder. A `text` block directly
after a code block is its expected output. Fake servers serve the `openai/…` and `ollama_chat/…` models of shell blocks.
Lines with `make`, `pip install` or `python -m examples.…` are not run; only their names are checked.
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
from tests.support.fake_ollama import FakeOllama
from tests.support.fake_provider import FakeProvider
from tests.support.provider_loop import reply

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGE_SERVER = "http://127.0.0.1:8000/v1"
"""Model server address on the pages; replaced by the fake provider's."""
PAGE_MODEL = "--model local:smollm2 "
SMALL_MODEL = "--model 'local:smollm2?n_ctx=2048&slots=2&threads=1&max_tokens=24' "
"""The same model with short replies, which replaces it in shell blocks."""
MAX_GLOSSARY_TERMS = 25
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n+(?:```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One code block with its position and expected output."""

    language: str
    code: str
    line: int
    expected_output: str | None


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text("utf-8")
    result = []
    for match in _BLOCK.finditer(text):
        if match[1] == language:
            line = text.count("\n", 0, match.start(2))
            result.append(Block(language, code=match[2], line=line, expected_output=match[3]))
    return result


def pages_with(language: str) -> list[object]:
    pages = [page for page in PAGES if blocks(page, language)]
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages]


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_blocks_run_and_print_the_expected_output(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        stdout = io.StringIO()
        code = "\n" * block.line + block.code  # tracebacks show the line of the page
        with contextlib.redirect_stdout(stdout):
            exec(compile(code, page.name, "exec"), namespace)  # noqa: S102 - trusted page
        if block.expected_output is not None:
            assert stdout.getvalue() == block.expected_output


@pytest.mark.parametrize("page", pages_with("bash"))
def test_shell_blocks_use_existing_commands_and_options(page: Path):
    commands = cast(click.Group, typer.main.get_command(app)).commands
    for block in blocks(page, "bash"):
        for line in block.code.splitlines():
            last_command = shlex.split(line.rpartition("|")[2], comments=True)
            if last_command[:1] == ["selfcritic"]:
                name, *arguments = last_command[1:]
                commands[name].make_context(name, arguments)
            else:
                check_names(line)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("bash"))
def test_shell_blocks_run_and_print_the_expected_output(page: Path, tmp_path: Path):
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)  # noqa: S607 - some pages use `git diff`
    with FakeProvider(reply, models=["toy"]) as provider, FakeOllama(reply) as ollama:
        environment = shell_environment(provider.url) | {"OLLAMA_API_BASE": ollama.url}
        for block in blocks(page, "bash"):
            lines = [line for line in block.code.splitlines() if not check_names(line)]
            script = "\n".join(["set -euo pipefail", *lines])
            script = script.replace(PAGE_SERVER, provider.url).replace(PAGE_MODEL, SMALL_MODEL)
            process = subprocess.run(
                ["/bin/bash", "-c", script],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert process.returncode == 0, process.stderr
            if block.expected_output is not None:
                assert process.stdout == block.expected_output


def shell_environment(provider_url: str) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "SELFCRITIC_MODEL"}
    bin_folder = Path(sys.executable).parent
    return environment | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "OPENAI_API_BASE": provider_url,
        "OPENAI_API_KEY": "none",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def check_names(line: str) -> bool:
    """Check the names in a build, install or benchmark command; return whether it is one."""
    words = shlex.split(line, comments=True)
    if words[:1] == ["make"]:
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets, line
        return True
    if words[:2] == ["pip", "install"]:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for extras in re.findall(r"selfcritic\[(.*?)\]", line):
            assert set(extras.split(",")) <= set(project["optional-dependencies"]), line
        return True
    if words[:2] == ["python", "-m"] and words[2].startswith("examples."):
        assert (ROOT / words[2].replace(".", "/")).with_suffix(".py").exists(), line
        return True
    return False


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_page_is_in_the_navigation(page: Path):
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert page.relative_to(ROOT / "docs").as_posix() in navigation


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_code_block_has_a_language(page: Path):
    text = re.sub(r"^````.*?^````$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    fences = re.findall(r"^```(.*)$", text, re.MULTILINE)
    opening, closing = fences[::2], fences[1::2]
    assert all(opening)
    assert not any(closing)


def test_troubleshooting_quotes_real_messages():
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    sources = [path.read_text("utf-8") for path in sorted(ROOT.glob("[ag]*[ts]/**/*.py"))]
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(sources))  # joins literals
    messages = re.findall(r"^\| `([A-Z'].*?)` \|", page, re.MULTILINE)
    assert len(messages) > 10
    for message in messages:
        for piece in re.split(r"…|'[^']*'|OPENAI_API_KEY|\d+|(?<=[.?]) ", message):
            assert piece.strip(" ':?.") in code, message


def test_glossary_is_short_and_sorted():
    rows = re.findall(
        r"^\| (.+?) \|", (ROOT / "docs" / "glossary.md").read_text("utf-8"), re.MULTILINE
    )
    terms = [term for term in rows if term != "term"]
    assert len(terms) <= MAX_GLOSSARY_TERMS
    assert terms == sorted(terms, key=str.casefold)
