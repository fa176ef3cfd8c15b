"""Parse unified and combined diffs of git, Mercurial, Subversion and GNU diff.

Text between the files of a diff, such as a commit message, is skipped. Colors and carriage returns that a shell added
to all lines are removed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.quoted_paths import unquote

_COLOR = re.compile(r"\x1b\[[\d;]*[mK]")
_COLORED_HEADER = re.compile(
    r"^(?:\x1b\[[\d;]*[mK])+(?:diff --|--- |\+\+\+ |@@+ |commit [0-9a-f]{7})|^@@+ -[^\n]*@@\x1b\[",
    re.MULTILINE,
)
_CRLF_HEADER = re.compile(r"^\+\+\+ [^\n]*\r\n@@+ [^\n]*\r\n", re.MULTILINE)
_HUNK = re.compile(
    r"(?P<at>@@+) (?P<old>(?:-\d+(?:,\d+)? )+)\+(?P<start>\d+)(?:,(?P<count>\d+))? (?P=at)(?P<section>.*)"
)
_HUNK_START = re.compile(r"@@+ -\d")
_FILE_START = re.compile(r"diff -|--- |\+\+\+ |Index: ")
_PATCH_START = re.compile(r"From [0-9a-f]{40,64} ")
_TIMESTAMP = re.compile(r"\t.*\Z|[ ]+\((?:revision|working copy|nonexistent)[^)]*\)\Z")
_NO_FILE = "/dev/null"
_SUBMODULE_MODE = re.compile(r"(?:new file|old|new) mode 160000|index \S+ 160000")
_LINK_MODE = re.compile(r"(?:new file|new) mode 120000|index \S+ 120000")


@dataclass(frozen=True)
class DiffLine:
    """A line of a hunk."""

    marker: str
    """"+" if the diff adds it, "-" if it removes it, else a space."""
    text: str
    number: int
    """Number in the new file; 0 for removed lines."""


@dataclass
class Hunk:
    """A hunk with its place in the new file."""

    start: int
    section: str
    lines: list[DiffLine] = field(default_factory=list)

    @property
    def new_lines(self) -> list[DiffLine]:
        """Lines of the new file, numbered."""
        return [line for line in self.lines if line.marker != "-"]


@dataclass
class FileDiff:
    """The diff of one file; its paths may have prefixes such as `a/`."""

    old_path: str = ""
    new_path: str = ""
    git_paths: str = ""
    """Both paths as they are in the line `diff --git`."""
    renamed_to: str = ""
    """New path without a prefix, if git reports a rename or a copy."""
    is_binary: bool = False
    is_deleted: bool = False
    is_submodule: bool = False
    is_link: bool = False
    hunks: list[Hunk] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """The lines of this file's diff."""

    @property
    def added(self) -> frozenset[int]:
        """Numbers of the added lines."""
        numbers: set[int] = set()
        for hunk in self.hunks:
            numbers.update(line.number for line in hunk.lines if line.marker == "+")
        return frozenset(numbers)

    @property
    def text(self) -> str:
        """The diff of this file alone."""
        return "\n".join(self.lines) + "\n"

    def new_lines(self) -> Iterator[DiffLine]:
        """Yield the lines of the new file, numbered."""
        for hunk in self.hunks:
            yield from hunk.new_lines


def clean(text: str) -> str:
    """Remove colors, and the carriage returns of a shell, from a diff."""
    if _COLORED_HEADER.search(text):
        text = _COLOR.sub("", text)
    if _CRLF_HEADER.search(text):
        text = text.replace("\r\n", "\n")
    return text


def parse_unified_diff(text: str) -> list[FileDiff]:
    """Return the files of a diff.

    Raises:
        InputError: A hunk does not have the lines that its heading announces.
    """
    parser = _Parser(clean(text).split("\n"))
    return parser.parse()


class _Parser:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._next = 0
        self._files: list[FileDiff] = []
        self._file: FileDiff | None = None
        self._is_message = False
        """Whether the lines are a commit message of `git format-patch`."""

    def parse(self) -> list[FileDiff]:
        while self._next < len(self._lines):
            line = self._lines[self._next]
            if line.startswith(("diff --git ", "diff --cc ", "diff --combined ")):
                self._start_file(line)
            elif self._is_file_header():
                self._read_paths()
            elif _PATCH_START.match(line):
                self._file = None
                self._is_message = True
            elif line == "---":
                self._is_message = False
            else:
                self._check_line(line)
                if self._file is not None:
                    self._read_line(self._file, line)
            self._next += 1
        for file in self._files:
            while file.lines and not file.lines[-1]:
                file.lines.pop()
        return self._files

    def _check_line(self, line: str) -> None:
        """Refuse the start of a hunk or a file that would be passed over."""
        number = self._next + 1
        match = _HUNK.match(line)
        if match is not None and self._file is None and not self._is_message:
            raise _bad_hunk(number, "has no file name above it")
        if match is None and _HUNK_START.match(line) and not self._is_message:
            raise _bad_hunk(number, "has a broken heading")
        if _FILE_START.match(line) and not any(map(str.strip, self._lines[number:])):
            raise _bad_hunk(number, "is cut off")

    def _start_file(self, line: str) -> FileDiff:
        file = FileDiff(lines=[line])
        kind, _, paths = line.removeprefix("diff --").partition(" ")
        if kind == "git":
            file.git_paths = paths
        else:
            file.old_path = file.new_path = unquote(paths)
        self._is_message = False
        self._file = file
        self._files.append(file)
        return file

    def _is_file_header(self) -> bool:
        following = self._lines[self._next : self._next + 3]
        if len(following) < 3 or not following[0].startswith("--- "):
            return False
        return following[1].startswith("+++ ") and _HUNK.match(following[2]) is not None

    def _read_paths(self) -> None:
        """Read the lines `---` and `+++`; they start a file without a line `diff`."""
        file = self._file
        if file is None or file.hunks:
            file = self._start_file("")
            file.lines.clear()
        old, new = self._lines[self._next : self._next + 2]
        file.lines += [old, new]
        file.old_path = _header_path(old)
        new_path = _header_path(new)
        if new_path == _NO_FILE:
            file.is_deleted = True
            new_path = file.old_path
        file.new_path = new_path
        self._next += 1

    def _read_line(self, file: FileDiff, line: str) -> None:
        match = _HUNK.match(line)
        if match is not None and file.new_path:
            self._read_hunk(file, match)
            return
        if file.hunks:
            return  # text after the last hunk, such as the next commit's message
        file.lines.append(line)
        if line.startswith("deleted file mode"):
            file.is_deleted = True
        elif line.startswith(("Binary files ", "GIT binary patch")):
            file.is_binary = True
        elif line.startswith(("rename to ", "copy to ")):
            file.renamed_to = unquote(line.partition(" to ")[2])
        elif _SUBMODULE_MODE.match(line):
            file.is_submodule = True
        elif _LINK_MODE.match(line):
            file.is_link = True

    def _read_hunk(self, file: FileDiff, heading: re.Match[str]) -> None:
        parents = len(heading["at"]) - 1
        left = [_count(part.partition(",")[2]) for part in heading["old"].split()]
        left.append(_count(heading["count"]))
        hunk = Hunk(int(heading["start"]), heading["section"].strip())
        number = hunk.start
        heading_line = self._next + 1
        file.lines.append(self._lines[self._next])
        while any(left):
            self._next += 1
            line = self._line_of_hunk(parents, heading_line)
            file.lines.append(line)
            if line.startswith("\\"):
                continue
            marks = line[:parents].ljust(parents)
            marker = _marker(marks)
            is_new = marker != "-"
            _subtract(left, marks, is_new)
            if min(left) < 0:
                raise _bad_hunk(heading_line, "has more lines than its heading counts")
            hunk.lines.append(DiffLine(marker, line[parents:], number if is_new else 0))
            number += is_new
        if parents == 1 and not any(line.marker != " " for line in hunk.lines):
            raise _bad_hunk(heading_line, "changes no line, as in a word diff")
        file.hunks.append(hunk)
        self._read_missing_newline(file)

    def _line_of_hunk(self, parents: int, heading_line: int) -> str:
        if self._next >= len(self._lines):
            raise _bad_hunk(heading_line, "is cut off")
        line = self._lines[self._next]
        if self._next == len(self._lines) - 1 and not line:
            raise _bad_hunk(heading_line, "is cut off")
        marks = line[:parents].rstrip("\r")
        if not line.startswith("\\") and set(marks) - set("+- "):
            problem = (
                f"has a line that starts with neither '+', '-' nor a space (line {self._next + 1})"
            )
            raise _bad_hunk(heading_line, problem)
        return line

    def _read_missing_newline(self, file: FileDiff) -> None:
        following = self._lines[self._next + 1 : self._next + 2]
        if following and following[0].startswith("\\"):
            file.lines.append(following[0])
            self._next += 1


def _marker(marks: str) -> str:
    """Reduce the marks of a line, one for each parent, to one."""
    if "-" in marks:
        return "-"
    return "+" if set(marks) == {"+"} else " "


def _subtract(left: list[int], marks: str, is_new: bool) -> None:
    """Count down the lines that are left of each parent, then of the new file."""
    for parent, mark in enumerate(marks):
        # A parent has the lines that are not added to it; of the removed ones, those it marks.
        left[parent] -= mark == " " if is_new else mark == "-"
    left[-1] -= is_new


def _count(text: str | None) -> int:
    return int(text) if text else 1


def _bad_hunk(line: int, problem: str) -> InputError:
    return InputError(
        f"The diff cannot be read: its hunk in line {line} {problem}. Pass the diff unchanged, as `git diff` prints "
        "it, without --word-diff."
    )


def _header_path(line: str) -> str:
    """Return the path of a line `---` or `+++`, without its timestamp."""
    path = line[len("--- ") :].rstrip("\r")
    if path.startswith('"'):
        return unquote(path)
    return _TIMESTAMP.sub("", path)
