"""A batch over two Dask workers of which one is killed: no row lost, none doubled."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import dask
import pytest

from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import Budget
from selfcritic.graphs import create_self_critique, run_batch
from selfcritic.graphs.batch.dask import WorkersLost
from selfcritic.graphs.batch.ledger import Ledger
from tests.support.fake_provider import FakeProvider


def start(stack: ExitStack, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start a Python module in a process that ends with the stack."""
    command = [sys.executable, "-m", *arguments]
    process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as exit_stack:
        yield exit_stack


@pytest.mark.slow
def test_loses_no_row_if_a_worker_is_killed(stack: ExitStack, tmp_path: Path):
    provider = stack.enter_context(FakeProvider("It is so.", latency=0.05))
    scheduler_file = tmp_path / "scheduler.json"
    scheduler = ["--scheduler-file", str(scheduler_file)]
    start(
        stack,
        "distributed.cli.dask_scheduler",
        "--host=127.0.0.1",
        "--port=0",
        "--no-dashboard",
        *scheduler,
    )
    keys = {
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_BASE": provider.url,
    }
    options = [
        "--no-nanny",
        "--nthreads=4",
        "--no-dashboard",
        f"--local-directory={tmp_path}",
        "--host=127.0.0.1",
    ]
    workers = [
        start(stack, "distributed.cli.dask_worker", *options, *scheduler, **keys) for _ in range(2)
    ]
    while not scheduler_file.exists() or not scheduler_file.read_text():
        time.sleep(0.05)
    address = json.loads(scheduler_file.read_text())["address"]

    def kill() -> None:
        while provider.calls() < 40 and workers[0].poll() is None:
            time.sleep(0.005)
        workers[0].kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    finished_ids: list[str] = []
    errors: list[object] = []
    graph = create_self_critique().compile(name="self_critique")
    rows = ({"id": i, "question": f"Question {i}?"} for i in range(80))
    report = asyncio.run(
        run_batch(
            graph,
            rows,
            context=Context(model="openai/fake", max_rounds=0),
            ledger=tmp_path / "l",
            on_result=lambda result: finished_ids.append(result["id"]),
            on_error=errors.append,
            dask=address,
            concurrency=8,
        )
    )
    killer.join()
    assert workers[0].wait() < 0
    assert errors == []
    assert Counter(finished_ids) == Counter(str(i) for i in range(80))
    assert report.finished == 80
    assert 0 < report.usage.calls <= provider.calls()


@pytest.mark.parametrize(
    ("model", "budget", "message"),
    [
        ("simulated", Budget(calls=1), "no budget"),
        (ScriptedModel(script=["a"]), None, "set each model by name"),
    ],
)
def test_rejects_options_that_dask_does_not_support(
    model: object, budget: Budget | None, message: str, tmp_path: Path
):
    graph = create_self_critique().compile(name="self_critique")
    context = Context(model=model)
    with pytest.raises(InputError, match=message):
        asyncio.run(
            run_batch(
                graph,
                [],
                context=context,
                ledger=tmp_path / "l",
                on_result=print,
                dask="tcp://127.0.0.1:1",
                budget=budget,
            )
        )


@pytest.mark.parametrize(
    "address",
    ["tcp://u:PW9@127.0.0.1:9", "u:PW9@127.0.0.1:9", "PW9", "tcp://127.0.0.1:PW9", "redis://PW9:9"],
)
def test_rejects_an_address_without_repeating_it(
    address: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
):
    graph = create_self_critique().compile(name="self_critique")
    options = {"context": Context(model="simulated"), "ledger": tmp_path / "l", "on_result": print}
    with pytest.raises(InputError, match="address of a scheduler") as raised:
        asyncio.run(run_batch(graph, [], dask=address, **options))
    assert "PW9" not in "".join(traceback.format_exception(raised.value))
    assert not [str(warning.message) for warning in recwarn if "await" in str(warning.message)]


@pytest.mark.slow
def test_ends_if_no_worker_connects(
    stack: ExitStack, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    stack.enter_context(dask.config.set({"distributed.comm.timeouts.connect": "2s"}))
    scheduler_file = tmp_path / "scheduler.json"
    scheduler = start(
        stack,
        "distributed.cli.dask_scheduler",
        "--host=127.0.0.1",
        "--port=0",
        "--no-dashboard",
        f"--scheduler-file={scheduler_file}",
    )
    while not scheduler_file.exists() or not scheduler_file.read_text():
        time.sleep(0.05)
    address = json.loads(scheduler_file.read_text())["address"]

    def kill_and_yield() -> Iterator[dict[str, str]]:
        threading.Timer(0.5, scheduler.kill).start()
        yield {"question": "Why?"}

    async def batch(seconds: float, rows: Any = ({"question": "Why?"},)) -> None:
        await run_batch(
            create_self_critique().compile(name="self_critique"),
            rows,
            context=Context(model="simulated"),
            ledger=tmp_path / "l",
            on_result=print,
            dask=address,
            dask_timeout=seconds,
        )

    with pytest.raises(WorkersLost, match=r"No worker is connected .* for 1 seconds"):
        asyncio.run(batch(1))
    assert "Waiting for a Dask worker to connect" in caplog.text
    with pytest.raises(WorkersLost, match=r"The Dask scheduler .*has ended"):
        asyncio.run(batch(60, kill_and_yield()))
    with pytest.raises(InputError, match="No Dask scheduler answers"):
        asyncio.run(batch(60))
    with closing(Ledger(tmp_path / "l", {"other": "options"})):
        pass  # nothing was spent
