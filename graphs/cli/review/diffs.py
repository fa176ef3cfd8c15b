"""Split a unified diff, as `git diff` prints it, into documents.

The document is the whole file if the working tree has the diff's new version; otherwise it is the new side of the
hunks. Only lines that the diff added may be quoted.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchedFile, PatchSet

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.documents import Document, is_utf8, read_text, repo_root

_DIFF_HEADER = re.compile(r"^(?:diff --git |--- [^\n]*\n\+\+\+ [^\n]*\n@@ -)", re.MULTILINE)
_COMMIT_HEADER = re.compile(r"(?:commit|From) [0-9a-f]{7,64}\b")
"""First line of `git show` and `git format-patch`, above the diff."""
_COMBINED_HUNK = re.compile(r"^@@@+ -", re.MULTILINE)


def is_diff(name: str, text: str) -> bool:
    """Detect a diff by its first line or file name."""
    if _DIFF_HEADER.match(text):
        return True
    may_start_later = _COMMIT_HEADER.match(text) or name.endswith((".diff", ".patch"))
    return bool(may_start_later) and _DIFF_HEADER.search(text) is not None


def parse_diff(diff: str) -> tuple[list[Document], list[str]]:
    """Return the changed documents, and a reason for each skipped file.

    Raises:
        InputError: The diff is a combined diff, or cannot be parsed.
    """
    if _COMBINED_HUNK.search(diff):
        raise InputError(
            "Combined diffs of merges are not supported: diff against one parent with git diff PARENT."
        )
    try:
        patch = PatchSet(io.StringIO(diff, newline="\n"))
    except UnidiffParseError as error:
        raise InputError(
            f"The diff cannot be read: {error}. Pass it unchanged, as `git diff` prints it."
        ) from None
    documents: list[Document] = []
    skipped: list[str] = []
    for file in patch:
        reason = _skip_reason(file)
        if reason is None:
            documents.append(_create_document(file))
        else:
            skipped.append(f"{_file_path(file)} {reason}")
    return documents, skipped


def _skip_reason(file: PatchedFile) -> str | None:
    if file.is_binary_file:
        return "is binary"
    if file.is_removed_file:
        return "is deleted"
    if not file.added:
        return "has no added lines"
    if not is_utf8(str(file)):
        return "is not UTF-8"
    return None


def _file_path(file: PatchedFile) -> str:
    """Return the path, with git's C-style escapes decoded."""
    path = file.path
    is_quoted = path.startswith('"') and path.endswith('"')
    if not is_quoted:
        return path
    escaped = path[1:-1].encode("ascii", "replace").decode("unicode_escape")
    return escaped.encode("latin-1").decode("utf-8", "replace")


def _create_document(file: PatchedFile) -> Document:
    path = _file_path(file)
    added: set[int] = set()
    for hunk in file:
        for line in hunk:
            if line.is_added and line.target_line_no is not None:
                added.add(line.target_line_no)
    whole_text = _read_working_tree(file)
    if whole_text is not None:
        return Document(
            name=path,
            text=whole_text,
            uri=quote(path),
            changed_lines=frozenset(number - 1 for number in added),
            diff=str(file),
        )
    line_numbers: list[int] = []
    lines: list[str] = []
    for number, text in _new_lines(file):
        line_numbers.append(number)
        lines.append(text)
    changed_lines = frozenset(index for index, number in enumerate(line_numbers) if number in added)
    return Document(
        name=path,
        text="".join(lines),
        uri=quote(path),
        line_numbers=line_numbers,
        changed_lines=changed_lines,
        diff=str(file),
    )


def _new_lines(file: PatchedFile) -> Iterator[tuple[int, str]]:
    """Yield numbered new lines; hunk headings have number 0."""
    for hunk in file:
        heading = f"@@ line {hunk.target_start} @@ {hunk.section_header}".rstrip()
        yield 0, heading + "\n"
        for line in hunk:
            if line.target_line_no is not None:
                yield line.target_line_no, line.value.removesuffix("\n") + "\n"


def _read_working_tree(file: PatchedFile) -> str | None:
    """Read the whole file if it has the diff's new lines.

    A diff can name any path, so files outside the repository are not read.
    """
    for folder in (repo_root(), Path.cwd()):
        path = (folder / _file_path(file)).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            continue
        try:
            text = read_text(str(path))
        except (InputError, OSError):
            continue
        if is_utf8(text) and _has_new_lines(text, file):
            return text
    return None


def _has_new_lines(text: str, file: PatchedFile) -> bool:
    lines = text.split("\n")
    for hunk in file:
        for line in hunk:
            number = line.target_line_no
            if number is None:
                continue
            actual = lines[number - 1] if 1 <= number <= len(lines) else ""
            expected = line.value.rstrip("\r\n").removeprefix("\ufeff")
            if actual.rstrip("\r") != expected:
                return False
    return True
