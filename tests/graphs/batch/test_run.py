"""Batches lose no finished row and pay for none twice, even if killed; checked against a provider that counts."""

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
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from selfcritic.agent import load
from selfcritic.agent.context import Context
from selfcritic.agent.errors import CheckpointError, InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.agent.schemas import Budget
from selfcritic.graphs import create_self_critique, run_batch
from selfcritic.graphs.batch import ledger as ledger_module
from selfcritic.graphs.batch.ledger import Ledger
from selfcritic.graphs.batch.run import Report
from selfcritic.graphs.cli.app import app
from tests.support import event_loop
from tests.support.fake_provider import FakeProvider

ROOT = Path(__file__).parents[3]


def accept_every_draft(messages: list[Any]) -> str | float:
    text = messages[-1].text
    is_verdict = "Yes or No" in text or "flaw" in text.lower()
    return 0.1 if is_verdict else "an answer"


def create_context(model: Any, **options: Any) -> Context:
    return Context(model=model, max_rounds=0, **({"num_critiques": 1} | options))


def run(
    path: Path, rows: Any, *, context: Context | None = None, model: Any = None, **options: Any
) -> tuple[Any, list[Any], list[Any]]:
    """Run a batch and return its report, results and errors."""
    graph = create_self_critique().compile(name="self_critique")
    context = context or create_context(model or ScriptedModel(script=accept_every_draft))
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    report = asyncio.run(
        run_batch(
            graph,
            rows,
            context=context,
            ledger=path,
            on_result=results.append,
            on_error=errors.append,
            **options,
        )
    )
    return report, results, errors


def questions(count: int) -> list[dict[str, Any]]:
    return [{"id": i, "question": f"Question {i}?"} for i in range(count)]


def test_runs_changed_rows_but_not_finished_ones(tmp_path: Path):
    model = ScriptedModel(script=accept_every_draft)
    run(tmp_path / "l", questions(5), model=model)
    requests_before = len(model.requests)
    report, results, _ = run(tmp_path / "l", questions(5), model=model)
    assert (report.resumed, report.finished, len(results)) == (5, 0, 5)
    assert len(model.requests) == requests_before
    changed = [*questions(4), {"id": 4, "question": "Another?"}]
    report, results, _ = run(tmp_path / "l", changed, model=model)
    assert (report.resumed, report.finished, len(results)) == (4, 1, 5)
    assert len(model.requests) == requests_before * 6 // 5


def test_returns_results_in_input_order_if_ordered(tmp_path: Path):
    _, results, _ = run(tmp_path / "l", questions(20), ordered=True)
    assert [result["id"] for result in results] == [str(i) for i in range(20)]


def test_reports_bad_rows_and_runs_the_others(tmp_path: Path):
    rows = [
        {"id": "a", "question": "?"},
        {"id": "b"},
        3,
        {"id": "a", "question": "again"},
        {"id": "d", "question": " "},
    ]
    report, results, errors = run(tmp_path / "l", rows)
    assert [result["id"] for result in results] == ["a"]
    assert (report.failed, len(errors)) == (4, 4)


def test_rejects_other_options_without_restart(tmp_path: Path):
    run(tmp_path / "l", questions(2))
    other = create_context(ScriptedModel(script=accept_every_draft), num_critiques=2)
    with pytest.raises(InputError, match=r"other options \(num_critiques\).*--restart"):
        run(tmp_path / "l", questions(2), context=other)
    report, _, _ = run(tmp_path / "l", questions(2), context=other, restart=True)
    assert report.finished == 2


def test_rejects_a_ledger_in_use(tmp_path: Path):
    ledger = Ledger(tmp_path / "l", {})
    with pytest.raises(InputError, match="no other batch uses it"):
        run(tmp_path / "l", questions(1))
    ledger.close()


@pytest.mark.parametrize("calls", [1, 7, 16])
def test_calls_limit_covers_all_rows_and_restarts(calls: int, tmp_path: Path):
    model = ScriptedModel(script=accept_every_draft)
    report, _, _ = run(tmp_path / "l", questions(30), model=model, budget=Budget(calls=calls))
    assert len(model.requests) == calls
    assert report.finished + report.remaining == 30
    assert report.remaining > 0
    run(tmp_path / "l", questions(30), model=model, budget=Budget(calls=calls))
    assert len(model.requests) == calls  # a restart does not reset the budget
    report, results, _ = run(tmp_path / "l", questions(30), model=model)
    assert (report.remaining, len(results)) == (0, 30)


def test_tokens_limit_covers_all_rows(tmp_path: Path):
    with FakeProvider("It is so.") as provider:
        model = load("openai/fake", api_base=provider.url, api_key="sk-none")

        async def batch() -> Report:
            return await run_batch(
                create_self_critique().compile(name="self_critique"),
                questions(30),
                context=create_context(model),
                ledger=tmp_path / "l",
                on_result=[].append,
                budget=Budget(tokens=1500),
                concurrency=2,
            )

        report = event_loop.run(batch())
        served = provider.usage()
        total = served.input + served.output
        assert report.usage.input_tokens + report.usage.output_tokens == total
        assert 1000 < total < 2000
        assert 0 < report.remaining == 30 - report.finished


class SlowModel(ScriptedModel):
    """Takes 50 ms per reply."""

    async def _agenerate(self, *args: Any, **options: Any) -> Any:
        await asyncio.sleep(0.05)
        return await super()._agenerate(*args, **options)


def test_seconds_limit_covers_all_rows(tmp_path: Path):
    model = SlowModel(script=accept_every_draft)
    report, results, errors = run(
        tmp_path / "l", questions(1000), model=model, budget=Budget(seconds=1.0)
    )
    assert 0 < report.remaining == 1000 - len(results) - len(errors)
    assert report.finished == len(results) > 0


def start(url: str, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a batch of COUNT rows, with CALLS as its budget if given."""
    paths = [str(folder / "l"), str(folder / "out")]
    command = [sys.executable, "-m", "tests.support.batch_process", url, *paths, *arguments]
    return subprocess.Popen(command, cwd=ROOT)


@pytest.mark.slow
def test_does_not_repeat_finished_rows_after_a_kill(tmp_path: Path):
    rng = random.Random(5)
    with FakeProvider(lambda messages, index: f"reply {index}", latency=0.01) as provider:
        calls_by_row: dict[str, int] = {}
        for _ in range(3):
            calls_at_kill = provider.calls() + rng.randint(5, 40)
            process = start(provider.url, tmp_path, "60")
            while provider.calls() < calls_at_kill and process.poll() is None:
                time.sleep(0.001)
            time.sleep(rng.random() / 50)
            process.kill()
            process.wait()
            assert process.returncode == -signal.SIGKILL
            assert count_calls(provider, calls_by_row) == calls_by_row
            calls_by_row = count_calls(provider, finished_rows(tmp_path))
        assert 0 < len(calls_by_row) < 60
        assert start(provider.url, tmp_path, "60").wait() == 0
        assert count_calls(provider, calls_by_row) == calls_by_row
    ids = [json.loads(line)["id"] for line in (tmp_path / "out").read_text().splitlines()]
    assert Counter(ids) == Counter(f"r{i}" for i in range(60))


def count_calls(provider: FakeProvider, rows: Iterable[str]) -> dict[str, int]:
    """Count the provider's requests about each of the rows."""
    counts: Counter[str] = Counter()
    for received in provider.received:
        numbers = re.findall(r"Question (\d+)\?", str(received.body["messages"]))
        counts["r" + numbers[0]] += 1
    return {row: counts[row] for row in rows}


def finished_rows(folder: Path) -> set[str]:
    """Return the ids of the rows that the ledger has as finished."""
    with closing(sqlite3.connect(folder / "l")) as db:
        return {row for (row,) in db.execute("SELECT id FROM done")}


@pytest.mark.slow
def test_a_kill_does_not_reset_the_budget(tmp_path: Path):
    with FakeProvider("It is so.", latency=0.01) as provider:
        process = start(provider.url, tmp_path, "60", "30")
        while provider.calls() < 15 and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.wait()
        assert start(provider.url, tmp_path, "60", "30").wait() == 0
        assert 15 <= provider.calls() <= 30


def test_batch_command(tmp_path: Path):
    (tmp_path / "in.jsonl").write_text('{"id": 1, "question": "What is 1 + 1?"}\nno json\n')
    paths = [str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl")]
    command = ["batch", *paths, "--seed=1", "--model=simulated"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    [line] = (tmp_path / "out.jsonl").read_text().splitlines() or [""]
    bad = (tmp_path / "out.errors.jsonl").read_text().splitlines()
    assert (json.loads(line)["id"], len(bad)) == ("1", 1)
    refused = CliRunner().invoke(app, [*command, "--num-critiques=2"])
    assert refused.exit_code == 2
    assert "--restart" in refused.stderr
    assert (tmp_path / "out.jsonl").read_text().splitlines() == [line]


def find_nothing(question: str, draft: str) -> list[dict[str, str]]:
    return []


def find_something(question: str, draft: str) -> list[dict[str, str]]:
    return [{"quote": draft, "text": "Wrong.", "severity": "low"}]


def prefer_first(question: str, draft: str, critiques: Any) -> list[float]:
    return [-float(index) for index in range(len(critiques))]


def test_functions_are_options_by_name(tmp_path: Path):
    def context(checker: Any) -> Context:
        model = ScriptedModel(script=accept_every_draft)
        return create_context(model, checkers=[checker], scorer=prefer_first)

    report, _, _ = run(tmp_path / "l", questions(2), context=context(find_nothing))
    assert report.finished == 2
    report, _, _ = run(tmp_path / "l", questions(2), context=context(find_nothing))
    assert report.resumed == 2
    with pytest.raises(InputError, match=r"other options \(checkers\)"):
        run(tmp_path / "l", questions(2), context=context(find_something))


def reject_every_draft(messages: list[Any]) -> str | float:
    text = messages[-1].text
    if "Yes or No" in text:
        return 0.9
    return f"```\ndraft\n```\ndraft {len(text)}"


def test_the_recursion_limit_loses_no_draft(tmp_path: Path):
    graph = create_self_critique().compile(name="self_critique").with_config(recursion_limit=8)
    results: list[dict[str, Any]] = []
    model = ScriptedModel(script=reject_every_draft)
    batch_run = run_batch(
        graph,
        questions(3),
        context=Context(model=model, num_critiques=1, max_rounds=50, patience=50),
        ledger=tmp_path / "l",
        on_result=results.append,
    )
    report = asyncio.run(batch_run)
    assert report.stop_reasons == {"step_limit": 3}
    assert all(result["answer"] for result in results)


def test_a_callback_that_cannot_write_ends_the_batch(tmp_path: Path):
    def write(result: dict[str, Any]) -> None:
        raise OSError(28, "No space left on device")

    async def batch() -> Report:
        return await run_batch(
            create_self_critique().compile(name="self_critique"),
            questions(20),
            context=create_context(ScriptedModel(script=accept_every_draft)),
            ledger=tmp_path / "l",
            on_result=write,
            concurrency=2,
        )

    with pytest.raises(OSError, match="No space left"):
        asyncio.run(batch())
    report, _, _ = run(tmp_path / "l", questions(20))
    assert report.resumed + report.finished == 20
    assert 0 < report.resumed <= 2


def test_a_ledger_that_fails_ends_the_batch_with_the_paid_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ledger_module, "_FINISH", "INSERT INTO missing VALUES (?, ?, ?)")
    results: list[dict[str, Any]] = []

    async def batch() -> Report:
        return await run_batch(
            create_self_critique().compile(name="self_critique"),
            questions(20),
            context=create_context(ScriptedModel(script=accept_every_draft)),
            ledger=tmp_path / "l",
            on_result=results.append,
            concurrency=2,
            ordered=True,
        )

    with pytest.raises(CheckpointError, match=r"The ledger '.*/l' \(--ledger\) cannot be used"):
        asyncio.run(batch())
    assert 0 < len(results) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("limit", [40_000, 90_000])
def test_a_full_disk_ends_the_batch_without_a_traceback(limit: int, tmp_path: Path):
    """The ledger reaches the limit of the file size before all rows are done."""
    with FakeProvider("It is so. " * 200) as provider:
        command = [
            sys.executable,
            "-B",
            "-c",
            LIMITED_BATCH,
            str(limit),
            provider.url,
            str(tmp_path),
        ]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    assert "ledger' (--ledger) cannot be used" in ended.stderr
    assert ended.returncode in (1, 2)
    if ended.returncode == 1:
        printed = (tmp_path / "out.jsonl").read_text().splitlines()
        assert all(json.loads(line)["answer"] for line in printed)


LIMITED_BATCH = """
import json, resource, signal, sys
from pathlib import Path
from selfcritic.graphs.cli.app import app
limit, url, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
rows = "".join(json.dumps({"id": i, "question": f"Question {i}?"}) + "\\n" for i in range(60))
(folder / "in.jsonl").write_text(rows)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
app(["batch", str(folder / "in.jsonl"), str(folder / "out.jsonl"), "--model", "openai/fake",
     "--api-base", url, "--max-rounds", "0", "--concurrency", "4", "--quiet"])
"""
