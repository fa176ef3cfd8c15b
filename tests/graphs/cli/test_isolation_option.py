"""The option --require-isolation of all commands that run code of drafts."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfcritic.agent import context
from selfcritic.graphs.cli.app import app

COMMANDS = {
    "run": ["run", "What is 1 + 2?", "--model", "simulated"],
    "review": ["review", "code.py", "--model", "none"],
    "batch": ["batch", "in.jsonl", "out.jsonl", "--model", "simulated"],
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_command_refuses_to_run_without_isolation(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("code.py").write_text("x = 1\n")
    Path("in.jsonl").write_text('{"question": "What is 1 + 2?"}\n')
    monkeypatch.setattr(context, "find_isolation_problem", lambda: "install bubblewrap")
    assert CliRunner().invoke(app, arguments).exit_code == 0

    done = CliRunner().invoke(app, [*arguments, "--require-isolation"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--require-isolation" in done.stderr
    assert "install bubblewrap" in done.stderr

    monkeypatch.setattr(context, "find_isolation_problem", lambda: None)
    assert CliRunner().invoke(app, [*arguments, "--require-isolation"]).exit_code == 0
