"""`selfcritic run`: a paid draft reaches standard output, whatever fails."""

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver
from typer.testing import CliRunner

from selfcritic.graphs.cli.app import app
from tests.support.fake_provider import FakeProvider, Fault

ROOT = Path(__file__).parents[3]
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
QUESTION = "What is 128 + 256?"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*options: str, model: str = "simulated?seed=1&draft_error_rate=0") -> Any:
    return CliRunner().invoke(app, ["run", QUESTION, "--model", model, *options])


@needs_full
def test_a_full_events_file_does_not_end_the_run():
    result = run("--events", str(FULL))
    assert result.exit_code == 1
    assert result.stdout == "384\n"
    assert "'/dev/full' (--events) cannot be written: No space left on device" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_creates_files_for_their_owner_only(umask: int):
    before = os.umask(umask)
    try:
        result = run("--events", "e.jsonl", "--checkpoint", "c.sqlite", "--thread", "t")
    finally:
        os.umask(before)
    assert result.exit_code == 0, result.output
    modes = {path.name: path.stat().st_mode & 0o777 for path in Path().iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)
    assert {"e.jsonl", "c.sqlite"} <= set(modes)
    assert not list(Path().glob("*.lock"))


def test_keeps_the_permissions_of_existing_files():
    Path("e.jsonl").touch(0o644)
    assert run("--events", "e.jsonl").exit_code == 0
    assert Path("e.jsonl").stat().st_mode & 0o777 == 0o644


def test_rejects_a_question_that_is_not_utf_8():
    result = CliRunner().invoke(app, ["run", "a\udce9b", "--model", "simulated"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "The question is not valid UTF-8" in result.stderr
    piped = CliRunner().invoke(app, ["run", "-", "--model", "simulated"], input=b"Caf\xe9?")
    assert piped.exit_code == 2
    assert "The question is not valid UTF-8" in piped.stderr


def start(*options: str, provider: FakeProvider, limit: int | None = None, **streams: Any) -> Any:
    """Run the command in a process, with a limit of the file size if given."""

    def set_limit() -> None:
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    program = "from selfcritic.graphs.cli.app import main; main()"
    command = [
        sys.executable,
        "-B",
        "-c",
        program,
        "run",
        "Why?",
        "--model",
        "openai/fake",
        "--quiet",
    ]
    command += ["--api-base", provider.url, "--num-critiques", "2", *options]
    environment = streams.pop("environment", {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.run(
        command, preexec_fn=set_limit, check=False, env=os.environ | environment, **pipes
    )


def reply(messages: list[Any], index: int) -> str | float:
    if "Yes or No" in messages[-1]["content"]:
        return 0.8
    return f"DRAFT-{index} \ud800 “é” 😀" + " and more" * 2_000


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider(reply) as fake_provider:
        yield fake_provider


@pytest.mark.slow
@pytest.mark.parametrize("limit", [140_000, 300_000])
def test_a_full_disk_loses_no_draft_and_the_command_resumes(limit: int, provider: FakeProvider):
    options = ["--checkpoint", "c.sqlite", "--thread", "t"]
    ended = start(*options, provider=provider, limit=limit)
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout.startswith(b"DRAFT-")
    [line] = ended.stderr.decode().splitlines()
    assert line.startswith("error: The checkpoint file 'c.sqlite' cannot be used: ")
    calls = provider.calls()
    resumed = start(*options, "--json", provider=provider)
    assert resumed.returncode == 0, resumed.stderr
    usage = json.loads(resumed.stdout)["usage"]
    assert provider.calls() > calls
    assert usage["calls"] >= provider.calls() - calls


@pytest.mark.parametrize("num_writes", [3, 5])
def test_prints_a_draft_if_the_checkpoint_of_another_fails(num_writes: int):
    with closing(sqlite3.connect("c.sqlite")) as database:
        SqliteSaver(database).setup()
        database.execute("CREATE TABLE num_writes AS SELECT ? AS num", (num_writes,))
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON writes "
            "WHEN (SELECT count(*) FROM writes) > (SELECT num FROM num_writes) "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
        database.commit()
    with FakeProvider(reply, n="ignore") as provider:
        result = run(
            *("--num-drafts", "3", "--checkpoint", "c.sqlite", "--thread", "t"),
            *("--api-base", provider.url),
            model="openai/fake",
        )
        assert 0 < provider.calls() <= 3
    assert result.exit_code == 1
    assert result.stdout.startswith("DRAFT-")
    assert "error: The checkpoint file 'c.sqlite' cannot be used" in result.stderr


@pytest.mark.slow
@needs_full
def test_a_draft_goes_to_stderr_if_stdout_is_full(provider: FakeProvider):
    with FULL.open("w") as full:
        ended = start("--max-rounds", "0", provider=provider, stdout=full)
    assert ended.returncode == 1
    assert b"DRAFT-" in ended.stderr
    assert b"cannot be written to standard output: No space left on device" in ended.stderr
    assert b"Traceback" not in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_escapes_what_the_encoding_lacks(options: list[str], provider: FakeProvider):
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ended = start("--max-rounds", "0", *options, provider=provider, environment=environment)
    assert ended.returncode == 0, ended.stderr
    text = ended.stdout.decode("ascii")
    if options:
        text = json.loads(text)["answer"]
        assert "\ufffd “é” 😀" in text
    else:
        assert r"\ufffd \u201c\xe9\u201d \U0001f600" in text


def interrupt(process: "subprocess.Popen[str]", provider: FakeProvider) -> Any:
    """Press Ctrl-C when no more requests arrive; return the printed output."""
    first_calls = provider.calls()
    calls = first_calls
    last_change = time.monotonic()
    while calls == first_calls or time.monotonic() < last_change + 2:
        assert process.poll() is None
        time.sleep(0.05)
        if provider.calls() != calls:
            calls = provider.calls()
            last_change = time.monotonic()
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate()
    return json.loads(stdout)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--checkpoint", "c.sqlite", "--thread", "t")])
def test_usage_includes_the_step_that_ctrl_c_interrupts(options: tuple[str, ...]):
    """Some critiques arrive, then requests hang; a checkpoint is resumed and interrupted again."""
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from selfcritic.graphs.cli.app import main; main()"
    )
    with FakeProvider(reply, n="ignore", faults=[None] * 4 + [Fault("hang")] * 20) as provider:
        command = [sys.executable, "-c", program, "run", "Why?", "--model", "openai/fake"]
        command += ["--num-critiques", "5", "--json", "--api-base", provider.url, *options]
        for _ in range(2 if options else 1):
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            output = interrupt(process, provider)
            assert output["stop_reason"] == "interrupted"
            usage = output["usage"]
            assert usage["calls"] == provider.calls()
            assert usage["output_tokens"] == provider.usage().output > 0
            assert sum(role["calls"] for role in usage["by_role"].values()) == usage["calls"]


@pytest.mark.parametrize("usage", [{"prompt_tokens": 10**30}, {"prompt_tokens": -5}])
def test_a_checkpoint_holds_replies_with_impossible_numbers(usage: dict[str, int]):
    tokens = {"completion_tokens": 2, "total_tokens": 7, **usage}
    verdict = {"token": "No", "logprob": -(10**30), "bytes": [10**30], "top_logprobs": []}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "No"},
        "finish_reason": "stop",
        "logprobs": {"content": [verdict]},
    }
    body = json.dumps({"id": "x", "model": "fake", "choices": [choice], "usage": tokens})
    with FakeProvider(reply, faults=[Fault("status", 200, body=body)] * 2) as provider:
        options = ["--checkpoint", "c.sqlite", "--thread", "t", "--api-base", provider.url]
        result = run("--max-rounds", "0", *options, model="openai/fake")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "No\n"
