"""Count the processes of a training, choose the one that writes, and lock the stage's folder."""

import os
from pathlib import Path

from selfcritic.agent.errors import InputError

LOCK_FILE = "lock"
_locks: dict[Path, int] = {}
"""Descriptors of the lock files that this process holds until it ends."""


def count_processes() -> int:
    """Return how many processes `accelerate launch` or `torchrun` started, 1 without them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def get_rank() -> int:
    """Return the number of this process among them, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_main_process() -> bool:
    """Whether this process writes files and prints results."""
    return get_rank() == 0


def lock_folder(folder: Path) -> None:
    """Lock a folder for this process until it ends, also by SIGKILL.

    A killed launcher can leave its processes running: a second training would write the same checkpoints. On
    Windows, which lacks these locks, nothing is locked.

    Raises:
        InputError: Another process has locked the folder.
    """
    if os.name == "nt":
        return
    import fcntl  # not on Windows

    path = folder.resolve() / LOCK_FILE
    if path in _locks:
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        os.close(descriptor)
        raise InputError(
            f"Another process is training in {folder}. Wait until it ends, or end it: a killed launcher can leave its "
            "processes running."
        ) from error
    _locks[path] = descriptor
