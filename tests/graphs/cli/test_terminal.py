"""Text of models and files in a real terminal, and in a pipe."""

import io
import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from selfcritic.graphs.cli.terminal import SafeConsole
from selfcritic.graphs.control_characters import escape_controls, escape_lines

CLIPBOARD = "\x1b]52;c;cm0=\x07"
ATTACKS = (
    CLIPBOARD,
    "\x1b]8;;https://example.com\x1b\\",
    "\x1b[2J",
    "\x9b2J",
    "\u202e",
    "\u2066",
    "\x08",
    "\r",
    "\U000e0041",
)
ATTACK = " ".join(ATTACKS)
MARKUP = "[bold]x[/y] :smile:"
ANSWER = f"draft {ATTACK} {MARKUP} é end"
UNSAFE = {*range(32), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
UNSAFE -= {ord("\n"), ord("\t")}


@given(st.text(st.characters()))
def test_escaped_text_is_safe_and_stays_the_same(text: str):
    escaped = escape_lines(text)
    assert UNSAFE.isdisjoint(map(ord, escaped))
    assert escape_lines(escaped) == escaped
    escaped.encode()


def test_escapes_surrogates_and_tags():
    assert escape_controls("\ud800\U000e0041\x1b\n\t") == "<U+D800><U+E0041>␛␊\t"


@pytest.mark.parametrize("text", [*ATTACKS, MARKUP])
def test_a_console_prints_no_control_characters(text: str):
    console = SafeConsole(file=io.StringIO(), force_terminal=True, color_system=None, width=200)
    table = Table(text, title=text)
    table.add_row(Text(text))
    console.print(text)
    console.print(Text(text), table)
    with console.status(f"reviewing {text}") as status:
        status.stop()
        console.print(Text(text), soft_wrap=True)
    output = console.file.getvalue()
    # Colors, and the spinner's cursor movements and clearing of lines, are rich's own.
    for own in (
        "\x1b[0m",
        "\x1b[1m",
        "\x1b[3m",
        "\x1b[?25l",
        "\x1b[?25h",
        "\r",
        "\x1b[2K",
        "\x1b[1A",
    ):
        output = output.replace(own, "")
    assert UNSAFE.isdisjoint(map(ord, output))
    if text == MARKUP:
        assert output.count(MARKUP) >= 5


def run_in_terminal(command: list[str], environment: dict[str, str]) -> str:
    """Run a command in a pseudo-terminal and return what it prints there."""
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb") as terminal:
        process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, env=environment
        )
        os.close(follower)
        chunks = []
        with suppress(OSError):  # the end of a terminal on Linux
            while chunk := os.read(terminal.fileno(), 65_536):
                chunks.append(chunk)
        process.wait()
    return b"".join(chunks).decode()


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Write a script of hostile replies, and return a command that runs it."""
    script = {
        "generate": [ANSWER],
        "classify": [0.9, 0.1],
        "critique": [f"```\ndraft\n```\nIt {ATTACK} {MARKUP} is wrong."],
        "helpfulness": [0.9],
        "refine": [f"{ANSWER}, refined"],
    }
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    main = "import selfcritic.graphs.cli.app as a; a.app()"
    model = ["--model", f"scripted:{path}", "--num-critiques", "1"]
    return [sys.executable, "-c", main, "run", "What?", *model]


def test_a_run_in_a_terminal_and_in_a_pipe(command: list[str]):
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    shown = run_in_terminal(command, environment)
    assert "]52;c" in shown
    for attack in (CLIPBOARD, "\x1b]", "\x1b[2J", "\x9b", "\u202e", "\u2066", "\x08"):
        assert attack not in shown
    assert shown.count(MARKUP) >= 4  # two drafts, a critique and the answer

    piped = subprocess.run(command, env=environment, capture_output=True, check=True)
    expected = f"{ANSWER}, refined\n".encode()
    assert piped.stdout == expected
    assert UNSAFE.isdisjoint(piped.stderr.decode().encode("ascii", "ignore"))
