"""Split a diff into documents.

The document is the whole file if the working tree has the diff's new version; otherwise it is the new side of the
hunks. Only lines that the diff added may be quoted.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.diff_paths import display_path, find_file, leaves_repository
from selfcritic.graphs.cli.review.documents import (
    DIFF_SUFFIXES,
    STDIN,
    Document,
    Skipped,
    UnsupportedFileError,
    display_name,
    is_utf8,
)
from selfcritic.graphs.cli.review.earlier_findings import restore_text
from selfcritic.graphs.cli.review.languages import is_walked
from selfcritic.graphs.cli.review.notebooks import is_notebook, read_notebook
from selfcritic.graphs.cli.review.repository import quote_path, repo_root
from selfcritic.graphs.cli.review.unified_diff import FileDiff, clean, parse_unified_diff

_FILE_HEADER = re.compile(
    r"^(?:diff --(?:git|cc|combined) |--- [^\n]*\n\+\+\+ [^\n]*\n@@+ -)", re.MULTILINE
)
_FIRST_LINE = re.compile(
    r"\s*(?:diff -|--- [^\n]*\n\+\+\+ |Index: |# HG changeset patch|(?:commit|From) [0-9a-f]{7,64}\b)"
)
"""Start of a diff, of `git show`, `git format-patch`, `hg export` or `svn diff`."""
_SHOWN_COMMIT = re.compile(r"\s*commit [0-9a-f]{7,64}\b")
_LINE_OF_COMMIT = re.compile(r"commit [0-9a-f]{7,64}\b.*|[A-Z][\w ()/-]*:.*| {4}.*|\s*")
_EMPTY_PATCH = re.compile(r"\s*From [0-9a-f]{40,64} [^\n]*\n.*\n-- \n[^\n]*\s*\Z", re.DOTALL)
"""A patch that is not cut off: it ends with git's version."""
_OTHER_DIFFS = {
    "is a context diff": re.compile(r"^\*{15}$", re.MULTILINE),
    "is a diff without context": re.compile(r"^\d+(?:,\d+)?[acd]\d+(?:,\d+)?\n[<>] ", re.MULTILINE),
    "has hunks without file names, or text in front of its lines": re.compile(
        r"^[^\w\n]*(?:diff --git |@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@)", re.MULTILINE
    ),
    "has files with merge conflicts": re.compile(r"^\* Unmerged path ", re.MULTILINE),
    "only lists files that differ": re.compile(
        r"\s*(?:(?:Binary files|Files) [^\n]* differ\n?|Only in [^\n]+: [^\n]+\n?)+\Z"
    ),
    "only lists files": re.compile(
        r"^(?: \d+ files? changed(?:,|$)|:\d{6} \d{6} [0-9a-f]+)", re.MULTILINE
    ),
}
"""Diffs that cannot be reviewed, and how to recognize them."""
_NEW_NAME_OR_MODE = re.compile(r"(?:rename to|copy to|new mode) ")
_NEW_EMPTY_FILE = re.compile(r"index 0+\.\.(?:e69de29|473a0f4)[0-9a-f]*\s*")
"""The hash of an empty file starts so with SHA-1 and SHA-256."""
_NEW_CONTENT = re.compile(r"index |(?:dis)?similarity index (?!100%)|--- |\+\+\+ |@@")
_NOT_COMPARED = re.compile(
    r"""
    ^ (?: Only\ in\ (?P<folder>[^\n]+?):\ (?P<name>[^\n]+)
        | Binary\ files\ [^\n]+\ and\ (?P<binary>[^\n]+)\ differ
        | \*\ Unmerged\ path\ (?P<unmerged>[^\n]+)
    ) $
    """,
    re.MULTILINE | re.VERBOSE,
)


def is_diff(name: str, text: str) -> bool:
    """Detect a diff.

    Standard input, and files named `.diff` or `.patch`, may have any text above the diff; others start with it.

    Raises:
        InputError: The diff has a form that cannot be read.
    """
    cleaned = clean(text)
    has_diff = _FILE_HEADER.search(cleaned) is not None
    if name != STDIN and not name.casefold().endswith(DIFF_SUFFIXES):
        return has_diff and _FIRST_LINE.match(cleaned) is not None
    if not has_diff:
        _refuse_other_diffs(name, cleaned)
    return has_diff


def is_empty_commit(name: str, text: str) -> bool:
    """Detect the output of `git show` or `git format-patch --always` for commits without changes."""
    if name != STDIN and not name.casefold().endswith(DIFF_SUFFIXES):
        return False
    cleaned = clean(text)
    if _SHOWN_COMMIT.match(cleaned):
        return all(_LINE_OF_COMMIT.fullmatch(line) for line in cleaned.split("\n"))
    if _FILE_HEADER.search(cleaned) or not _EMPTY_PATCH.match(cleaned):
        return False
    return not any(pattern.search(cleaned) for pattern in _OTHER_DIFFS.values())


def parse_diff(diff: str) -> tuple[list[Document], list[Skipped]]:
    """Return the changed documents and the skipped files.

    Raises:
        InputError: The diff cannot be parsed.
    """
    documents: list[Document] = []
    skipped: list[Skipped] = []
    for file in parse_unified_diff(diff):
        path = display_path(file)
        skip = _skip(file, path)
        if skip is not None:
            skipped.append(skip)
            continue
        try:
            document = _create_document(file, path)
        except UnsupportedFileError as error:
            skipped.append(Skipped(path, str(error).removeprefix(f"{path} "), "unsupported"))
            continue
        except InputError as error:
            skipped.append(Skipped(path, str(error).removeprefix(f"{path} "), "unreadable"))
            continue
        if document.text.strip():
            documents.append(document)
        else:
            skipped.append(Skipped(path, "has no code", "empty"))
    return documents, skipped + _find_uncompared(diff)


def _refuse_other_diffs(name: str, text: str) -> None:
    for problem, pattern in _OTHER_DIFFS.items():
        if pattern.search(text):
            raise InputError(
                f"{display_name(name)} {problem}. Pass a diff as `git diff` prints it, without options such as "
                "--graph, --stat or --word-diff. To review other text, pass --stdin-filename NAME.md."
            )
    if name != STDIN:
        raise InputError(
            f"{name} has no diff in it. Pass a diff as `git diff` prints it, or rename the file."
        )


def _skip(file: FileDiff, path: str) -> Skipped | None:
    if leaves_repository(path):
        reason = "is outside the repository; run the command in the folder that the diff's paths start from"
        return Skipped(path, reason, "unreadable")
    if file.is_deleted:
        return Skipped(path, "is deleted", "empty")
    if file.is_binary:
        return _skip_binary(path)
    if file.is_submodule:
        return Skipped(path, "is a submodule", "unsupported")
    if file.is_link:
        return Skipped(path, "is a symbolic link", "unsupported")
    if not file.hunks and not _keeps_content(file, path):
        reason = "has no hunks; pass the whole diff, as `git diff` prints it without -w"
        return Skipped(path, reason, "unreadable")
    if not file.hunks:
        return Skipped(path, "has no added lines", "empty")
    return None


def _skip_binary(path: str) -> Skipped:
    """Skip a file whose content is not in the diff, for example because of the attribute `-diff`."""
    if is_walked(path, has_model=False):
        reason = "is binary in the diff; pass the output of `git diff --text`, or the file itself"
        return Skipped(path, reason, "unreadable")
    return Skipped(path, "is binary", "unsupported")


def _keeps_content(file: FileDiff, path: str) -> bool:
    """Check that a diff without hunks is complete: a rename, another mode, or a new and empty file."""
    headers = file.lines[1:]
    if any(_NEW_EMPTY_FILE.fullmatch(line) for line in headers):
        return True
    if any(_NEW_CONTENT.match(line) for line in headers):
        return False
    if any(_NEW_NAME_OR_MODE.match(line) for line in headers):
        return True
    is_new = any(line.startswith("new file mode ") for line in headers)
    new_file = repo_root() / path
    return is_new and new_file.is_file() and not new_file.stat().st_size  # of Mercurial


def _create_document(file: FileDiff, path: str) -> Document:
    whole_file = find_file(file)
    if whole_file is not None:
        found_path, text = whole_file
        return _whole_document(file, found_path, text)
    if not is_utf8(file.text):
        raise InputError("is not UTF-8; convert it, for example with: iconv -f latin1 -t utf-8")
    line_numbers: list[int] = []
    lines: list[str] = []
    for number, text in _numbered_lines(file):
        line_numbers.append(number)
        lines.append(text)
    added = file.added
    changed_lines = frozenset(index for index, number in enumerate(line_numbers) if number in added)
    return Document(
        name=path,
        text="".join(lines),
        uri=quote_path(path),
        line_numbers=line_numbers,
        changed_lines=changed_lines,
        diff=file.text,
        num_hunks=len(file.hunks),
    )


def _whole_document(file: FileDiff, path: Path, text: str) -> Document:
    """Build a document of the whole file, named relative to the repository's root."""
    absolute = Path(os.path.normpath(path))
    name = absolute.relative_to(repo_root()).as_posix()
    uri = quote_path(name)
    document = Document(
        name=name,
        text=text,
        uri=uri,
        path=absolute,
        changed_lines=frozenset(number - 1 for number in file.added),
        diff=file.text,
        num_hunks=len(file.hunks),
    )
    if is_notebook(name):
        notebook = read_notebook(name, text, uri, absolute, file.added)
        document = replace(notebook, diff=file.text, num_hunks=len(file.hunks))
    return replace(document, before=_before(document, text, file))


def _before(document: Document, text: str, file: FileDiff) -> Document | None:
    """Build a document of the whole file before the change, if it is known."""
    before = restore_text(text, file)
    if before is None:
        return None
    if not is_notebook(document.name):
        return replace(document, text=before, changed_lines=None)
    try:
        return read_notebook(document.name, before, document.uri, document.path)
    except InputError:
        return None


def _numbered_lines(file: FileDiff) -> Iterator[tuple[int, str]]:
    """Yield numbered new lines; hunk headings have number 0."""
    for hunk in file.hunks:
        heading = f"@@ line {hunk.start} @@ {hunk.section}".rstrip()
        yield 0, heading + "\n"
        for line in hunk.new_lines:
            yield line.number, line.text + "\n"


def _find_uncompared(diff: str) -> list[Skipped]:
    """Return the files that a diff names without their contents."""
    skipped: list[Skipped] = []
    is_from_git = "diff --git " in diff
    for match in _NOT_COMPARED.finditer(clean(diff)):
        if match["unmerged"]:
            reason = "has merge conflicts; resolve them first"
            skipped.append(Skipped(match["unmerged"], reason, "unreadable"))
        elif is_from_git:
            continue
        elif match["binary"]:
            skipped.append(_skip_binary(match["binary"]))
        else:
            name = f"{match['folder']}/{match['name']}"
            skipped.append(Skipped(name, "is in one folder only; diff with -N", "unreadable"))
    return skipped
