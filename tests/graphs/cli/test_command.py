"""No command prints the password of an address or creates a file for it, whichever option has it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration
from typer.main import get_command
from typer.testing import CliRunner

from selfcritic.agent import redaction
from selfcritic.agent.sampling.disk_cache import DiskCache
from selfcritic.graphs.cli.app import app
from selfcritic.graphs.cli.command import Command

SECRET = "PW9"  # noqa: S105 - not a password of any server; too short to be found by its text
ADDRESSES = [
    f"redis://u:{SECRET}@127.0.0.1:9/db",
    f"u:{SECRET}@127.0.0.1:9",
    f"host=127.0.0.1 port=9 password={SECRET}",
]
ARGUMENTS = {
    "run": ["--model=simulated", "--max-rounds=0", "What is 1 + 1?"],
    "review": ["--model=none", "text.md"],
    "batch": ["--model=simulated", "rows.jsonl", "out.jsonl"],
    "desk": ["--export=desk", "rows.jsonl"],
    "tamper": ["--out=out.jsonl", "rows.jsonl"],
    "models list": [],
    "models check": ["simulated"],
    "models pull": ["smollm2"],
    "train all": ["--base=base", "--data=rows.jsonl", "--out=out"],
    "train sft": ["--base=base", "--data=rows.jsonl", "--out=out"],
    "train sample": ["--base=base", "--data=rows.jsonl", "--out=out"],
    "train reward": ["--base=base", "--data=rows.jsonl", "--out=out"],
    "train policy": ["--base=base", "--data=rows.jsonl", "--out=out", "--reward=reward"],
    "train tiny": ["addition", "folder", "--tokens=1"],
    "data compare": ["--out=out", "."],
    "data pairs": ["--out=out", "."],
    "data export": ["--out=out", ".", "argilla"],
    "data import": ["--out=out", ".", "argilla", "rows.jsonl"],
    "eval run": ["--out=out", "--model=simulated", "refine", "rows.jsonl"],
    "eval report": ["out"],
    "eval compare": ["out", "out2"],
    "eval judge-check": ["rows.jsonl"],
    "eval assistance": ["out"],
    "eval view": ["out"],
}
"""Arguments with which each command ends, mostly because a file is missing."""
NUMBERS = {"N", "P", "X", "USD", "SECONDS", "SHARE", "KAPPA"}
"""Placeholders of numbers, which the parser rejects; one test checks the parser's message."""


def commands(group: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    group = group or get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} ")
        else:
            yield f"{prefix}{name}", command


def cases() -> Iterator[tuple[str, str]]:
    for name, command in commands():
        for parameter in command.params:
            is_flag = getattr(parameter, "is_flag", False)
            if not is_flag and parameter.metavar not in NUMBERS:
                yield name, str(parameter.name)


@pytest.fixture(autouse=True)
def _forget_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_remembered", {})


def arguments_with(command: Any, name: str, parameter_name: str, address: str) -> list[str]:
    """Return the command's arguments, with the address as the value of a parameter."""
    arguments = list(ARGUMENTS[name])
    positions = [index for index, text in enumerate(arguments) if not text.startswith("--")]
    is_argument = [item for item in command.params if item.param_type_name == "argument"]
    for position, parameter in zip(positions, is_argument, strict=False):
        if parameter.name == parameter_name:
            arguments[position] = address
            return arguments
    for parameter in command.params:
        if parameter.name == parameter_name:
            return [*arguments, parameter.opts[0], address]
    raise AssertionError(parameter_name)


def test_all_commands_check_their_arguments():
    names = []
    for name, command in commands():
        assert isinstance(command, Command), name
        names.append(name)
    assert sorted(names) == sorted(ARGUMENTS)


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_parser_shows_no_password(address: str):
    for arguments in (["--seed", address, "x"], ["--search", address, "x"], ["x", address]):
        result = CliRunner().invoke(app, ["run", *arguments])
        assert result.exit_code == 2
        assert SECRET not in result.output


@pytest.mark.parametrize(("name", "parameter_name"), list(cases()))
def test_no_option_shows_a_password(
    name: str, parameter_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.md").write_text("A text.\n")
    (tmp_path / "rows.jsonl").write_text('{"question": "What is 1 + 1?"}\n')
    command = dict(commands())[name]
    for address in ADDRESSES:
        arguments = arguments_with(command, name, parameter_name, address)
        result = CliRunner().invoke(app, [*name.split(), *arguments])
        assert isinstance(result.exception, SystemExit | None), result.exception
        assert SECRET not in result.output
        for path in tmp_path.rglob("*"):
            assert SECRET not in path.name


QUESTIONS = [
    "How do I fix: TypeError in @dataclass fields?",
    "Why does https://host.example/?key=value123 fail? Why is value123 wrong?",
    "https://u:example-pw@host.example/?key=value123",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_replies_that_quote_the_question_are_cached(question: str, tmp_path: Path):
    CliRunner().invoke(app, ["run", "--model=simulated", question])
    cache = DiskCache(tmp_path)
    reply = ChatGeneration(message=AIMessage(f"You asked: {question}"))
    cache.update("prompt", "model", [reply])
    assert cache.lookup("prompt", "model") == [reply]
    cache.close()


@pytest.mark.parametrize("option", ["--question", "--question="])
def test_a_question_of_an_option_is_no_credential(option: str, tmp_path: Path):
    path = tmp_path / "text.md"
    path.write_text("A text.\n")
    question = [option, QUESTIONS[0]]
    if option.endswith("="):
        question = [option + QUESTIONS[0]]
    result = CliRunner().invoke(app, ["review", "--model=none", *question, str(path)])
    assert result.exit_code == 0, result.output
    assert redaction._remembered == {}


@pytest.mark.parametrize(
    "arguments",
    [["--checkpoint", "{}"], ["--checkpoint={}"], ["--api-base={}", "--model=openai/x"]],
)
def test_passwords_of_options_are_remembered(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    address = "postgresql://u:long pw of a user@127.0.0.1:9/db"
    options = [argument.format(address) for argument in arguments]
    CliRunner().invoke(app, ["run", *options, "--thread=t", QUESTIONS[0]])
    assert "long pw of a user" in redaction._remembered
    assert redaction.redact("a long pw of a user") == "a [key]"


@pytest.mark.parametrize("name", ["a:b@c.md", "postgres:text.md", "reset password=flow.md"])
def test_existing_files_are_reviewed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["review", "--model=none", name]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "such as ./NAME." in " ".join(result.output.replace("│", " ").split())
    Path(name).write_text("A text.\n")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
