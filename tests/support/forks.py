"""Run a function in connected processes, as `accelerate launch` does, but in forks of this process."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

_TIMEOUT = 120  # seconds


def run_group(
    function: Callable[[], Any], folder: Path, count: int = 2, kill_at: Path | None = None
) -> list[dict[str, Any]]:
    """Run a function in forks that are connected to each other.

    Args:
        function: Called in each fork; its result must be JSON.
        folder: Gets the output of each fork.
        count: Number of forks.
        kill_at: File after whose appearance all forks are killed.

    Returns:
        Exit code, result, stdout and stderr of each fork.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = _find_port()
    forks = []
    for rank in range(count):
        fork = os.fork()
        if fork == 0:
            _run_fork(function, folder, rank, count, port)
        forks.append(fork)
    if kill_at is not None:
        _wait_until(lambda: kill_at.is_file() and kill_at.stat().st_size > 0)
        for fork in forks:
            os.kill(fork, signal.SIGKILL)
    outcomes = []
    for rank, code in enumerate(_wait(forks)):
        outcome: dict[str, Any] = {"code": code, "result": None}
        path = folder / f"{rank}.json"
        if path.is_file():
            outcome["result"] = json.loads(path.read_text())
            path.unlink()
        for name in ("stdout", "stderr"):
            outcome[name] = (folder / f"{rank}.{name}").read_text()
        outcomes.append(outcome)
    return outcomes


def _find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _run_fork(
    function: Callable[[], Any], folder: Path, rank: int, count: int, port: int
) -> NoReturn:
    """Run the function with redirected output, and end the process."""
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(folder / f"{rank}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
    if count > 1:
        os.environ.update(
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            WORLD_SIZE=str(count),
            LOCAL_WORLD_SIZE=str(count),
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(port),
        )
    code: Any = 1
    try:
        result = function()
        (folder / f"{rank}.json").write_text(json.dumps(result))
        code = 0
    except SystemExit as error:
        code = error.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait_until(is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not is_ready() and time.monotonic() < deadline:
        time.sleep(0.01)


def _wait(forks: Sequence[int]) -> list[int | None]:
    """Return the exit code of each fork, None if it was still running after the timeout."""
    codes: dict[int, int] = {}

    def collect() -> bool:
        for fork in forks:
            if fork not in codes:
                finished, status = os.waitpid(fork, os.WNOHANG)
                if finished:
                    codes[fork] = os.waitstatus_to_exitcode(status)
        return len(codes) == len(forks)

    _wait_until(collect)
    for fork in set(forks) - set(codes):
        os.kill(fork, signal.SIGKILL)
        os.waitpid(fork, 0)
    return [codes.get(fork) for fork in forks]
