"""What isolated programs cannot see or change."""

import ast
import errno
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from selfcritic.agent.sandbox.isolation import strongest_launch
from selfcritic.agent.sandbox.run import run_python

ISOLATED = run_python("").isolation != "none"
pytestmark = pytest.mark.skipif(not ISOLATED, reason="the sandbox cannot isolate here")


def test_other_processes_are_invisible():
    result = run_python(
        f"import os; print(os.path.exists('/proc/{os.getpid()}'), os.listdir('/proc').count('1'))"
    )
    assert result.stdout == f"{os.getpid() < 5} 1\n"
    program = (
        "import glob\nfor p in glob.glob('/proc/*/environ'):\n"
        "  try: print(open(p).read())\n  except OSError: pass"
    )
    assert "PATH" not in run_python(program).stdout


def test_network_is_unreachable():
    program = "import socket\ns = socket.socket()\ns.settimeout(1)\ns.connect(('1.1.1.1', 53))"
    assert "unreachable" in run_python(program).stderr


def test_files_outside_cannot_be_written(tmp_path: Path):
    tmp_path.chmod(0o777)
    folders = (tmp_path, "/dev/shm", "/var/tmp", Path.home())  # noqa: S108 - not written to
    paths = [Path(folder) / "selfcritic-x" for folder in folders]
    program = (
        f"for p in {[str(path) for path in paths]}:\n"
        "  try: open(p, 'w').write('x')\n  except OSError: print('no')"
    )
    result = run_python(program)
    assert not any(path.exists() for path in paths)
    assert result.stdout.count("no") >= 3  # bubblewrap has a private /dev/shm


def test_virtual_environment_below_tmp_is_read_only(monkeypatch: pytest.MonkeyPatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "package.py").write_text("here")
        monkeypatch.setattr(sys, "prefix", folder)
        strongest_launch.cache_clear()
        try:
            result = run_python(
                f"f = {folder!r} + '/package.py'; print(open(f).read()); open(f, 'w')"
            )
        finally:
            strongest_launch.cache_clear()
        assert result.isolation != "none"
        assert result.stdout == "here\n"
        assert "Read-only file system" in result.stderr


def test_sockets_and_pipes_of_the_host_are_out_of_reach(tmp_path: Path):
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as name,
        socket.socket(socket.AF_UNIX) as server,
    ):
        folder = Path(name)
        folder.chmod(0o777)
        server.bind(str(folder / "socket"))
        (folder / "socket").chmod(0o777)
        server.listen()
        os.mkfifo(folder / "pipe")
        (folder / "pipe").chmod(0o666)
        reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        program = f"""
import os, socket
try: os.open({str(folder / "pipe")!r}, os.O_WRONLY | os.O_NONBLOCK)
except OSError as error: print(error.errno)
try: socket.socket(socket.AF_UNIX).connect({str(folder / "socket")!r})
except OSError as error: print(error.errno)
"""
        assert run_python(program).stdout == f"{errno.ENOENT}\n{errno.EAFNOSUPPORT}\n"
        os.close(reader)


def test_only_the_interpreter_and_the_system_are_visible():
    program = """
import os
print(sorted(name for name in os.listdir("/") if os.path.isdir("/" + name) and os.listdir("/" + name)))
print(os.listdir("/tmp"), os.listdir("/dev/shm"), os.path.exists("/etc/passwd"))
"""
    lines = run_python(program).stdout.splitlines()
    hidden = {"home", "mnt", "media", "run", "srv", "sys", "var", "boot"}
    for name in (sys.prefix, sys.base_prefix):
        hidden.discard(Path(name).parts[1])
    assert hidden.isdisjoint(ast.literal_eval(lines[0]))
    assert lines[1] == "['selfcritic-draft'] [] False" or sys.prefix.startswith("/tmp")  # noqa: S108


@pytest.mark.parametrize(
    "call",
    [
        "unshare(0x10000000)",  # a user namespace
        "syscall(56 if os.uname().machine == 'x86_64' else 220, 0x10000000 | 17, 0, 0, 0, 0)",  # by clone
        "syscall(250 if os.uname().machine == 'x86_64' else 219, 0, -3, 0)",  # the session's keyring
        "ptrace(0, 0, 0, 0)",
        "mount(b'none', b'/', None, 32 | 4096, None)",
        "memfd_create(b'x', 0)",
        "shmget(0, 4096, 0o1600)",
    ],
)
def test_system_calls_are_denied(call: str):
    program = f"import ctypes, os; print(ctypes.CDLL(None).{call})"
    assert run_python(program).stdout == "-1\n"


def test_devices_create_no_memory():
    program = "import os; print(sorted(os.listdir('/dev')))"
    names = ["fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom"]
    assert run_python(program).stdout == f"{names}\n"


def test_private_folders_have_size_limits():
    program = """
import os
for folder in (".", "/dev/shm"):
    try:
        for number in range(40): open(f"{folder}/{number}", "wb").write(bytes(900_000))
    except OSError as error: print(error.errno)
"""
    assert run_python(program, seconds=20).stdout == f"{errno.ENOSPC}\n" * 2


def test_mounts_cannot_be_changed():
    remount = "import ctypes; print(ctypes.CDLL(None).mount(b'none', b'/', None, 32 | 4096, None))"
    assert run_python(remount).stdout == "-1\n"


def test_number_of_processes_is_limited():
    if run_python("").isolation == "bubblewrap" and os.geteuid() == 0:
        pytest.skip("root's bubblewrap does not limit the number of processes")
    # Stops by itself in case the limit fails.
    program = """
import os, time
n = 0
try:
    while n < 300:
        if os.fork() == 0:
            time.sleep(30)
        n += 1
except OSError:
    print(n)
"""
    assert 0 <= int(run_python(program).stdout) < 64
