"""A batch loses no finished row and pays none twice: real processes, SIGKILL, a provider that counts."""

import asyncio
import json
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from selfcritic.agent import load
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import Budget
from selfcritic.graphs import create_self_critique, run_batch
from selfcritic.graphs.batch.ledger import Ledger
from selfcritic.graphs.batch.run import Report
from selfcritic.graphs.cli.app import app
from tests.support import event_loop
from tests.support.fake_provider import FakeProvider

ROOT = Path(__file__).parents[3]


def scripted(messages: list[Any]) -> str | float:
    text = messages[-1].text
    return 0.1 if "Yes or No" in text or "flaw" in text.lower() else "an answer"


def run(
    path: Path, rows: Any, *, graph: Any = None, model: Any = None, **options: Any
) -> tuple[Any, list[Any], list[Any]]:
    model = model or ScriptedModel(script=scripted)
    graph = graph or create_self_critique(model=model, num_critiques=1, max_rounds=0).compile(name="self_critique")
    done: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    report = asyncio.run(run_batch(graph, rows, ledger=path, on_result=done.append, on_error=bad.append, **options))
    return report, done, bad


def questions(count: int) -> list[dict[str, Any]]:
    return [{"id": i, "question": f"Question {i}?"} for i in range(count)]


def test_a_finished_row_is_not_run_again_and_a_changed_one_is(tmp_path: Path):
    model = ScriptedModel(script=scripted)
    run(tmp_path / "l", questions(5), model=model)
    asked = len(model.requests)
    report, done, _ = run(tmp_path / "l", questions(5), model=model)
    assert (report.resumed, report.finished, len(done), len(model.requests)) == (5, 0, 5, asked)
    changed = [*questions(4), {"id": 4, "question": "Another?"}]
    report, done, _ = run(tmp_path / "l", changed, model=model)
    assert (report.resumed, report.finished, len(done)) == (4, 1, 5)
    assert len(model.requests) == asked * 6 // 5


def test_input_order_on_request(tmp_path: Path):
    _, done, _ = run(tmp_path / "l", questions(20), ordered=True)
    assert [one["id"] for one in done] == [str(i) for i in range(20)]


def test_bad_rows_are_set_aside(tmp_path: Path):
    rows = [
        {"id": "a", "question": "?"},
        {"id": "b"},
        3,
        {"id": "a", "question": "again"},
        {"id": "d", "question": " "},
    ]
    report, done, bad = run(tmp_path / "l", rows)
    assert [one["id"] for one in done] == ["a"]
    assert (report.failed, len(bad)) == (4, 4)


def test_other_options_are_refused_without_restart(tmp_path: Path):
    run(tmp_path / "l", questions(2))
    model = ScriptedModel(script=scripted)
    other = create_self_critique(model=model, num_critiques=2, max_rounds=0).compile(name="self_critique")
    with pytest.raises(InputError, match=r"other options \(num_critiques\).*--restart"):
        run(tmp_path / "l", questions(2), graph=other)
    report, _, _ = run(tmp_path / "l", questions(2), graph=other, restart=True)
    assert report.finished == 2


def test_two_batches_do_not_share_a_ledger(tmp_path: Path):
    held = Ledger(tmp_path / "l", {})
    with pytest.raises(InputError, match="another batch"):
        run(tmp_path / "l", questions(1))
    held.close()


@pytest.mark.parametrize("calls", [1, 7, 16])
def test_one_budget_over_all_rows(calls: int, tmp_path: Path):
    model = ScriptedModel(script=scripted)
    report, done, _ = run(tmp_path / "l", questions(30), model=model, budget=Budget(calls=calls))
    assert len(model.requests) == calls
    assert report.finished + report.remaining == 30
    assert report.remaining > 0
    report, done, _ = run(tmp_path / "l", questions(30), model=model, budget=Budget(calls=calls))
    assert len(model.requests) == calls  # the budget is not made anew
    report, done, _ = run(tmp_path / "l", questions(30), model=model)
    assert (report.remaining, len(done)) == (0, 30)


def test_tokens_run_out_over_all_rows(tmp_path: Path):
    with FakeProvider("It is so.") as provider:
        model = load("openai/fake", api_base=provider.url, api_key="sk-none")
        graph = create_self_critique(model=model, num_critiques=1, max_rounds=0).compile(name="self_critique")

        async def batch() -> Report:
            budget = Budget(tokens=1500)
            rows = questions(30)
            return await run_batch(
                graph, rows, ledger=tmp_path / "l", on_result=[].append, budget=budget, concurrency=2
            )

        report = event_loop.run(batch())
        spent = provider.usage()
        assert report.usage.input_tokens + report.usage.output_tokens == spent.input + spent.output
        assert 1000 < spent.input + spent.output < 2000
        assert 0 < report.remaining == 30 - report.finished


class Slow(ScriptedModel):
    """Takes its time."""

    async def _agenerate(self, *args: Any, **options: Any) -> Any:
        await asyncio.sleep(0.05)
        return await super()._agenerate(*args, **options)


def test_seconds_run_out_over_all_rows(tmp_path: Path):
    report, done, bad = run(tmp_path / "l", questions(1000), model=Slow(script=scripted), budget=Budget(seconds=1.0))
    assert 0 < report.remaining == 1000 - len(done) - len(bad)
    assert report.finished == len(done) > 0


def start(url: str, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.batch_process", url, str(folder / "l"), str(folder / "out"), *more],
        cwd=ROOT,
    )


@pytest.mark.slow
def test_killed_at_seeded_moments(tmp_path: Path):
    rng = random.Random(5)
    with FakeProvider(lambda messages, index: f"reply {index}", latency=0.01) as provider:
        finished: dict[str, int] = {}
        for _ in range(3):
            before, lines = provider.calls(), rng.randint(5, 40)
            process = start(provider.url, tmp_path, "60")
            while provider.calls() < before + lines and process.poll() is None:
                time.sleep(0.001)
            time.sleep(rng.random() / 50)
            process.kill()
            process.wait()
            assert process.returncode == -signal.SIGKILL
            assert asked_of_finished(tmp_path, provider, only=set(finished)) == finished
            finished = asked_of_finished(tmp_path, provider)
        assert 0 < len(finished) < 60
        assert start(provider.url, tmp_path, "60").wait() == 0
        assert asked_of_finished(tmp_path, provider, only=set(finished)) == finished
    done = [json.loads(line)["id"] for line in (tmp_path / "out").read_text().splitlines()]
    assert Counter(done) == Counter(f"r{i}" for i in range(60))


def asked_of_finished(folder: Path, provider: FakeProvider, only: set[str] | None = None) -> dict[str, int]:
    """By row that the ledger holds as done, how often the provider was asked about it."""
    ledger_rows = _done(folder) if only is None else only
    asked = Counter("r" + re.findall(r"Question (\d+)\?", str(one.body["messages"]))[0] for one in provider.received)
    return {row: asked[row] for row in ledger_rows}


def _done(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / "l")) as db:
        return {row for (row,) in db.execute("SELECT id FROM done")}


@pytest.mark.slow
def test_the_budget_holds_across_a_kill(tmp_path: Path):
    with FakeProvider("It is so.", latency=0.01) as provider:
        process = start(provider.url, tmp_path, "60", "30")
        while provider.calls() < 15 and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.wait()
        assert start(provider.url, tmp_path, "60", "30").wait() == 0
        assert 15 <= provider.calls() <= 30


def test_the_command(tmp_path: Path):
    (tmp_path / "in.jsonl").write_text('{"id": 1, "question": "What is 1 + 1?"}\nno json\n')
    command = ["batch", str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl"), "--seed=1"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    [line] = (tmp_path / "out.jsonl").read_text().splitlines() or [""]
    bad = (tmp_path / "out.errors.jsonl").read_text().splitlines()
    assert (json.loads(line)["id"], len(bad)) == ("1", 1)
    refused = CliRunner().invoke(app, [*command, "--num-critiques=2"])
    assert refused.exit_code == 2
    assert "--restart" in refused.stderr
    assert (tmp_path / "out.jsonl").read_text().splitlines() == [line]
