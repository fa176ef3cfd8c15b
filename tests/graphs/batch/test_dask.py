"""A batch over two Dask workers of which one is killed: no row lost, none doubled."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import Budget
from selfcritic.graphs import create_self_critique, run_batch
from tests.support.fake_provider import FakeProvider


def start(stack: ExitStack, *command: str, **environment: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", *command], env=os.environ | environment, stderr=subprocess.DEVNULL
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


@pytest.fixture
def open_() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.slow
def test_one_of_two_workers_is_killed(open_: ExitStack, tmp_path: Path):
    provider = open_.enter_context(FakeProvider("It is so.", latency=0.05))
    file = tmp_path / "scheduler.json"
    place = ["--scheduler-file", str(file)]
    start(open_, "distributed.cli.dask_scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard", *place)
    keys = {"OPENAI_API_KEY": "sk-none", "OPENAI_BASE_URL": provider.url, "OPENAI_API_BASE": provider.url}
    options = ["--no-nanny", "--nthreads=4", "--no-dashboard", f"--local-directory={tmp_path}", "--host=127.0.0.1"]
    workers = [start(open_, "distributed.cli.dask_worker", *options, *place, **keys) for _ in range(2)]
    while not file.exists():
        time.sleep(0.05)
    address = json.loads(file.read_text())["address"]

    def kill() -> None:
        while provider.calls() < 40 and workers[0].poll() is None:
            time.sleep(0.005)
        workers[0].kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    done: list[str] = []
    bad: list[object] = []
    graph = create_self_critique(model="openai/fake", max_rounds=0).compile(name="self_critique")
    rows = ({"id": i, "question": f"Question {i}?"} for i in range(80))
    report = asyncio.run(
        run_batch(
            graph, rows, ledger=tmp_path / "l", on_result=lambda one: done.append(one["id"]), on_error=bad.append,
            dask=address, concurrency=8,
        )
    )  # fmt: skip
    killer.join()
    assert workers[0].wait() < 0
    assert bad == []
    assert Counter(done) == Counter(str(i) for i in range(80))
    assert report.finished == 80
    assert 0 < report.usage.calls <= provider.calls()


@pytest.mark.parametrize(
    ("model", "budget", "complaint"),
    [("simulated", Budget(calls=1), "no budget"), (ScriptedModel(script=["a"]), None, "not handed in")],
)
def test_what_dask_cannot_do_is_told(model: object, budget: Budget | None, complaint: str, tmp_path: Path):
    graph = create_self_critique(model=model).compile(name="self_critique")
    with pytest.raises(InputError, match=complaint):
        asyncio.run(
            run_batch(graph, [], ledger=tmp_path / "l", on_result=print, dask="tcp://127.0.0.1:1", budget=budget)
        )
