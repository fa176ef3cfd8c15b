"""Find the Git repository of the working directory, and the URIs of its files."""

import os
from pathlib import Path
from urllib.parse import quote


def repo_root() -> Path:
    """Return the enclosing Git repository, or the working directory."""
    working_dir = Path.cwd()
    for folder in (working_dir, *working_dir.parents):
        if (folder / ".git").exists():
            return folder
    return working_dir


def file_uri(name: str) -> str:
    """Return a URI relative to the repository root, or absolute outside it."""
    root = repo_root()
    path = Path(os.path.normpath(Path.cwd() / name))
    for candidate in (path, path.resolve()):  # a link in the repository keeps its name
        if candidate.is_relative_to(root):
            return quote_path(candidate.relative_to(root).as_posix())
    return "file://" + quote_path(path.as_posix())


def quote_path(path: str) -> str:
    """Percent-encode a relative path; its bytes need not be UTF-8."""
    return quote(path.encode("utf-8", "surrogateescape"))
