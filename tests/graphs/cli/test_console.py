"""Messages about files and options."""

import errno
from pathlib import Path

import pytest
from pydantic import ValidationError

from selfcritic.agent.context import Context
from selfcritic.agent.errors import ModelError
from selfcritic.agent.schemas import Budget
from selfcritic.graphs.cli.console import describe, print_error


def test_missing_files_and_folders(tmp_path: Path):
    with pytest.raises(OSError) as missing_file:  # noqa: PT011 - the message is under test
        (tmp_path / "nope.jsonl").read_text()
    assert (
        describe(missing_file.value) == f"'{tmp_path}/nope.jsonl' does not exist. Check the path."
    )
    with pytest.raises(OSError) as missing_folder:  # noqa: PT011
        (tmp_path / "no" / "out.jsonl").write_text("")
    assert f"the folder '{tmp_path}/no' does not exist. Create it" in describe(missing_folder.value)


def test_a_folder_in_place_of_a_file(tmp_path: Path):
    with pytest.raises(OSError) as error:  # noqa: PT011
        tmp_path.read_text()
    assert (
        describe(error.value)
        == f"'{tmp_path}' is a folder. Pass files instead, such as {tmp_path}/*.py."
    )


def test_other_file_errors_have_no_number():
    denied = PermissionError(errno.EACCES, "Permission denied", "secret.txt")
    assert describe(denied) == (
        "'secret.txt' cannot be opened: permission denied. Check its permissions."
    )
    full = OSError(errno.ENOSPC, "No space left on device", "out.jsonl")
    assert describe(full) == "'out.jsonl' cannot be opened: No space left on device."


def test_text_in_another_encoding():
    with pytest.raises(UnicodeDecodeError) as error:
        "é".encode("latin-1").decode("utf-8")
    assert "byte 0xe9" in describe(error.value)
    assert "iconv" in describe(error.value)


def test_invalid_fields_are_named_as_options():
    with pytest.raises(ValidationError) as checkers:
        Context(model="simulated", checkers=["nosuch"])
    message = describe(checkers.value)
    assert message.startswith("--checker: ")
    assert "'nosuch'" in message
    assert "Value error" not in message
    with pytest.raises(ValidationError) as budget:
        Budget(cost_usd=-1)
    assert describe(budget.value).startswith("--max-cost: ")


def test_an_error_of_a_provider_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]):
    print_error(ModelError("401: \x1b]52;c;cm0=\x07 \x9b2J \u202e [bold]no[/x] :smile:"))
    assert capsys.readouterr().err == (
        "error: 401: ␛]52;c;cm0=␇ <U+009B>2J <U+202E> [bold]no[/x] :smile:\n"
    )
