"""Find the file of a diff in the working tree; its path may have any prefix."""

import hashlib
import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.documents import is_utf8, read_text
from selfcritic.graphs.cli.review.quoted_paths import unquote
from selfcritic.graphs.cli.review.repository import repo_root
from selfcritic.graphs.cli.review.unified_diff import FileDiff

_LETTER_PREFIX = re.compile(r"[a-z0-9]/")
_NEW_HASH = re.compile(r"index [0-9a-f]+\.\.([0-9a-f]+)")
_DRIVE = re.compile(r"[A-Za-z]:")


def find_file(diff: FileDiff) -> tuple[Path, str] | None:
    """Return the file that has the diff's new lines, and its text.

    A shorter form of a path may be another file: it is used only if the longer one does not exist, and if the file has
    the hash that git prints. A diff can name any path, so files outside the repository are not read.
    """
    names: list[str] = []
    existing: list[str] = []
    for name in candidate_paths(diff):
        is_shortened = _is_end_of_any(name, names)
        names.append(name)
        if _is_end_of_any(name, existing):
            continue
        for folder in (repo_root(), Path.cwd()):
            path = (folder / name).resolve()
            if not path.is_relative_to(repo_root()) or not path.is_file():
                continue
            existing.append(name)
            text = _read_new_version(path, diff)
            if text is not None and not (is_shortened and _has_other_hash(path, diff)):
                return folder / name, text
    return None


def _is_end_of_any(name: str, paths: Sequence[str]) -> bool:
    return any(path.endswith(f"/{name}") for path in paths)


def _has_other_hash(path: Path, diff: FileDiff) -> bool:
    """Compare a file with git's abbreviated hash of the new version, if the diff has one."""
    matches = [_NEW_HASH.match(line) for line in diff.lines]
    expected = [match[1] for match in matches if match is not None]
    if not expected:
        return False
    data = path.read_bytes()
    blob = b"blob %d\0" % len(data) + data
    hashes = [hashlib.new(name, blob, usedforsecurity=False) for name in ("sha1", "sha256")]
    return not any(each.hexdigest().startswith(expected[0]) for each in hashes)


def _read_new_version(path: Path, diff: FileDiff) -> str | None:
    """Return the text of a file if it has the diff's new lines."""
    try:
        text = read_text(str(path))
        as_in_diff = path.read_bytes().decode("utf-8", "surrogateescape")
    except (InputError, OSError):
        return None
    if not is_utf8(text):
        return None
    # The diff has the bytes of a file in another encoding; a shell may have converted them.
    if _has_new_lines(text, diff) or _has_new_lines(as_in_diff, diff):
        return text
    return None


def display_path(diff: FileDiff) -> str:
    """Return the most likely path of a file that is not in the working tree."""
    candidates = [posixpath.normpath(name) for name in candidate_paths(diff)]
    for name in candidates:
        if not leaves_repository(name) and (repo_root() / name).is_file():
            return name
    return candidates[0]


def leaves_repository(name: str) -> bool:
    """Check for absolute paths, drive letters, and `..` above the first folder."""
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        return True
    depth = 0
    for part in PurePosixPath(name.replace("\\", "/")).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def candidate_paths(diff: FileDiff) -> Iterator[str]:
    """Yield possible paths without their prefix, the most likely first."""
    old, new = _raw_paths(diff)
    names = []
    if diff.renamed_to:
        names.append(diff.renamed_to)
    if old != new:
        names.append(_common_end(old, new))
    if old != new or not diff.git_paths:
        names.append(_LETTER_PREFIX.sub("", new, count=1))
    names.append(new)
    parts = new.split("/")
    names += ["/".join(parts[index:]) for index in range(1, len(parts))]
    seen = {""}
    for name in names:
        if name not in seen:
            seen.add(name)
            yield name


def _raw_paths(diff: FileDiff) -> tuple[str, str]:
    """Return the old and new path, each with its prefix."""
    old, new = diff.old_path, diff.new_path
    if old and old != "/dev/null" and not diff.is_deleted:
        return old, new
    git_old, git_new = _split_git_paths(diff.git_paths)
    if not git_new:
        return new, new
    if new == git_old:  # of a deleted file
        return git_new, new
    return git_old, new or git_new


def _split_git_paths(paths: str) -> tuple[str, str]:
    """Split the paths of a line `diff --git`, which are equal but for their prefixes."""
    quoted = re.fullmatch(r'("(?:[^"\\]|\\.)*") (".*")', paths)
    if quoted is not None:
        return unquote(quoted[1]), unquote(quoted[2])
    best = ("", "")
    best_length = -1
    for space in re.finditer(" ", paths):
        old, new = paths[: space.start()], paths[space.end() :]
        length = len(_common_end(unquote(old), unquote(new)))
        if length > best_length:
            best = (unquote(old), unquote(new))
            best_length = length
    return best


def _common_end(old: str, new: str) -> str:
    """Return the last parts that both paths have in common."""
    common: list[str] = []
    for old_part, new_part in zip(reversed(old.split("/")), reversed(new.split("/")), strict=False):
        if old_part != new_part:
            break
        common.insert(0, new_part)
    return "/".join(common)


def _has_new_lines(text: str, diff: FileDiff) -> bool:
    lines = text.split("\n")
    for line in diff.new_lines():
        actual = ""
        if 1 <= line.number <= len(lines):
            actual = lines[line.number - 1]
        expected = line.text.rstrip("\r").removeprefix("\ufeff")
        if actual.rstrip("\r") != expected:
            return False
    return True
