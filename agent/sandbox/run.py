"""Run untrusted Python in a separate process with limits and isolation.

Every program gets an empty environment, an empty working directory that is deleted afterwards, and only three open
streams. Hard limits apply to wall time, processor time, memory, file size, open files and processes. When the program
ends, its process group is killed. On Linux it is also killed once its processes together use twice the memory limit.
That includes shared memory, page tables, and the buffers of sockets and pipes.

On Linux with x86-64 or ARM64, system calls are denied that trace processes, use keyrings, create namespaces or mounts,
or create memory that belongs to no process, such as `mmap.mmap(-1, size)`, which is shared. Sockets can neither connect
nor get larger buffers, and there is no `epoll`.

`SandboxResult.isolation` names the further measures:

- "bubblewrap" or "unshare": The program runs as `nobody` without capabilities, in its own namespaces. It sees the
  interpreter, its packages, /usr, /lib and a few devices, all read-only. Only /tmp, which contains the working
  directory, and /dev/shm are writable; they are empty at the start and limited to 16 MB each. Files, processes,
  sockets and keyrings of the host are out of reach, and there is no network. No process survives the program.
  "unshare" needs root's rights or a user namespace, and no other program.
- "none": The program can read and write what the user can, signal and inspect the user's processes, and leave its
  process group to run forever. Root has no limit on processes. On Linux it can create no sockets
  except `socket.socketpair()`, and cannot signal all processes at once. Each run logs a warning.
"""

import contextlib
import io
import logging
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import BinaryIO

from selfcritic.agent.sandbox.isolation import (
    PYTHON_COMMAND,
    Isolation,
    Launch,
    find_isolation_problem,
    strongest_launch,
)
from selfcritic.agent.sandbox.watcher import kill_group, watch

OUTPUT_BYTES = 1_000_000
"""Limit on each stream and each file of a program. Writing more fails."""

TOOL_BYTES = 20_000_000
"""The same limit for a tool."""

TOOL_MB = 4096
"""Memory limit of a tool."""

MAX_PROCESSES = 64
"""Limit on the processes and threads of a program."""

_MAX_OPEN_FILES = 64
_MAX_TOOL_PROCESSES = 1000
_logger = logging.getLogger(__name__)

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
    program: str | CodeType,
    *,
    stdin: str = "",
    seconds: float = 2.0,
    memory_mb: int = 512,
    isolate: bool = True,
    is_trusted: bool = False,
) -> SandboxResult:
    """Run a program as `__main__` and wait for its end.

    It can import the standard library only. Without `isolate` the isolation is "none", and the program starts some
    milliseconds earlier. A trusted program, which does not run code from its stdin, may lack isolation silently.
    """
    launch = Launch("none")
    if isolate:
        launch = strongest_launch()
        problem = find_isolation_problem()
        if problem and not is_trusted:
            _logger.warning("warning: the code of a draft runs without isolation: %s", problem)
    command, payload = launch.command(program, _limits(seconds, memory_mb))
    return _run(
        command,
        stdin=payload + stdin.encode("utf-8", "surrogatepass"),
        files={},
        seconds=seconds,
        memory_mb=2 * memory_mb,
        max_processes=MAX_PROCESSES + 4,  # with those of the launcher
        isolation=launch.isolation,
    )


def _limits(seconds: float, memory_mb: int) -> dict[str, int]:
    limits = {
        "RLIMIT_CPU": math.ceil(seconds) + 1,
        "RLIMIT_FSIZE": OUTPUT_BYTES,
        "RLIMIT_NPROC": MAX_PROCESSES,
        "RLIMIT_NOFILE": _MAX_OPEN_FILES,
        "RLIMIT_CORE": 0,
    }
    if sys.platform == "linux":  # macOS refuses a limit on the address space
        limits["RLIMIT_AS"] = memory_mb * 2**20
    return limits


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
        max_processes=_MAX_TOOL_PROCESSES,
        isolation="none",
    )


def _run(
    command: list[str],
    *,
    stdin: bytes,
    files: Mapping[str, str],
    seconds: float,
    memory_mb: int,
    max_processes: int,
    isolation: Isolation,
) -> SandboxResult:
    with contextlib.ExitStack() as stack:
        # Files without names: a program cannot replace them.
        streams = [stack.enter_context(tempfile.TemporaryFile(buffering=0)) for _ in range(3)]
        streams[0].write(stdin)
        streams[0].seek(0)
        folder = Path("/")
        if isolation == "none":
            temporary = tempfile.TemporaryDirectory(
                prefix="selfcritic-", ignore_cleanup_errors=True
            )
            folder = Path(stack.enter_context(temporary))
        for name, text in files.items():
            (folder / name).write_bytes(text.encode("utf-8", "replace"))
        returncode = _wait(command, streams, folder, seconds, memory_mb, max_processes)
        stdout, stderr = (_read_text(stream) for stream in streams[1:])
    return SandboxResult(stdout, stderr, returncode, returncode is None, isolation)


def _read_text(stream: BinaryIO) -> str:
    """Read a stream, with universal newlines.

    The program shares the stream's position, and may still write while it is killed: `seek` would move its position.
    """
    content = io.BytesIO(os.pread(stream.fileno(), TOOL_BYTES, 0))
    return io.TextIOWrapper(content, "utf-8", "replace").read()


def _wait(
    command: list[str],
    streams: Sequence[BinaryIO],
    folder: Path,
    seconds: float,
    memory_mb: int,
    max_processes: int,
) -> int | None:
    """Run a command with these streams in the folder.

    Returns its exit code, or None after a timeout.
    """
    stdin, stdout, stderr = streams
    with subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=folder,
        env={},
        start_new_session=True,
    ) as process:
        # `wait(seconds)` polls and would notice the end up to 50 ms late.
        timer = threading.Timer(seconds, kill_group, [process.pid])
        is_over = threading.Event()
        watcher = threading.Thread(
            target=watch,
            args=(process.pid, memory_mb * 1024, max_processes, _MAX_OPEN_FILES, is_over),
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
            kill_group(process.pid)
    if returncode == -signal.SIGKILL and time.monotonic() >= deadline:
        return None
    return returncode if returncode >= 0 else 128 - returncode
