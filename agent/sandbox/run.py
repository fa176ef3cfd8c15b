"""Runs untrusted Python in a process of its own, cut off from this machine as well as the machine allows.

Always: an empty environment, a fresh empty working directory that is deleted afterwards, no open files but its three
streams, hard limits of wall time, processor time, memory, file size, open files and processes; at the end everything in
its process group is killed. On Linux that happens, too, once its processes together hold twice the memory that each may
have. `SandboxResult.isolation` says what came on top:

- "bubblewrap", "unshare": no network; no other processes in sight, and none of its own outlives it; all file systems
  read-only but for a /tmp of its own, in a folder of which it works; no capabilities. Where root runs it, the
  program is nobody.
  Not prevented: reading what the user may read, or, where root runs it and nobody cannot reach the interpreter, any
  file. Root's bubblewrap does not bound the number of processes, only their memory and their time.
- "none": nothing came on top. The program can write wherever the user can, open sockets, read the environment of this
  process in /proc, and leave its process group to go on for ever; root is bound by no limit of processes.
"""

import contextlib
import functools
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Isolation = Literal["bubblewrap", "unshare", "none"]

OUTPUT_BYTES = 1_000_000
"""What a program may write to each of its streams and into each file; what is beyond that fails to be written."""

TOOL_BYTES = 20_000_000
"""The same for a tool."""

TOOL_MB = 4096
"""The memory that a tool may hold."""

_PROCESSES = 64
_LOOK_EVERY = 0.1  # seconds
_OPEN_FILES = 64

# Behind a virtual environment's link (or a copy, on some systems) stands the interpreter that starts fastest.
_PYTHON = (str(Path(sys.executable).resolve()), "-I", "-S", "-X", "utf8", "-c")

# The limits are set inside, before the program is read: `preexec_fn` is not safe where there are threads. The program
# comes in front of its own standard input, since an argument is too short for it and a file would need a place.
_LAUNCHER = """
import os, resource, sys
size, *limits = map(int, sys.argv[1:])
for name, limit in zip(("CPU", "FSIZE", "NPROC", "NOFILE", "CORE", "AS"), limits):
    kind = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(kind)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (limit, limit))
os.environ.clear()
del sys.argv[1:]
exec(compile(sys.stdin.buffer.raw.read(size), "<program>", "exec"), {"__name__": "__main__"})
"""

_LIMITED = """
import os, resource, sys
size = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
os.execve(sys.argv[2], sys.argv[2:], {})
"""

# The shell's $0 is a folder below /tmp to be kept in sight, or no path at all.
# The shell stays, as the first process of the pid namespace: all others die with it, and none of them can stop it.
_CLOSE_UP = r"""
set -e
mount -t tmpfs none /sys
case "$0" in /*) mkdir /sys/kept; mount --bind "$0" /sys/kept ;; esac
mount -t tmpfs -o size=16m none /tmp
case "$0" in /*) mkdir -p "$0"; mount --bind /sys/kept "$0"; umount /sys/kept ;; esac
mount -o remount,ro /sys
done=" "
while read -r _ place _ options _; do
    case "$place" in "$0") ;; /proc | /proc/* | /sys | /sys/* | /dev | /dev/pts | /tmp | /tmp/*) continue ;; esac
    case "$done,$options," in *" $place "* | *,ro,*) continue ;; esac
    done="$done$place "
    case "$place" in *\\*) place=$(printf %b "$place") ;; esac
    mount -o "remount,bind,$options,ro" "$place"
done < /proc/self/mounts
mkdir -m 777 /tmp/selfcritic-draft
cd /tmp/selfcritic-draft
"$@" || exit $?
"""
_UNSHARE = ("--net", "--ipc", "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-c", _CLOSE_UP)
_POWERLESS = ("setpriv", "--no-new-privs")
_NOBODY = ("--reuid=65534", "--regid=65534", "--clear-groups")
_BUBBLEWRAP = """--unshare-all --die-with-parent --cap-drop ALL --ro-bind / / --dev /dev --proc /proc --tmpfs /sys
    --tmpfs /tmp --dir /tmp/selfcritic-draft --chdir /tmp/selfcritic-draft"""


@dataclass(frozen=True)
class SandboxResult:
    """How a program ended and what it wrote, the latter cut off at `OUTPUT_BYTES`."""

    stdout: str
    stderr: str
    returncode: int | None
    """None when the time was up; 128 and the signal's number when a signal ended it, as in a shell."""
    timed_out: bool
    isolation: Isolation


def run_python(
    program: str, *, stdin: str = "", seconds: float = 2.0, memory_mb: int = 512, isolate: bool = True
) -> SandboxResult:
    """Run a program as `__main__`, with the standard library only, and wait for its end.

    Without `isolate` it starts some milliseconds sooner and gets the limits alone.
    """
    isolation, prefix = _strongest() if isolate else ("none", ())
    source = program.encode("utf-8", "surrogatepass")
    limits = [math.ceil(seconds) + 1, OUTPUT_BYTES, _PROCESSES, _OPEN_FILES, 0]
    if sys.platform == "linux":  # macOS refuses a limit of the address space
        limits.append(memory_mb * 2**20)
    command = [*prefix, *_PYTHON, _LAUNCHER, *map(str, (len(source), *limits))]
    return _run(command, source + stdin.encode("utf-8", "surrogatepass"), {}, seconds, 2 * memory_mb, isolation)


def run_tool(
    command: Sequence[str], *, stdin: str = "", files: Mapping[str, str] | None = None, seconds: float = 60.0
) -> SandboxResult:
    """Run a program that is to be trusted, such as a linter, on a text that is not, and wait for its end.

    It gets an empty environment, a fresh working directory with `files` in it, and limits of time, memory and size of
    files.
    """
    limited = [*_PYTHON, _LIMITED, str(TOOL_BYTES), *command]
    return _run(limited, stdin.encode("utf-8", "replace"), files or {}, seconds, TOOL_MB, "none")


def _run(
    command: list[str], stdin: bytes, files: Mapping[str, str], seconds: float, memory_mb: int, isolation: Isolation
) -> SandboxResult:
    with tempfile.TemporaryDirectory(prefix="selfcritic-") as name:
        directory = Path(name)
        (directory / "stdin").write_bytes(stdin)
        (directory / "work").mkdir()
        for file, text in files.items():
            (directory / "work" / file).write_bytes(text.encode("utf-8", "replace"))
        returncode = _wait(command, directory, seconds, memory_mb)
        # The limit of file size keeps both small: a program's output never comes into this process' memory unread.
        stdout, stderr = ((directory / stream).read_text("utf-8", "replace") for stream in ("stdout", "stderr"))
    return SandboxResult(stdout, stderr, returncode, returncode is None, isolation)


def _wait(command: list[str], directory: Path, seconds: float, memory_mb: int) -> int | None:
    """Run a command with its streams in the directory; None when its time was up."""
    cwd = directory / "work"
    with contextlib.ExitStack() as stack:
        stdin = stack.enter_context((directory / "stdin").open("rb"))
        stdout, stderr = (stack.enter_context((directory / stream).open("wb")) for stream in ("stdout", "stderr"))
        process = stack.enter_context(
            subprocess.Popen(
                command, stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd, env={}, start_new_session=True
            )
        )
        # Not `wait(seconds)`: that looks every so often, and so would notice the end up to 50 ms late.
        timer = threading.Timer(seconds, _kill_group, [process.pid])
        is_over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, memory_mb * 2**20, is_over))
        deadline = time.monotonic() + seconds
        timer.start()
        watcher.start()
        try:
            returncode = process.wait()
        finally:
            timer.cancel()
            is_over.set()
            watcher.join()
            _kill_group(process.pid)
    if returncode == -signal.SIGKILL and time.monotonic() >= deadline:
        return None
    return returncode if returncode >= 0 else 128 - returncode


def _watch(leader: int, most: int, is_over: threading.Event) -> None:
    """Kill a group once it and all that it started hold more than so many bytes: limits are each process' own."""
    while not is_over.wait(_LOOK_EVERY):
        if sum(map(_held, _family(leader))) > most:
            _kill_group(leader)
            return


def _family(leader: int) -> list[int]:
    """A process and its descendants; on a system without Linux's /proc none."""
    family = [leader]
    for process in family:
        with contextlib.suppress(OSError):  # it has ended
            for thread in Path(f"/proc/{process}/task").iterdir():
                family += map(int, (thread / "children").read_text().split())
    return family


def _held(process: int) -> int:
    """The bytes of memory that a process holds, those of mapped files left out."""
    with contextlib.suppress(OSError):
        resident, get_model = map(int, Path(f"/proc/{process}/statm").read_text().split()[1:3])
        return (resident - get_model) * resource.getpagesize()
    return 0


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


@functools.cache
def _strongest() -> tuple[Isolation, tuple[str, ...]]:
    """The first way of isolation that works on this machine, and the command that goes before the program's."""
    for isolation, (tool, *rest) in _ways():
        path = shutil.which(tool)  # in full: the program's environment has no PATH
        if path and _starts((path, *rest)):
            return isolation, (path, *rest)
    return "none", ()


def _starts(prefix: tuple[str, ...]) -> bool:
    # An interpreter that cannot reach its own library takes another's, if it finds one.
    command = [*prefix, *_PYTHON, f"import sys, resource; sys.exit(sys.prefix != {sys.base_prefix!r})"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env={}, check=False).returncode == 0


def _ways() -> Iterator[tuple[Isolation, tuple[str, ...]]]:
    # A virtual environment below /tmp, where packages are that a program may be told of, stays in sight.
    kept = sys.prefix if Path(sys.prefix).is_relative_to("/tmp") else ""  # noqa: S108 - not ours
    unshare = (*_UNSHARE, kept or "sh", *_POWERLESS)
    if os.geteuid() == 0:
        # As nobody, since root may fork without limit; with the right to read all where the interpreter is root's own.
        for rights in ("-all", "-all,+dac_read_search"):
            caps = (f"--{kind}={rights}" for kind in ("bounding-set", "inh-caps", "ambient-caps"))
            yield "unshare", ("unshare", *unshare, *_NOBODY, *caps)
    visible = ("--ro-bind", kept, kept) if kept else ()
    yield "bubblewrap", ("bwrap", *_BUBBLEWRAP.split(), *visible)
    own = ("--user", "--map-root-user")
    yield "unshare", ("unshare", *own, *unshare, "--bounding-set=-all", "--inh-caps=-all")
