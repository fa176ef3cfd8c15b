"""Create files that only their owner can read."""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

_OWNER_ONLY = 0o600


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
