"""Limits on hostile and broken programs, and their clean-up."""

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from selfcritic.agent.sandbox import isolation
from selfcritic.agent.sandbox.run import OUTPUT_BYTES, SandboxResult, run_python

ISOLATED = run_python("").isolation != "none"


@pytest.fixture(params=[True, False], ids=["isolated", "bare"])
def isolate(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def processes_with(mark: str) -> list[str]:
    """Return the command lines of this machine's processes that contain the mark."""
    ps = subprocess.run(["/bin/ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in ps.stdout.splitlines() if mark in line]


def assert_gone(mark: str) -> None:
    deadline = time.monotonic() + 3
    while processes_with(mark):
        assert time.monotonic() < deadline, processes_with(mark)
        time.sleep(0.02)


def test_program_gets_stdin_and_returns_its_output(isolate: bool):
    program = "import sys\nprint(sys.stdin.read() + '!')\nprint('oh', file=sys.stderr)"
    result = run_python(program, stdin="hello", isolate=isolate)
    assert (result.stdout, result.stderr) == ("hello!\n", "oh\n")
    assert (result.returncode, result.timed_out) == (0, False)


def test_result_names_the_isolation():
    assert run_python("pass", isolate=False) == SandboxResult("", "", 0, False, "none")


def test_streams_are_utf8(isolate: bool):
    result = run_python("print('naïve 日本 🙂', input())", stdin="žluťoučký\r\n", isolate=isolate)
    assert result.stdout == "naïve 日本 🙂 žluťoučký\n"
    assert (
        run_python("import sys; sys.stdout.buffer.write(b'\\xff')", isolate=isolate).stdout
        == "\ufffd"
    )


@pytest.mark.parametrize("program", ["\ud800", "x = '\0'", "def", "(" * 5000, "é" * 300_000])
def test_invalid_python_fails(program: str, isolate: bool):
    result = run_python(program, isolate=isolate)
    assert result.returncode == 1
    assert "Error" in result.stderr


def test_long_program_and_long_input_are_accepted(isolate: bool):
    result = run_python(
        "#" * 3_000_000 + "\nprint(len(input()))", stdin="y" * 3_000_000, isolate=isolate
    )
    assert result.stdout == "3000000\n"


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("raise SystemExit(3)", 3),
        ("1 / 0", 1),
        ("import os; os._exit(77)", 77),
        ("import os; os.abort()", 134),
    ],
)
def test_exit_code_is_returned(program: str, code: int, isolate: bool):
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
def test_program_is_killed_after_the_timeout(program: str, isolate: bool):
    start = time.monotonic()
    result = run_python(program, seconds=0.3, isolate=isolate)
    assert result.timed_out
    assert result.returncode is None
    assert time.monotonic() - start < 2


def test_output_before_the_timeout_is_kept(isolate: bool):
    result = run_python(
        "print('so far', flush=True)\nwhile True: pass", seconds=0.3, isolate=isolate
    )
    assert (result.stdout, result.timed_out) == ("so far\n", True)


def test_memory_is_limited(isolate: bool):
    result = run_python("x = bytearray(10 * 2**30)", isolate=isolate)
    assert (result.returncode, "MemoryError" in result.stderr) == (1, True)
    assert run_python("x = bytearray(100 * 2**20)", memory_mb=50, isolate=isolate).returncode == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_memory_of_all_processes_together_is_limited(isolate: bool):
    # 400 MB in total, while each process stays within its limit.
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


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_memory_of_all_sockets_is_limited(isolate: bool):
    program = """
import os, socket, time
for _ in range(30):
    if os.fork() == 0:
        kept = [socket.socketpair() for _ in range(25)]
        time.sleep(60)
time.sleep(60)
"""
    result = run_python(program, memory_mb=256, seconds=60, isolate=isolate)
    assert (result.returncode, result.timed_out) == (137, False)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_memory_that_processes_share_is_counted_once(isolate: bool):
    program = """
import os, time
kept = bytearray(60 << 20)
for _ in range(8):
    if os.fork() == 0:
        time.sleep(0.5)
        os._exit(0)
time.sleep(0.3)
print(len(kept))
"""
    assert run_python(program, memory_mb=100, seconds=60, isolate=isolate).stdout == "62914560\n"


def test_stdout_replaced_by_a_pipe_does_not_delay_the_result(isolate: bool):
    program = """
import os
for path in ("../stdout", "stdout", "/tmp/stdout"):
    try: os.mkfifo(path)
    except OSError: pass
try: os.unlink("../stdout"); os.mkfifo("../stdout")
except OSError: pass
print("done")
"""
    assert run_python(program, seconds=20, isolate=isolate).stdout == "done\n"


def test_each_run_without_isolation_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(isolation, "_launches", lambda: iter(()))
    isolation.strongest_launch.cache_clear()
    try:
        results = [run_python("pass") for _ in range(2)]
        run_python("pass", is_trusted=True)
    finally:
        isolation.strongest_launch.cache_clear()
    assert {result.isolation for result in results} == {"none"}
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert all("\n" not in message and "install bubblewrap" in message for message in messages)


def test_output_is_truncated(isolate: bool):
    result = run_python("while True: print('spam' * 1000)", isolate=isolate, seconds=5)
    assert result.returncode != 0
    assert len(result.stdout) == OUTPUT_BYTES
    noisy = "import os\nwhile True:\n  try: os.write(2, b'x' * 9999)\n  except OSError: pass"
    assert len(run_python(noisy, isolate=isolate, seconds=0.3).stderr) == OUTPUT_BYTES


def test_file_size_is_limited(isolate: bool):
    program = (
        "try:\n  with open('big', 'wb') as f:\n    while True: f.write(bytes(2**16))\n"
        "except OSError as e: print(e)"
    )
    assert "too large" in run_python(program, isolate=isolate).stdout


def test_environment_is_empty(isolate: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAKE_API_KEY", "sk-very-secret")
    result = run_python(
        "import os; print(dict(os.environ), os.getenvb(b'FAKE_API_KEY'))", isolate=isolate
    )
    assert result.stdout == "{} None\n"


@pytest.mark.parametrize("session", ["", "os.setsid()"])
def test_no_child_process_survives(session: str, isolate: bool):
    if session and not (isolate and ISOLATED):
        pytest.skip("without isolation, a new session leaves the group that is killed")
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


def test_working_directory_is_empty_and_deleted_afterwards(
    isolate: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = "import os; print(os.listdir('.')); open('a', 'w').write('x'); os.mkdir('b'); print(len(os.listdir('.')))"
    assert run_python(program, isolate=isolate).stdout == "[]\n2\n"
    assert list(tmp_path.iterdir()) == []


def test_only_the_standard_streams_are_open(isolate: bool):
    with Path(__file__).open() as file:
        os.set_inheritable(file.fileno(), True)
        program = f"import os\ntry: os.fstat({file.fileno()}); print('open')\nexcept OSError: print('closed')"
        assert run_python(program, isolate=isolate).stdout == "closed\n"


def test_program_cannot_raise_its_limits(isolate: bool):
    program = "import resource as r\nr.setrlimit(r.RLIMIT_AS, (2**40, 2**40))"
    result = run_python(program, isolate=isolate)
    # Without isolation, root can raise them.
    assert result.returncode == 1 or (result.isolation == "none" and os.geteuid() == 0)


def test_many_threads_can_run_programs(isolate: bool):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(
            pool.map(lambda n: run_python(f"print({n})", seconds=20, isolate=isolate), range(24))
        )
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(24)]
