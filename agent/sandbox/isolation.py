"""Choose the strongest isolation that works on this machine."""

import functools
import marshal
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Literal, NamedTuple

from selfcritic.agent.sandbox.bundle import launcher_modules

Isolation = Literal["bubblewrap", "unshare", "none"]

# The resolved interpreter starts faster than the link or copy in a virtual environment.
PYTHON_COMMAND = (str(Path(sys.executable).resolve()), "-I", "-S", "-B", "-X", "utf8", "-c")
"""Start of a command that runs a Python program given as text, and leaves no compiled modules."""

TMPFS_MB = 16
"""Size limit of /tmp, which contains the working folder, and of /dev/shm."""

_WORK_DIR = "/tmp/selfcritic-draft"  # noqa: S108 - inside the sandbox
_SYSTEM_PATHS = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/alternatives",
)
# Without /dev/zero, which creates shared memory of any size.
_DEVICES = ("/dev/null", "/dev/full", "/dev/random", "/dev/urandom")
_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}
_BUBBLEWRAP = f"""--unshare-all --die-with-parent --new-session --cap-drop ALL --uid 65534 --gid 65534
    --size {TMPFS_MB << 20} --tmpfs /dev/shm --proc /proc
    --size {TMPFS_MB << 20} --tmpfs /tmp"""
_START = """
import marshal, sys
modules, options, program = marshal.loads(sys.stdin.buffer.raw.read(int(sys.argv[1])))
for name, code in modules:
    module = sys.modules[name] = type(sys)(name)
    exec(marshal.loads(code), vars(module))
module.main(options, program)
"""
_MAX_START_SECONDS = 20
_ADVICE = (
    "install bubblewrap, or enable unprivileged user namespaces (sysctl user.max_user_namespaces)"
)


class Launch(NamedTuple):
    """A way to start a program with an isolation."""

    isolation: Isolation
    is_root: bool = False
    """Whether the launcher uses root's rights, and not a user namespace, to isolate the program."""
    prefix: tuple[str, ...] = ()
    visible: tuple[str, ...] = ()
    """Paths that the program can read; the launcher mounts them for "unshare"."""

    def command(
        self, program: str | CodeType, limits: Mapping[str, int]
    ) -> tuple[list[str], bytes]:
        """Return a command, and the start of its stdin.

        A program given as text is not compiled in this process, because some texts crash the compiler.
        """
        source = b""
        code: CodeType | None = None
        if isinstance(program, CodeType):
            code = program
        else:
            source = program.encode("utf-8", "surrogatepass")
        options = {
            "isolation": self.isolation,
            "is_root": self.is_root,
            "devices": _DEVICES,
            "links": _LINKS,
            "limits": dict(limits),
            "size": len(source),
            "tmpfs_mb": TMPFS_MB,
            "visible": self.visible,
            "work": _WORK_DIR,
        }
        modules = launcher_modules()
        payload = marshal.dumps((modules, options, code))
        return [*self.prefix, *PYTHON_COMMAND, _START, str(len(payload))], payload + source


def find_isolation_problem() -> str | None:
    """Return why programs are not isolated here and how to change that, or None if they are."""
    if strongest_launch().isolation != "none":
        return None
    return f"the sandbox cannot isolate programs on this machine: {_ADVICE}"


@functools.cache
def strongest_launch() -> Launch:
    """Return the first isolation that works; "none" always does."""
    for launch in _launches():
        if _can_start(launch):
            return launch
    return Launch("none")


def _visible_paths() -> tuple[str, ...]:
    """Return the files that a program can read: the interpreter, its packages and the system's libraries."""
    paths = [
        *_SYSTEM_PATHS,
        sys.base_prefix,
        sys.base_exec_prefix,
        sys.prefix,
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        PYTHON_COMMAND[0],
    ]
    visible: list[str] = []
    for path in paths:
        is_covered = any(Path(path).is_relative_to(parent) for parent in visible)
        if path != "/" and not is_covered and Path(path).exists():
            visible.append(path)
    return tuple(visible)


def _launches() -> Iterator[Launch]:
    """Yield the ways to start a program, best first."""
    if sys.platform != "linux":
        return
    visible = _visible_paths()
    if os.geteuid() == 0:
        yield Launch("unshare", is_root=True, visible=visible)
    yield Launch("unshare", visible=visible)
    bubblewrap = shutil.which("bwrap")  # may have rights that this program lacks
    if bubblewrap is not None:
        yield Launch("bubblewrap", prefix=(bubblewrap, *_bubblewrap_options(visible)))


def _bubblewrap_options(visible: Sequence[str]) -> list[str]:
    options = _BUBBLEWRAP.split()
    for device in _DEVICES:
        options += ["--dev-bind", device, device]
    for path, target in _LINKS.items():
        options += ["--symlink", target, path]
    for path in visible:
        if Path(path).is_symlink():
            options += ["--symlink", str(Path(path).readlink()), path]
        else:
            options += ["--ro-bind", path, path]
    return [*options, "--dir", _WORK_DIR, "--chdir", _WORK_DIR, "--remount-ro", "/"]


def _can_start(launch: Launch) -> bool:
    # The imports show that the interpreter can read its library.
    command, payload = launch.command("import json, socket, subprocess", {})
    try:
        process = subprocess.run(
            command,
            input=payload,
            capture_output=True,
            env={},
            check=False,
            timeout=_MAX_START_SECONDS,
        )
    except (subprocess.TimeoutExpired, OSError):
        return False
    return process.returncode == 0
