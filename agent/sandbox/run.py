"""Run untrusted Python in a separate process with limits and isolation.

Every program gets an empty environment, an empty working directory that is deleted afterwards, and only three open
streams. Hard limits apply to wall time, processor time, memory, file size, open files and processes. When the program
ends, its process group is killed. On Linux the group is also killed once its processes together use twice the memory
limit.

`SandboxResult.isolation` names the further measures:

- "bubblewrap" or "unshare": There is no network. Other processes are invisible, and no process survives the program.
  All file systems are read-only except a private /tmp, which contains the working directory. There are no capabilities.
  Root's programs run as the user `nobody`.
  Not prevented: The program can read what the user can read. Root's program can read any file if `nobody` cannot reach
  the interpreter. Root's bubblewrap limits memory and time, but not the number of processes.
- "none": No further measures. The program can write wherever the user can, open sockets, read the environment
  of this process in /proc, and leave its process group to run forever. Root has no limit on processes.
"""

import contextlib
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfcritic.agent.sandbox.isolation import PYTHON_COMMAND, Isolation, strongest_isolation

OUTPUT_BYTES = 1_000_000
"""Limit on each stream and each file of a program. Writing more fails."""

TOOL_BYTES = 20_000_000
"""The same limit for a tool."""

TOOL_MB = 4096
"""Memory limit of a tool."""

_MAX_PROCESSES = 64
_MAX_OPEN_FILES = 64
_POLL_SECONDS = 0.1

# Sets the limits inside the process, because `preexec_fn` is not safe with threads.
# Reads the program from the start of stdin: it is too long for an argument, and a file would have to be stored.
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

_TOOL_LAUNCHER = """
import os, resource, sys
size = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
os.execve(sys.argv[2], sys.argv[2:], {})
"""


@dataclass(frozen=True)
class SandboxResult:
    """Output and exit status of a program.

    The output is truncated at `OUTPUT_BYTES`, or `TOOL_BYTES` for a tool.
    """

    stdout: str
    stderr: str
    returncode: int | None
    """None after a timeout; 128 plus the signal number if a signal ended the program, as in a shell."""
    timed_out: bool
    isolation: Isolation


def run_python(
    program: str,
    *,
    stdin: str = "",
    seconds: float = 2.0,
    memory_mb: int = 512,
    isolate: bool = True,
) -> SandboxResult:
    """Run a program as `__main__` and wait for its end.

    It can import the standard library only. Without `isolate` only the limits apply, and the program starts some
    milliseconds earlier.
    """
    isolation: Isolation = "none"
    prefix: tuple[str, ...] = ()
    if isolate:
        isolation, prefix = strongest_isolation()
    source = program.encode("utf-8", "surrogatepass")
    limits = [math.ceil(seconds) + 1, OUTPUT_BYTES, _MAX_PROCESSES, _MAX_OPEN_FILES, 0]
    if sys.platform == "linux":  # macOS refuses a limit on the address space
        limits.append(memory_mb * 2**20)
    command = [*prefix, *PYTHON_COMMAND, _LAUNCHER, str(len(source)), *map(str, limits)]
    return _run(
        command,
        stdin=source + stdin.encode("utf-8", "surrogatepass"),
        files={},
        seconds=seconds,
        memory_mb=2 * memory_mb,
        isolation=isolation,
    )


def run_tool(
    command: Sequence[str],
    *,
    stdin: str = "",
    files: Mapping[str, str] | None = None,
    seconds: float = 60.0,
) -> SandboxResult:
    """Run a trusted program, such as a linter, on untrusted text.

    It gets an empty environment, a fresh working directory that contains `files`, and limits on time, memory and file
    size. It is not isolated.
    """
    return _run(
        [*PYTHON_COMMAND, _TOOL_LAUNCHER, str(TOOL_BYTES), *command],
        stdin=stdin.encode("utf-8", "replace"),
        files=files or {},
        seconds=seconds,
        memory_mb=TOOL_MB,
        isolation="none",
    )


def _run(
    command: list[str],
    *,
    stdin: bytes,
    files: Mapping[str, str],
    seconds: float,
    memory_mb: int,
    isolation: Isolation,
) -> SandboxResult:
    with tempfile.TemporaryDirectory(prefix="selfcritic-") as name:
        directory = Path(name)
        (directory / "stdin").write_bytes(stdin)
        (directory / "work").mkdir()
        for file_name, text in files.items():
            (directory / "work" / file_name).write_bytes(text.encode("utf-8", "replace"))
        returncode = _wait(command, directory, seconds, memory_mb)
        # The limit on file size bounds what is read here.
        stdout = (directory / "stdout").read_text("utf-8", "replace")
        stderr = (directory / "stderr").read_text("utf-8", "replace")
    return SandboxResult(stdout, stderr, returncode, returncode is None, isolation)


def _wait(command: list[str], directory: Path, seconds: float, memory_mb: int) -> int | None:
    """Run a command with its streams in the directory.

    Returns its exit code, or None after a timeout.
    """
    with contextlib.ExitStack() as stack:
        stdin = stack.enter_context((directory / "stdin").open("rb"))
        stdout = stack.enter_context((directory / "stdout").open("wb"))
        stderr = stack.enter_context((directory / "stderr").open("wb"))
        process = stack.enter_context(
            subprocess.Popen(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=directory / "work",
                env={},
                start_new_session=True,
            )
        )
        # `wait(seconds)` polls and would notice the end up to 50 ms late.
        timer = threading.Timer(seconds, _kill_group, [process.pid])
        is_over = threading.Event()
        watcher = threading.Thread(
            target=_watch_memory, args=(process.pid, memory_mb * 2**20, is_over)
        )
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


def _watch_memory(leader: int, max_bytes: int, is_over: threading.Event) -> None:
    """Kill a process group once its processes together exceed the limit.

    The kernel's limits apply to each process separately.
    """
    while not is_over.wait(_POLL_SECONDS):
        used_bytes = sum(_resident_bytes(process) for process in _process_tree(leader))
        if used_bytes > max_bytes:
            _kill_group(leader)
            return


def _process_tree(leader: int) -> list[int]:
    """Return a process and its descendants; only the process itself without /proc."""
    processes = [leader]
    for process in processes:  # grows while it is read
        with contextlib.suppress(OSError):  # the process has ended
            for thread in Path(f"/proc/{process}/task").iterdir():
                children = (thread / "children").read_text()
                processes += map(int, children.split())
    return processes


def _resident_bytes(process: int) -> int:
    """Return the memory that a process uses, without mapped files."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/statm").read_text().split()
        resident_pages = int(fields[1])
        shared_pages = int(fields[2])
        return (resident_pages - shared_pages) * resource.getpagesize()
    return 0


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
