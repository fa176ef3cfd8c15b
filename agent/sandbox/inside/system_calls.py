"""Call the C library."""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False  # importing `typing` takes longer than all of this takes to run
if TYPE_CHECKING:
    from typing import Any

CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
OTHER_NAMESPACES = 0x20000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x40000000
"""Mount, cgroup, UTS, IPC and network namespaces."""

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPABILITY_VERSION = 0x20080522


def drop_rights() -> None:
    """Give up all capabilities, and the right to gain any."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    call("capset", header, bytes(24))
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def enter_user_namespace() -> bool:
    """Enter a new user namespace; return whether that is allowed."""
    try:
        call("unshare", CLONE_NEWUSER)
    except OSError:
        return False
    return True


def mount(
    source: str | None, target: str, kind: str | None, flags: int, data: str | None = None
) -> None:
    """Mount or remount a file system."""
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    call("mount", *texts[:3], ctypes.c_ulong(flags), texts[3])


def prctl(option: int, value: int, argument: bytes | int = 0) -> None:
    """Change a property of this process."""
    call("prctl", option, value, argument, 0, 0)


def call(name: str, *arguments: Any) -> None:
    """Call a function of the C library.

    Raises:
        OSError: It returned -1.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if name == "pivot_root":  # the C library has no function for it
        arguments = (PIVOT_ROOT[os.uname().machine], *arguments)
        name = "syscall"
    if getattr(library, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
