"""Write the results of a command, also if an output is full or cannot express a character."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from rich.console import Console

from selfcritic.graphs.cli.console import FAILED, fail, print_notice
from selfcritic.graphs.private_files import open_private


def create_console(quiet: bool) -> Console:
    """Create a console for standard error that drops what cannot be written."""
    stream = cast(IO[str], _TolerantStream(sys.stderr))
    return Console(file=stream, quiet=quiet, highlight=False)


class _TolerantStream:
    """Text stream without errors: messages must not end a run."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


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
    """Print a text, with escapes for characters that the encoding lacks.

    If standard output fails, the text goes to standard error, and the command exits with 1.
    """
    try:
        sys.stdout.write(_make_encodable(text) + "\n")
        sys.stdout.flush()
    except OSError as error:
        _redirect_stdout()
        if not isinstance(error, BrokenPipeError):
            create_console(quiet=False).print(text, markup=False, soft_wrap=True)
        fail(
            f"The result cannot be written to standard output: {error.strerror}. "
            "Redirect it to a disk with free space.",
            FAILED,
        )


def print_json(value: Any) -> None:
    """Print a value as JSON, in ASCII if standard output lacks some of its characters."""
    text = json.dumps(value, ensure_ascii=False)
    if _make_encodable(text) != text:
        text = json.dumps(value)
    print_result(text)


def _make_encodable(text: str) -> str:
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _redirect_stdout() -> None:
    """Discard what is still buffered, which would fail again when the process exits."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
