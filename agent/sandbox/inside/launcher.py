"""Isolate this process, then run a Python program in it.

The process that the host starts enters new namespaces and forks process 1. Process 1 builds a file system from a few
read-only folders, gives up all rights and forks the program. Signals from the program do not reach it, and all
processes end with it. Bubblewrap replaces these steps. Every program gets its limits and a filter on system calls.
"""

from __future__ import annotations

import os
import resource
import sys

from selfcritic.agent.sandbox.inside.call_filter import filter_calls
from selfcritic.agent.sandbox.inside.system_calls import (
    CLONE_NEWPID,
    CLONE_NEWUSER,
    OTHER_NAMESPACES,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    call,
    drop_rights,
    enter_user_namespace,
    mount,
    prctl,
)

TYPE_CHECKING = False  # importing `typing` or `pathlib` takes longer than all of this takes to run
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType
    from typing import Any

_NOBODY = 65534
_SIGKILL = 9
_OLD_ROOT = "/.old"
_WRITABLE = ("/tmp", "/dev/shm", "/proc")  # noqa: S108

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND = 1, 2, 4, 32, 4096
_MS_REC, _MS_PRIVATE = 16384, 1 << 18
_MOUNT_FLAGS = {
    "nosuid": _MS_NOSUID,
    "nodev": _MS_NODEV,
    "noexec": 8,
    "noatime": 1024,
    "nodiratime": 2048,
    "relatime": 1 << 21,
}
_MNT_DETACH = 2


def main(options: Mapping[str, Any], program: CodeType | None) -> None:
    """Isolate this process, then run the program.

    Without a program, the source is the start of stdin.
    """
    isolation = options["isolation"]
    if isolation == "unshare":
        _enter_namespaces(options)
    if sys.platform == "linux":
        filter_calls(is_isolated=isolation != "none")
    for name, limit in options["limits"].items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    os.environ.clear()
    if program is None:
        source = os.read(0, options["size"])
        program = compile(source, "<program>", "exec")
    exec(program, {"__name__": "__main__"})  # noqa: S102 - what the sandbox is for


def _enter_namespaces(options: Mapping[str, Any]) -> None:
    """Return in the program's process only."""
    is_root = options["is_root"]
    namespaces = CLONE_NEWPID | OTHER_NAMESPACES
    if is_root:
        call("unshare", namespaces)
    else:
        user, group = os.geteuid(), os.getegid()
        call("unshare", namespaces | CLONE_NEWUSER)
        _write("/proc/self/setgroups", b"deny")
        _map_ids("/proc/self", user, group)

    proc = os.open("/proc", os.O_DIRECTORY)  # later, the path leads to the program's processes
    is_ready, ready = os.pipe()
    is_mapped, mapped = os.pipe()
    init = os.fork()
    if init:
        os.close(ready)
        if is_root and os.read(is_ready, 1):
            _map_ids(str(init), _NOBODY, _NOBODY, proc)
        os.write(mapped, b"1")
        _exit_like(os.waitpid(init, 0)[1])

    os.close(mapped)
    _build_file_system(options)
    if is_root:
        # A user namespace has its own count of processes. Without it, all programs share one.
        if enter_user_namespace():
            os.write(ready, b"1")
        os.close(ready)
        os.read(is_mapped, 1)
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    os.closerange(3, 16)
    drop_rights()
    prctl(PR_SET_DUMPABLE, 0)
    prctl(PR_SET_PDEATHSIG, _SIGKILL)
    program = os.fork()
    if program:
        _reap_until_end_of(program)
    os.setsid()
    prctl(PR_SET_DUMPABLE, 1)


def _reap_until_end_of(program: int) -> None:
    while True:
        process, status = os.wait()
        if process == program:
            _exit_like(status)


def _exit_like(status: int) -> None:
    if os.WIFSIGNALED(status):
        os._exit(128 + os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _map_ids(process: str, user: int, group: int, proc: int | None = None) -> None:
    _write(f"{process}/uid_map", b"%d %d 1" % (_NOBODY, user), proc)
    _write(f"{process}/gid_map", b"%d %d 1" % (_NOBODY, group), proc)


def _build_file_system(options: Mapping[str, Any]) -> None:
    size_mb = options["tmpfs_mb"]
    mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    new_root = "/tmp"  # noqa: S108 - a mount point on every system
    mount("tmpfs", new_root, "tmpfs", _MS_NOSUID, "size=1m,nr_inodes=4k,mode=755")
    os.mkdir(new_root + _OLD_ROOT)
    call("pivot_root", os.fsencode(new_root), os.fsencode(new_root + _OLD_ROOT))
    os.chdir("/")
    os.mkdir("/proc")
    try:
        mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV)
    except OSError:
        pass  # containers can forbid it; most programs run without /proc
    _mount_empty("/tmp", f"{size_mb}m")  # noqa: S108
    _mount_empty("/dev", "64k", mode="755")
    for device in options["devices"]:
        _bind(device)
    for path, target in options["links"].items():
        os.symlink(target, path)
    _mount_empty("/dev/shm", f"{size_mb}m")  # noqa: S108
    for path in options["visible"]:
        _bind(path)
    _make_read_only()
    os.mkdir(options["work"])
    os.chmod(options["work"], 0o777)  # noqa: S103 - belongs to the program
    os.chdir(options["work"])


def _mount_empty(path: str, size: str, mode: str = "1777") -> None:
    os.makedirs(path, exist_ok=True)
    options = f"size={size},nr_inodes=4k,mode={mode}"
    mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV, options)


def _bind(path: str) -> None:
    source = _OLD_ROOT + path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(source):
        os.symlink(os.readlink(source), path)
        return
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    else:
        open(path, "wb").close()
    mount(source, path, None, _MS_BIND | _MS_REC)


def _make_read_only() -> None:
    """Remount all but the private folders read-only, and detach the host's files."""
    with open(f"{_OLD_ROOT}/proc/self/mountinfo", "rb") as file:
        lines = file.read().splitlines()
    read_only = _MS_RDONLY | _MS_NOSUID | _MS_BIND | _MS_REMOUNT
    for line in lines:
        fields = line.split()
        place = fields[4].decode("unicode_escape")
        if place in (*_WRITABLE, "/") or place.startswith(_OLD_ROOT):
            continue
        flags = read_only
        if not place.startswith("/dev/"):
            flags |= _MS_NODEV
        for option in fields[5].decode().split(","):
            flags |= _MOUNT_FLAGS.get(option, 0)
        mount(None, place, None, flags)
    call("umount2", os.fsencode(_OLD_ROOT), _MNT_DETACH)
    os.rmdir(_OLD_ROOT)
    mount(None, "/", None, read_only | _MS_NODEV)


def _write(path: str, content: bytes, folder: int | None = None) -> None:
    descriptor = os.open(path, os.O_WRONLY, dir_fd=folder)
    os.write(descriptor, content)
    os.close(descriptor)
