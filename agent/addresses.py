"""Reject addresses where a path is expected: their passwords must not become names of files."""

import re
from pathlib import Path

from selfcritic.agent.errors import InputError

_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]+:/")
"""Start of an address; `Path` turns its two slashes into one. One letter is a drive of Windows."""
_CREDENTIALS = re.compile(r"[^/\\]*:[^/\\]*@|postgres(?:ql)?:", re.IGNORECASE)
"""Start of an address without a scheme, which a file name should not have."""
_PASSWORD = re.compile(r"(?:^|[\s?&;])\w*password\s*=", re.IGNORECASE)

PATH_REMEDY = "takes a path, not an address. Pass a file or folder, such as ./NAME."


def is_address(value: str) -> bool:
    """Return whether a value names a server, not a file.

    A file name with a scheme or a password is more likely a mistyped address, and must not be created or printed.
    """
    return (
        _has_scheme(value)
        or _CREDENTIALS.match(value) is not None
        or _PASSWORD.search(value) is not None
    )


def is_misplaced_address(path: str) -> bool:
    """Return whether a path is an address.

    An existing file or folder is a path, unless it starts with a scheme: earlier versions created folders such as
    `redis:/u:password@host` for addresses.
    """
    return is_address(path) and (_has_scheme(path) or not _exists(path))


def _has_scheme(value: str) -> bool:
    return "://" in value or _SCHEME.match(value) is not None


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # too long, or a null character
        return False


def reject_address(path: str | Path, option: str) -> None:
    """Raise InputError if an address is passed as a path; the message has no part of it.

    `option` is the name of the option, as messages show it.
    """
    if is_misplaced_address(str(path)):
        raise InputError(f"{option} {PATH_REMEDY}")
