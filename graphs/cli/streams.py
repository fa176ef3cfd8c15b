"""Write the results of a command, also if an output is full or cannot express a character."""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from selfcritic.graphs.cli.console import FAILED, fail, print_notice
from selfcritic.graphs.cli.terminal import create_console, write_result
from selfcritic.graphs.private_files import open_private


class EventsFile:
    """JSONL file of events; the run goes on without it if it cannot be written."""

    def __init__(self, path: Path, console: Console) -> None:
        """Create the file, for its owner only. Raises OSError."""
        self._path = path
        self._console = console
        self._file = open_private(path, errors="backslashreplace")
        self.has_failed = False

    def write(self, event: dict[str, Any]) -> None:
        """Append an event; report the first failure."""
        if self.has_failed:
            return
        try:
            self._file.write(json.dumps(event, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            self.has_failed = True
            print_notice(
                f"'{self._path}' (--events) cannot be written: {error.strerror}; the run goes on without it",
                self._console,
            )

    def close(self) -> None:
        """Close the file; what could not be written is lost."""
        with suppress(OSError):
            self._file.close()


def print_result(text: str) -> None:
    """Print a text, with escapes for characters that the encoding lacks and for controls of a terminal.

    If standard output fails, the text goes to standard error, and the command exits with 1.
    """
    try:
        write_result(_make_encodable(text))
    except OSError as error:
        _redirect_stdout()
        if not isinstance(error, BrokenPipeError):
            create_console(stderr=True).print(text, soft_wrap=True)
        fail(
            f"The result cannot be written to standard output: {error.strerror}. "
            "Redirect it to a disk with free space.",
            FAILED,
        )


def print_json(value: Any) -> None:
    """Print a value as JSON, in ASCII if standard output lacks some of its characters."""
    print_json_lines([value])


def print_json_lines(values: Iterable[Any]) -> None:
    """Print each value as one line of JSON, like `print_json`."""
    lines = []
    for value in values:
        line = json.dumps(value, ensure_ascii=False)
        if _make_encodable(line) != line:
            line = json.dumps(value)
        lines.append(line)
    print_result("\n".join(lines))


def _make_encodable(text: str) -> str:
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _redirect_stdout() -> None:
    """Discard what is still buffered, which would fail again when the process exits."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
