"""Reject addresses where a path is expected: their passwords must not become names of files."""

import re
from pathlib import Path

from selfcritic.agent.errors import InputError

_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]+:/")
"""Start of an address; `Path` turns its two slashes into one. One letter is a drive of Windows."""
_CREDENTIALS = re.compile(r"[^/\\]*:[^/\\]*@|postgres(?:ql)?:", re.IGNORECASE)
"""Start of an address without a scheme, which a file name should not have."""
_PASSWORD = re.compile(r"(?:^|[\s?&;])\w*password\s*=", re.IGNORECASE)


def is_address(value: str) -> bool:
    """Return whether a value names a server, not a file.

    A file name with a scheme or a password is more likely a mistyped address, and must not be created or printed.
    """
    return (
        "://" in value
        or _SCHEME.match(value) is not None
        or _CREDENTIALS.match(value) is not None
        or _PASSWORD.search(value) is not None
    )


def reject_address(path: str | Path, option: str) -> None:
    """Raise InputError if an address is passed as a path; the message has no part of it.

    `option` is the name of the option, as messages show it.
    """
    if is_address(str(path)):
        raise InputError(f"{option} takes a path, not an address. Pass a file or folder.")
