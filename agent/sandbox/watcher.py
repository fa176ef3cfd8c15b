"""Kill a group of processes that uses too much memory."""

import contextlib
import os
import re
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

_POLL_SECONDS = 0.05
_RESIDENT = re.compile(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", re.MULTILINE)
_PROPORTIONAL = re.compile(r"^Pss_(?:Anon|Shmem):\s+(\d+) kB", re.MULTILINE)


def watch(leader: int, max_kb: int, max_processes: int, is_over: threading.Event) -> None:
    """Kill a process group once its processes together exceed a limit.

    The kernel's limits apply to each process separately. The sum includes shared memory, but no mapped files.
    """
    while not is_over.wait(_POLL_SECONDS):
        processes = find_tree(leader)
        if len(processes) > max_processes or _exceeds(processes, max_kb):
            kill_group(leader)
            return


def find_tree(leader: int) -> list[int]:
    """Return a process and its descendants; only the process itself without /proc."""
    processes = [leader]
    for process in processes:  # grows while it is read
        with contextlib.suppress(OSError):  # the process has ended
            for thread in Path(f"/proc/{process}/task").iterdir():
                children = (thread / "children").read_text()
                processes += map(int, children.split())
    return processes


def kill_group(leader: int) -> None:
    """Kill a process group, unless it has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _exceeds(processes: Sequence[int], max_kb: int) -> bool:
    resident = {process: _sum_kb(process, "status", _RESIDENT) for process in processes}
    if sum(resident.values()) <= max_kb:
        return False
    # Memory that several processes share was counted several times. The exact sum takes longer.
    used_kb = 0
    for process, resident_kb in resident.items():
        used_kb += _sum_kb(process, "smaps_rollup", _PROPORTIONAL) or resident_kb
    return used_kb > max_kb


def _sum_kb(process: int, file: str, pattern: re.Pattern[str]) -> int:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{process}/{file}").read_text()
        return sum(int(number) for number in pattern.findall(text))
    return 0
