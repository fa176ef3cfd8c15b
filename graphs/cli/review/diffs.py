"""A unified diff, as `git diff` prints it, taken apart into the documents that it changes.

Where the changed file lies in the working tree as the diff leaves it, the whole of it is the document; else the new
side of the hunks is. In both, only the lines that the diff added may be quoted.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchedFile, PatchSet

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.documents import Document, is_utf8, read, root

_HEAD = re.compile(r"^(?:diff --git |--- [^\n]*\n\+\+\+ [^\n]*\n@@ -)", re.MULTILINE)
_LETTER = re.compile(r"(?:commit|From) [0-9a-f]{7,64}\b")
"""What `git show` and `git format-patch` say before the diff."""
_COMBINED = re.compile(r"^@@@+ -", re.MULTILINE)


def is_diff(name: str, text: str) -> bool:
    """Whether a text is a diff: by its name's ending, or because it begins as one."""
    begins = _HEAD.match(text) or (_LETTER.match(text) and _HEAD.search(text))
    return bool(begins) or (name.endswith((".diff", ".patch")) and _HEAD.search(text) is not None)


def documents(diff: str) -> tuple[list[Document], list[str]]:
    """The documents that a diff changes, and for each other file of it why there is nothing to review."""
    if _COMBINED.search(diff):
        raise InputError("This is the combined diff of a merge; make one against a single parent: git diff PARENT.")
    try:
        patch = PatchSet(io.StringIO(diff, newline="\n"))
    except UnidiffParseError as error:
        raise InputError(f"The diff cannot be read: {error}. Hand it on just as `git diff` prints it.") from None
    found: list[Document] = []
    passed: list[str] = []
    for file in patch:
        if reason := _reason(file):
            passed.append(f"{_path(file)} {reason}")
        else:
            found.append(_document(file))
    return found, passed


def _reason(file: PatchedFile) -> str | None:
    """Why there is nothing to review in a file of the diff."""
    if file.is_binary_file:
        return "is binary"
    if file.is_removed_file:
        return "is taken away"
    if not file.added:
        return "gets no new line"
    return None if is_utf8(str(file)) else "is not UTF-8"


def _path(file: PatchedFile) -> str:
    """The file's path; git puts one with unusual characters in quotes, its bytes escaped as in C."""
    path = file.path
    if not (path.startswith('"') and path.endswith('"')):
        return path
    return path[1:-1].encode("ascii", "replace").decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")


def _document(file: PatchedFile) -> Document:
    path = _path(file)
    added = {line.target_line_no for hunk in file for line in hunk if line.is_added}
    whole = _whole(file)
    if whole is not None:
        changed = frozenset(number - 1 for number in added if number is not None)
        return Document(path, whole, quote(path), changed=changed, diff=str(file))
    lines = list(_new_side(file))
    return Document(
        name=path,
        text="".join(text for _, text in lines),
        uri=quote(path),
        numbers=[number for number, _ in lines],
        changed=frozenset(index for index, (number, _) in enumerate(lines) if number in added),
        diff=str(file),
    )


def _new_side(file: PatchedFile) -> Iterator[tuple[int, str]]:
    """The lines of the hunks as the diff leaves them, each with its number; a hunk's own head has 0."""
    for hunk in file:
        head = f"@@ line {hunk.target_start} @@ {hunk.section_header}".rstrip()
        yield 0, head + "\n"
        for line in hunk:
            if line.target_line_no is not None:
                yield line.target_line_no, line.value if line.value.endswith("\n") else line.value + "\n"


def _whole(file: PatchedFile) -> str | None:
    """The file in the working tree, if its lines are the diff's; a diff can name any path, so none outside is read."""
    for folder in (root(), Path.cwd()):
        path = (folder / _path(file)).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            continue
        try:
            text = read(str(path))
        except (InputError, OSError):
            continue
        if is_utf8(text) and _has_lines(text, file):
            return text
    return None


def _has_lines(text: str, file: PatchedFile) -> bool:
    lines = dict(enumerate(text.split("\n"), start=1))
    return all(
        lines.get(line.target_line_no, "").rstrip("\r") == line.value.rstrip("\r\n").removeprefix("\ufeff")
        for hunk in file
        for line in hunk
        if line.target_line_no is not None
    )
