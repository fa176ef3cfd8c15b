"""List the files of a folder, without those that git ignores."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

from selfcritic.agent.errors import InputError
from selfcritic.graphs.cli.review.repository import repo_root

_TIMEOUT_SECONDS = 60
_SKIPPED_FOLDERS = {"node_modules", "__pycache__", "site-packages"}


def walk_folder(folder: str) -> list[str]:
    """Return the regular files below a folder, sorted; links are not followed.

    Inside a repository, these are its tracked and untracked files that git does not ignore. Elsewhere, the files that
    `.gitignore` files do not exclude, without hidden folders and virtual environments.

    Raises:
        InputError: git cannot list the files.
        OSError: The folder cannot be read.
    """
    os.scandir(folder).close()
    names = _list_with_git(folder)
    if names is None:
        names = list(_list_without_git(Path(folder)))
    return sorted(name for name in names if _is_regular_file(name))


def _is_regular_file(name: str) -> bool:
    path = Path(name)
    return path.is_file() and not path.is_symlink()


def _list_with_git(folder: str) -> list[str] | None:
    """Return the files that git lists, or None outside a repository."""
    command = ["git", "-C", folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT_SECONDS)
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"git took over {_TIMEOUT_SECONDS} s to list the files of '{folder}'. Pass files, or a smaller folder."
        ) from error
    if done.returncode != 0:
        return None
    names = dict.fromkeys(done.stdout.split(b"\0"))  # files with conflicts are listed three times
    return [os.path.normpath(Path(folder) / os.fsdecode(name)) for name in names if name]


def _list_without_git(folder: Path) -> Iterator[str]:
    rules = _read_rules(folder)
    for parent, folders, files in os.walk(folder, onerror=_raise):
        parent_path = Path(parent)
        rules[parent_path] = _read_ignore_file(parent_path)
        kept = [name for name in sorted(folders) if _is_walked(parent_path / name, rules)]
        folders[:] = kept
        for name in files:
            path = parent_path / name
            if not _is_ignored(path, rules, is_folder=False):
                yield os.path.normpath(path)


def _read_rules(folder: Path) -> dict[Path, GitIgnoreSpec]:
    """Read the rules of the folders above, up to the working folder's root."""
    rules: dict[Path, GitIgnoreSpec] = {}
    root = repo_root()
    for parent in folder.absolute().parents:
        if parent.is_relative_to(root):
            rules[parent] = _read_ignore_file(parent)
    return rules


def _read_ignore_file(folder: Path) -> GitIgnoreSpec:
    path = folder / ".gitignore"
    if not path.is_file():
        return GitIgnoreSpec.from_lines([])
    return GitIgnoreSpec.from_lines(path.read_text("utf-8", "replace").splitlines())


def _is_walked(folder: Path, rules: dict[Path, GitIgnoreSpec]) -> bool:
    if folder.name.startswith(".") or folder.name in _SKIPPED_FOLDERS:
        return False
    if (folder / "pyvenv.cfg").exists():
        return False
    return not _is_ignored(folder, rules, is_folder=True)


def _is_ignored(path: Path, rules: dict[Path, GitIgnoreSpec], *, is_folder: bool) -> bool:
    """Apply the rules of all folders above; those of the nearest folder decide."""
    absolute = path.absolute()
    is_ignored = False
    for folder, spec in rules.items():
        if not absolute.is_relative_to(folder.absolute()):
            continue
        relative = absolute.relative_to(folder.absolute()).as_posix()
        if is_folder:
            relative += "/"
        result = spec.check_file(relative).include
        if result is not None:
            is_ignored = result
    return is_ignored


def _raise(error: OSError) -> None:
    raise error
