"""Deny system calls, and keep the standard library working."""

import socket
import sys
from pathlib import Path

import pytest

from selfcritic.agent.sandbox.run import run_python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux filters system calls")
ISOLATED = run_python("").isolation != "none"


@pytest.fixture(params=[True, False], ids=["isolated", "bare"])
def isolate(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize(
    "call",
    [
        "mmap.mmap(-1, 4096)",
        "fcntl.fcntl(os.pipe()[1], 1031, 1 << 20)",
        "select.epoll()",
        "os.splice(0, os.pipe()[1], 1)",
        "os.sendfile(os.pipe()[1], 0, 0, 1)",
        "socket.socketpair(type=socket.SOCK_DGRAM)",
        "socket.socketpair(type=socket.SOCK_SEQPACKET)",
        "check(libc.inotify_init())",
        "check(libc.inotify_init1(0))",
        "check(libc.epoll_create(1))",
        "check(libc.vmsplice(1, 0, 0, 0))",
        "check(libc.tee(0, 1, 1, 0))",
        "check(libc.syscall(444, 0, 0, 1))",
        "check(libc.syscall(206 if os.uname().machine == 'x86_64' else 0, 1, 0))",
    ],
)
def test_calls_that_keep_memory_in_the_kernel_are_denied(call: str, isolate: bool):
    program = f"""
import ctypes, fcntl, mmap, os, select, socket
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result < 0: raise OSError(ctypes.get_errno(), "")
try: {call}
except PermissionError: print("denied")
"""
    assert run_python(program, isolate=isolate).stdout == "denied\n"


def test_a_pair_of_sockets_cannot_send_to_the_host(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        path = str(tmp_path / "s")
        server.bind(path)
        server.setblocking(False)
        program = f"""
import socket
for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC):
    try: socket.socketpair(socket.AF_UNIX, kind)[0].sendto(b"x", {path!r})
    except OSError: print("no")
"""
        assert run_python(program, isolate=False).stdout == "no\n" * 3
        with pytest.raises(BlockingIOError):
            server.recv(1)


def test_socket_buffers_keep_their_size(isolate: bool):
    program = """
import socket
end, other = socket.socketpair()
for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
    before = end.getsockopt(socket.SOL_SOCKET, option)
    end.setsockopt(socket.SOL_SOCKET, option, 1 << 22)
    print(end.getsockopt(socket.SOL_SOCKET, option) == before)
end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
print(end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
"""
    assert run_python(program, isolate=isolate).stdout == "True\nTrue\n1\n"


@pytest.mark.skipif(not ISOLATED, reason="needs isolation")
def test_sockets_cannot_connect():
    program = """
import errno, socket
server = socket.socket()
server.bind(("0.0.0.0", 0))
server.listen()
address = ("127.0.0.1", server.getsockname()[1])
print(errno.errorcode[socket.socket().connect_ex(address)])
for call in ("sendto", "sendmsg"):
    client = socket.socket()
    try:
        if call == "sendto": client.sendto(b"x", socket.MSG_FASTOPEN, address)
        else: client.sendmsg([b"x"], [], socket.MSG_FASTOPEN, address)
    except OSError as error: print(errno.errorcode[error.errno])
"""
    assert run_python(program).stdout == "ENETUNREACH\n" * 3


WORKING = {
    "asyncio": """
import asyncio
async def main():
    process = await asyncio.create_subprocess_exec("/bin/echo", "ok", stdout=-1)
    output, _ = await process.communicate()
    await asyncio.to_thread(print, output.decode().strip())
asyncio.run(main())
""",
    "multiprocessing": """
import multiprocessing
context = multiprocessing.get_context("fork")
near, far = context.Pipe()
value = context.Value("i", 3)
with context.Pool(2) as pool:
    near.send([*pool.map(abs, [-1, -2]), value.value])
print("ok" if far.recv() == [1, 2, 3] else "wrong")
""",
    "executor": """
import concurrent.futures
with concurrent.futures.ProcessPoolExecutor(2) as pool:
    print("ok" if list(pool.map(abs, [-1, -2])) == [1, 2] else "wrong")
""",
    "shared memory": """
from multiprocessing import shared_memory
memory = shared_memory.SharedMemory(create=True, size=10)
memory.buf[:2] = b"ok"
print(bytes(memory.buf[:2]).decode())
memory.close()
memory.unlink()
""",
    "copied file": """
import shutil
open("a", "w").write("ok")
shutil.copyfile("a", "b")
print(open("b").read())
""",
    "database": """
import sqlite3
connection = sqlite3.connect("file.db")
connection.execute("create table t (name text)")
connection.execute("insert into t values ('ok')")
connection.commit()
print(*connection.execute("select name from t").fetchone())
""",
    "mapped file": """
import mmap
with open("a", "w+b") as file:
    file.write(b"no")
    file.flush()
    with mmap.mmap(file.fileno(), 0) as memory: memory[:] = b"ok"
    print(open("a").read())
""",
    "socket": """
import socket
near, far = socket.socketpair()
near.sendall(b"ok")
print(far.recv(9).decode())
""",
}


@pytest.mark.parametrize("program", WORKING.values(), ids=WORKING)
def test_standard_library_works(program: str, isolate: bool):
    result = run_python(program, seconds=20, isolate=isolate)
    assert (result.stdout, result.returncode) == ("ok\n", 0), result.stderr
