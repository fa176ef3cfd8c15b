"""Hostile and broken programs in the sandbox: each is stopped, and nothing of it stays."""

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from selfcritic.agent.sandbox.isolation import strongest_isolation
from selfcritic.agent.sandbox.run import OUTPUT_BYTES, SandboxResult, run_python

ISOLATED = run_python("").isolation != "none"
needs_isolation = pytest.mark.skipif(not ISOLATED, reason="neither bwrap nor unshare works on this machine")


@pytest.fixture(params=[True, False], ids=["isolated", "bare"])
def isolate(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def processes_with(mark: str) -> list[str]:
    """The processes of this machine that have a mark in their command line."""
    listed = subprocess.run(["/bin/ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if mark in line]


def assert_gone(mark: str) -> None:
    deadline = time.monotonic() + 3
    while processes_with(mark):
        assert time.monotonic() < deadline, processes_with(mark)
        time.sleep(0.02)


def test_a_program_runs(isolate: bool):
    result = run_python("import sys\nprint(sys.stdin.read() + '!')\nprint('oh', file=sys.stderr)", stdin="hello")
    assert (result.stdout, result.stderr, result.returncode, result.timed_out) == ("hello!\n", "oh\n", 0, False)


def test_without_isolation_the_result_says_so():
    assert run_python("pass", isolate=False) == SandboxResult("", "", 0, False, "none")


def test_unicode_goes_through(isolate: bool):
    result = run_python("print('naïve 日本 🙂', input())", stdin="žluťoučký\r\n", isolate=isolate)
    assert result.stdout == "naïve 日本 🙂 žluťoučký\n"
    assert run_python("import sys; sys.stdout.buffer.write(b'\\xff')", isolate=isolate).stdout == "\ufffd"


@pytest.mark.parametrize("program", ["\ud800", "x = '\0'", "def", "(" * 5000, "é" * 300_000])
def test_what_is_no_python_fails(program: str, isolate: bool):
    result = run_python(program, isolate=isolate)
    assert result.returncode == 1
    assert "Error" in result.stderr


def test_a_long_program_and_a_long_input_are_no_trouble(isolate: bool):
    result = run_python("#" * 3_000_000 + "\nprint(len(input()))", stdin="y" * 3_000_000, isolate=isolate)
    assert result.stdout == "3000000\n"


@pytest.mark.parametrize(
    ("program", "code"),
    [("raise SystemExit(3)", 3), ("1 / 0", 1), ("import os; os._exit(77)", 77), ("import os; os.abort()", 134)],
)
def test_exit_codes(program: str, code: int, isolate: bool):
    result = run_python(program, isolate=isolate)
    assert (result.returncode, result.timed_out) == (code, False)


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import signal\nfor s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\nwhile True: signal.pause()",
        "import os\nos.close(0), os.close(1), os.close(2)\nwhile True: pass",
    ],
)
def test_time_ends(program: str, isolate: bool):
    start = time.monotonic()
    result = run_python(program, seconds=0.3, isolate=isolate)
    assert result.timed_out
    assert result.returncode is None
    assert time.monotonic() - start < 2


def test_what_was_printed_before_the_time_was_up_is_kept(isolate: bool):
    result = run_python("print('so far', flush=True)\nwhile True: pass", seconds=0.3, isolate=isolate)
    assert (result.stdout, result.timed_out) == ("so far\n", True)


def test_memory_is_limited(isolate: bool):
    result = run_python("x = bytearray(10 * 2**30)", isolate=isolate)
    assert (result.returncode, "MemoryError" in result.stderr) == (1, True)
    assert run_python("x = bytearray(100 * 2**20)", memory_mb=50, isolate=isolate).returncode == 1


@pytest.mark.skipif(sys.platform != "linux", reason="told by Linux's /proc")
def test_memory_is_limited_over_all_processes(isolate: bool):
    # 400 MB in all, in parts that each would be allowed.
    program = """
import os, time
for _ in range(10):
    if os.fork() == 0:
        kept = b"x" * (40 * 2**20)
        break
time.sleep(60)
"""
    result = run_python(program, memory_mb=100, seconds=60, isolate=isolate)
    assert (result.returncode, result.timed_out) == (137, False)


def test_output_is_cut_off(isolate: bool):
    result = run_python("while True: print('spam' * 1000)", isolate=isolate, seconds=5)
    assert result.returncode != 0
    assert len(result.stdout) == OUTPUT_BYTES
    noisy = "import os\nwhile True:\n  try: os.write(2, b'x' * 9999)\n  except OSError: pass"
    assert len(run_python(noisy, isolate=isolate, seconds=0.3).stderr) == OUTPUT_BYTES


def test_files_are_limited(isolate: bool):
    program = (
        "try:\n  with open('big', 'wb') as f:\n    while True: f.write(bytes(2**16))\nexcept OSError as e: print(e)"
    )
    assert "too large" in run_python(program, isolate=isolate).stdout


def test_the_environment_is_empty(isolate: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAKE_API_KEY", "sk-very-secret")
    result = run_python("import os; print(dict(os.environ), os.getenvb(b'FAKE_API_KEY'))", isolate=isolate)
    assert result.stdout == "{} None\n"


@needs_isolation
def test_no_other_process_can_be_seen():
    result = run_python(f"import os; print(os.path.exists('/proc/{os.getpid()}'), os.listdir('/proc').count('1'))")
    seen = "import glob\nfor p in glob.glob('/proc/*/environ'):\n  try: print(open(p).read())\n  except OSError: pass"
    assert result.stdout == f"{os.getpid() < 5} 1\n"
    assert "PATH" not in run_python(seen).stdout


@needs_isolation
def test_there_is_no_network():
    program = "import socket\ns = socket.socket()\ns.settimeout(1)\ns.connect(('1.1.1.1', 53))"
    assert "unreachable" in run_python(program).stderr


@needs_isolation
def test_nothing_outside_can_be_written(tmp_path: Path):
    tmp_path.chmod(0o777)
    folders = (tmp_path, "/dev/shm", "/var/tmp", Path.home())  # noqa: S108 - to see that they cannot be written
    places = [Path(folder) / "selfcritic-x" for folder in folders]
    program = f"for p in {[str(p) for p in places]}:\n  try: open(p, 'w').write('x')\n  except OSError: print('no')"
    result = run_python(program)
    assert not any(place.exists() for place in places)
    assert result.stdout.count("no") >= 3  # bubblewrap has a /dev/shm of its own


@needs_isolation
def test_a_virtual_environment_below_tmp_can_be_read_only(monkeypatch: pytest.MonkeyPatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "package.py").write_text("here")
        monkeypatch.setattr(sys, "prefix", folder)
        strongest_isolation.cache_clear()
        try:
            result = run_python(f"f = {folder!r} + '/package.py'; print(open(f).read()); open(f, 'w')")
        finally:
            strongest_isolation.cache_clear()
        assert result.isolation != "none"
        assert result.stdout == "here\n"
        assert "Read-only file system" in result.stderr


@needs_isolation
def test_the_mounts_cannot_be_undone():
    remount = "import ctypes; print(ctypes.CDLL(None).mount(b'none', b'/', None, 32 | 4096, None))"
    assert run_python(remount).stdout == "-1\n"


@needs_isolation
def test_a_fork_bomb_is_bounded():
    if run_python("").isolation == "bubblewrap" and os.geteuid() == 0:
        pytest.skip("root's bubblewrap does not bound the number of processes")
    # Bounded by itself as well, in case the limit should fail.
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


@pytest.mark.parametrize("session", ["", "os.setsid()"])
def test_nothing_that_was_started_stays(session: str, isolate: bool):
    if session and not (isolate and ISOLATED):
        pytest.skip("without isolation a new session leaves the group that is killed")
    mark = f"left-over-{os.getpid()}"
    program = f"""
import os, sys, time
if os.fork() == 0:
    {session or "pass"}
    os.execv({sys.executable!r}, ["python", "-S", "-c", "import time; time.sleep(60)", "{mark}"])
time.sleep(0.2)
"""
    assert run_python(program, isolate=isolate).returncode == 0
    assert_gone(mark)
    run_python(program + "time.sleep(60)", seconds=0.4, isolate=isolate)
    assert_gone(mark)


def test_the_directory_is_fresh_and_goes(isolate: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = "import os; print(os.listdir('.')); open('a', 'w').write('x'); os.mkdir('b'); print(len(os.listdir('.')))"
    assert run_python(program, isolate=isolate).stdout == "[]\n2\n"
    assert list(tmp_path.iterdir()) == []


def test_only_the_streams_are_open(isolate: bool):
    with Path(__file__).open() as file:
        os.set_inheritable(file.fileno(), True)
        program = f"import os\ntry: os.fstat({file.fileno()}); print('open')\nexcept OSError: print('closed')"
        assert run_python(program, isolate=isolate).stdout == "closed\n"


def test_limits_cannot_be_raised(isolate: bool):
    program = "import resource as r\nr.setrlimit(r.RLIMIT_AS, (2**40, 2**40))"
    result = run_python(program, isolate=isolate)
    # Without isolation root may do so.
    assert result.returncode == 1 or (result.isolation == "none" and os.geteuid() == 0)


def test_many_threads_at_once(isolate: bool):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: run_python(f"print({n})", seconds=20, isolate=isolate), range(24)))
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(24)]
