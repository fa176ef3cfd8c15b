"""Write to terminals and pipes; text of models and files cannot control the terminal."""

import io
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TextIO, cast
from weakref import WeakSet

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from selfcritic.graphs.control_characters import escape_lines

_WORD = re.compile(r"\s*\S+\s*")
_spinners: WeakSet[Status] = WeakSet()


class SafeConsole(Console):
    """A rich console that prints text as it is: without markup or control characters.

    Colors and cursor movements of rich itself are kept. Rich drops a few characters, such as the bell, earlier.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False, **options})

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render to segments without control characters."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
                continue
            text = escape_lines(segment.text)
            yield Segment(text, segment.style)

    def status(self, status: RenderableType, **options: Any) -> Status:
        """Create a spinner whose text, such as a file's name, is not markup."""
        if isinstance(status, str):
            status = Text(status)
        spinner = super().status(status, **options)
        _spinners.add(spinner)
        return spinner


def stop_spinner() -> None:
    """Stop the spinners, so that the next message starts on its own line."""
    for spinner in list(_spinners):
        spinner.stop()
    _spinners.clear()


def wrap_words(text: Text, console: Console, indent: int = 0) -> list[Text]:
    """Wrap a line between words on a terminal; a pipe gets it unchanged."""
    if not console.is_terminal:
        return [text]
    width = console.width - indent
    offsets = []
    column = 0
    for word in _WORD.finditer(text.plain):
        length = cell_len(word[0].rstrip())
        if column and column + length > width:
            offsets.append(word.start())
            column = 0
        column += cell_len(word[0])
    lines = list(text.divide(offsets))
    for line in lines:
        line.rstrip()
    return lines


def print_words(console: Console, text: Text) -> None:
    """Print a text, wrapped between words on a terminal."""
    for line in wrap_words(text, console):
        console.print(line, soft_wrap=True)


def wrap_answer(text: str) -> str:
    """Wrap prose between words if stdout is a terminal; code is unchanged."""
    if not sys.stdout.isatty() or "```" in text:
        return text
    console = create_console()
    lines = []
    for line in text.split("\n"):
        if line.startswith((" ", "\t")):  # code, or another layout
            lines.append(line)
            continue
        lines += [part.plain for part in wrap_words(Text(line), console)]
    return "\n".join(lines)


class _TolerantStream:
    """Text stream without errors, even if it is closed: messages must not end a run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def create_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Create the console of a command; one for stderr drops what cannot be written."""
    if stderr:
        return SafeConsole(file=cast(TextIO, _TolerantStream(sys.stderr)), quiet=quiet)
    escape_unencodable(sys.stdout)
    return SafeConsole(quiet=quiet)


def escape_unencodable(stream: TextIO) -> None:
    """Write characters that the encoding of a stream lacks as escapes, such as `\\ud800`."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def write_result(text: str) -> None:
    """Write a result and a line feed to stdout: escaped on a terminal, unchanged in a pipe."""
    escape_unencodable(sys.stdout)
    if sys.stdout.isatty():
        text = escape_lines(text)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
