"""Measure the memory of processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from selfcritic.agent.sandbox.memory import use_more_than
from selfcritic.agent.sandbox.watcher import find_tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")

MB = 1024
MAX_FILES = 64
PRELUDE = """
import ctypes, mmap, os, socket, threading, time
def ready():
    print(os.getpid(), flush=True)
    time.sleep(60)
"""
Start = Callable[[str], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program, and return its process once it calls `ready`."""
    processes: list[subprocess.Popen[str]] = []

    def start_program(program: str) -> int:
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", PRELUDE + program], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline()
        return process.pid

    yield start_program
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("program", "used_mb"),
    [
        ("kept = b'x' * (80 << 20)", 80),
        ("kept = mmap.mmap(-1, 80 << 20); kept.write(bytes(80 << 20))", 80),
        ("kept = [socket.socketpair() for _ in range(100)]", 100 * 2 * 208 // 1024),
        ("kept = [os.pipe() for _ in range(300)]", 300 * 64 // 1024),
        (
            "libc = ctypes.CDLL(None)\n"
            "libc.mmap.restype = ctypes.c_void_p\n"
            "for n in range(5_000):\n"
            "    place = ctypes.c_void_p(0x1000_0000_0000 + (n << 30))\n"
            "    ctypes.string_at(libc.mmap(place, 4096, 1, 0x32, -1, 0), 1)",
            5_000 * 8 // 1024,
        ),
        (
            "libc = ctypes.CDLL(None)\n"
            "libc.mmap.restype = ctypes.c_void_p\n"
            "start = libc.mmap(None, 200 << 20, 0, 0x22, -1, 0)\n"
            "for page in range(start, start + (200 << 20), 8192):\n"
            "    libc.mprotect(ctypes.c_void_p(page), 4096, 1)",
            200 * 1024 // 4 * 200 // 1024 // 1024,
        ),
    ],
    ids=["private", "shared", "sockets", "pipes", "page tables", "mappings"],
)
def test_counts_memory_of_each_kind(start: Start, program: str, used_mb: int):
    process = start(program + "\nready()")
    idle = start("ready()")
    assert use_more_than(used_mb * MB, [process], MAX_FILES)
    assert not use_more_than(60 * MB, [idle], MAX_FILES)


def test_counts_memory_after_the_end_of_the_first_thread(start: Start):
    process = start("""
def fill():
    kept = b"x" * (80 << 20)
    time.sleep(0.5)
    ready()
threading.Thread(target=fill).start()
ctypes.CDLL(None).pthread_exit(None)
""")
    assert use_more_than(80 * MB, [process], MAX_FILES)


def test_shared_memory_and_sockets_are_counted_once(start: Start):
    process = start("""
kept = b"x" * (60 << 20), [socket.socketpair() for _ in range(20)]
if os.fork():
    ready()
time.sleep(60)
""")
    processes = find_tree(process)
    assert len(processes) == 2
    assert use_more_than(60 * MB, processes, MAX_FILES)
    assert not use_more_than(140 * MB, processes, MAX_FILES)
    os.kill(processes[1], signal.SIGKILL)


def test_ended_processes_use_nothing():
    process = subprocess.Popen([sys.executable, "-c", ""])
    while use_more_than(0, [process.pid], MAX_FILES):
        pass  # until it is a zombie, whose files cannot be read
    process.wait()
    assert not use_more_than(0, [process.pid], MAX_FILES)


def test_hidden_files_count_as_sockets(start: Start, monkeypatch: pytest.MonkeyPatch):
    def refuse(thread: int) -> list[str]:
        raise PermissionError(thread)

    process = start("ready()")
    assert not use_more_than(60 * MB, [process], MAX_FILES)
    monkeypatch.setattr("selfcritic.agent.sandbox.memory._open_files", refuse)
    assert use_more_than(MAX_FILES * 2 * 208, [process], MAX_FILES)
    assert use_more_than(100 * MB, [process], 200)
