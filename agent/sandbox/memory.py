"""Add up the memory that processes use, in the kernel too.

The sum includes shared memory, but no mapped files. Of the kernel's memory it includes page tables, and an upper bound
on what a process can make the kernel keep: records of mappings, and buffers of sockets and pipes.
"""

import contextlib
import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_RESIDENT = ("RssAnon", "RssShmem", "VmSwap")
_STATUS = re.compile(r"^(RssAnon|RssShmem|VmSwap|VmPTE|VmSize):\s+(\d+) kB", re.MULTILINE)
_PROPORTIONAL = re.compile(r"^(?:Pss_(?:Anon|Shmem)|SwapPss):\s+(\d+) kB", re.MULTILINE)

_PIPE_KB = 64
_BUFFERS_PER_SOCKET = 3
"""A buffer can be exceeded by one message of half its size, and a closed peer's buffer may still be full."""

_PAGES_KB_PER_MAPPING_KB = 16
"""A mapping has at least one page of 4 kB, and a record of 0.2 kB."""
_MAX_MAPPINGS_KB = 32 * 1024


def use_more_than(max_kb: int, processes: Sequence[int], max_files: int) -> bool:
    """Return whether the processes together use more memory than a limit.

    `max_files` is the number of files that a process can have open.
    """
    kernel_kb = 0
    resident: dict[int, int] = {}
    for process in processes:
        thread, status = _read_status(process)
        if status:
            kernel_kb += status["VmPTE"]
            kernel_kb += min(status["VmSize"] // _PAGES_KB_PER_MAPPING_KB, _MAX_MAPPINGS_KB)
            resident[thread] = sum(status.get(name, 0) for name in _RESIDENT)
    kernel_kb += _buffers_kb(resident, max_files)
    if kernel_kb + sum(resident.values()) <= max_kb:
        return False
    # Memory that several processes share was counted several times. The exact sum takes longer.
    used_kb = kernel_kb
    for thread, resident_kb in resident.items():
        used_kb += _proportional_kb(thread) or resident_kb
    return used_kb > max_kb


def _read_status(process: int) -> tuple[int, dict[str, int]]:
    """Return a living thread, and the memory in its status; the status of a process that has ended is empty.

    The first thread can end before the others. Then the status of the process shows no memory.
    """
    status = _read_thread(process)
    if status:
        return process, status
    with contextlib.suppress(OSError):
        for folder in Path(f"/proc/{process}/task").iterdir():
            thread = int(folder.name)
            status = _read_thread(thread)
            if status:
                return thread, status
    return process, {}


def _read_thread(thread: int) -> dict[str, int]:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{thread}/status").read_text()
        return {name: int(number) for name, number in _STATUS.findall(text)}
    return {}


def _proportional_kb(thread: int) -> int:
    """Return the memory of a thread's process, with its part of what it shares; 0 if that cannot be read."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{thread}/smaps_rollup").read_text()
        return sum(int(number) for number in _PROPORTIONAL.findall(text))
    return 0


def _buffers_kb(threads: Iterable[int], max_files: int) -> int:
    """Return the size of the buffers that the threads' sockets and pipes can fill."""
    sockets: set[str] = set()
    pipes: set[str] = set()
    hidden = 0
    for thread in threads:
        try:
            files = _open_files(thread)
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
        except PermissionError:  # a process can hide its files
            hidden += max_files
            continue
        sockets.update(file for file in files if file.startswith("socket:"))
        pipes.update(file for file in files if file.startswith("pipe:"))
    return (hidden + len(sockets)) * _socket_kb() + len(pipes) * _PIPE_KB


def _open_files(thread: int) -> list[str]:
    files: list[str] = []
    for link in Path(f"/proc/{thread}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # closed meanwhile
            files.append(str(link.readlink()))
    return files


@functools.cache
def _socket_kb() -> int:
    buffer = 212_992
    with contextlib.suppress(OSError):
        buffer = int(Path("/proc/sys/net/core/wmem_default").read_text())
    return _BUFFERS_PER_SOCKET * buffer // 1024
