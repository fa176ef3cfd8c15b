"""Create files that only their owner can read."""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from selfcritic.agent.errors import InputError

_OWNER_ONLY = 0o600


def check_output(name: str, path: Path) -> None:
    """Raise InputError if a file cannot be written; `name` is the option or argument.

    The file is not opened, so that its content and the readers of a pipe are not affected.
    """
    folder = path.parent
    if path.is_dir():
        problem = "is a folder. Pass a file"
    elif not folder.is_dir():
        problem = f"cannot be created: the folder '{folder}' does not exist. Create it, or pass another file"
    elif not os.access(path if path.exists() else folder, os.W_OK):
        problem = (
            "cannot be written: permission denied. Check its permissions, or pass another file"
        )
    else:
        return
    raise InputError(f"{name} '{path}' {problem}.")


def create_private(path: str | Path) -> None:
    """Create an empty file for its owner only; an existing file stays as it is.

    Raises:
        OSError: The file cannot be created.
    """
    with suppress(FileExistsError):
        os.close(_create(path, os.O_WRONLY))


def open_private(path: str | Path, *, errors: str = "strict") -> IO[str]:
    """Open a text file for writing; a new one is for its owner only.

    The permissions of an existing file stay as they are.

    Raises:
        OSError: The file cannot be opened.
    """
    return open(path, "w", encoding="utf-8", errors=errors, opener=_open)


def _open(path: str, flags: int) -> int:
    try:
        return _create(path, flags)
    except FileExistsError:
        return os.open(path, flags, _OWNER_ONLY)


def _create(path: str | Path, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    try:
        Path(path).chmod(_OWNER_ONLY)  # the umask may have removed the owner's permissions
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
