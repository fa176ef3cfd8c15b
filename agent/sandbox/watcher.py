"""Kill a group of processes that uses too much memory."""

import contextlib
import os
import signal
import threading
from pathlib import Path

from selfcritic.agent.sandbox.memory import use_more_than

_POLL_SECONDS = 0.05


def watch(
    leader: int, max_kb: int, max_processes: int, max_files: int, is_over: threading.Event
) -> None:
    """Kill a process group once its processes together exceed a limit.

    The kernel's limits apply to each process separately. `max_files` is the limit on the open files of each process.
    """
    while not is_over.wait(_POLL_SECONDS):
        processes = find_tree(leader)
        if len(processes) > max_processes or use_more_than(max_kb, processes, max_files):
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
