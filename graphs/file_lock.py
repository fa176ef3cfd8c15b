"""Lock a file for one process, by a lock file that exists only while the lock is held."""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from selfcritic.graphs.private_files import create_private


class FileLock:
    """A lock that ends with `release`, or with the process."""

    def __init__(self, path: Path, handle: IO[bytes]) -> None:
        self._path = path
        self._handle = handle

    @classmethod
    def acquire(cls, path: Path) -> "FileLock":
        """Create and lock a lock file.

        Raises:
            BlockingIOError: Another process holds the lock.
            OSError: The lock file cannot be created or locked.
        """
        import fcntl  # not on Windows

        while True:
            create_private(path)
            with suppress(FileNotFoundError):  # its owner has just removed it
                handle = path.open("r+b")  # NFS only locks writable files
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    handle.close()
                    raise
                if _is_same_file(path, handle):
                    return cls(path, handle)
                handle.close()

    def release(self) -> None:
        """Remove the lock file, and release the lock."""
        self._path.unlink(missing_ok=True)  # before another process can lock it
        self._handle.close()


def _is_same_file(path: Path, handle: IO[bytes]) -> bool:
    """Whether an open file still has this path; its owner may have removed it in the meantime."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle.fileno()))
    except FileNotFoundError:
        return False
