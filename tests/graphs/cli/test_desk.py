"""Test the options of `selfcritic desk` that need no browser."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfcritic.agent.data.files import write_records
from selfcritic.graphs.cli.app import app
from tests.support.desk_records import create_record

BAD_USAGE = 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-output-tokens", "many"], "--max-output-tokens takes N or ROLE=N"),
        (["--model", "nothing"], "'nothing'"),
        (["--export", "folder"], "--export: nothing is finished yet"),
    ],
)
def test_invalid_options_are_refused(tmp_path: Path, arguments: list[str], message: str):
    file = tmp_path / "answers.jsonl"
    write_records(file, [create_record("r1")])
    model = [] if "--model" in arguments else ["--model", "simulated"]
    result = CliRunner().invoke(app, ["desk", str(file), *model, *arguments])
    assert result.exit_code == BAD_USAGE
    assert message in result.stderr
