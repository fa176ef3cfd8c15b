"""`selfcritic run` and `selfcritic models`, mostly as real processes."""

import json
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from selfcritic.graphs.cli.app import app
from tests.support.fake_provider import FakeProvider

CRITIQUE = "```\nLyon\n```\nIt is Paris."
SCRIPT = {
    "generate": ["Lyon"],
    "classify": [0.9, 0.1],
    "critique": [CRITIQUE] * 8,
    "helpfulness": [0.8],
    "refine": ["Paris"],
}
COMMAND = [str(Path(sys.executable).parent / "selfcritic"), "run"]


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(SCRIPT))
    return f"scripted:{path}"


def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this process."""
    result = CliRunner().invoke(app, ["run", *arguments], input=stdin, env=environment)
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)


def run_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=100, check=False
    )


def test_prints_the_answer_to_stdout_and_the_trace_to_stderr(script: str):
    done = run_process("The capital?", "--model", script)
    assert (done.returncode, done.stdout) == (0, "Paris\n")
    expected_lines = [
        "● Draft 0",
        "  Lyon",
        "P(critiqueable) 0.90, the probability of a flaw, by logprobs",
        "● 8 critiques",
        "  0.80  It is Paris.",
        "● Selected",
        "  »Lyon«",
        "  → It is Paris.",
        "● Draft 1",
        "  - Lyon",
        "  + Paris",
        "● Stopped  accepted",
        "  6 calls",
    ]
    for line in expected_lines:
        assert line in done.stderr
    assert "\x1b" not in done.stderr


def test_json_prints_the_output_state(script: str):
    done = run("-", "--model", script, "--json", "--quiet", stdin="The capital?")
    output: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(output) == {
        "answer",
        "stop_reason",
        "p_critiqueable",
        "best_round",
        "rounds",
        "usage",
        "messages",
        "capabilities",
        "self_graded",
        "ungrounded_critiques",
        "omitted_messages",
        "error",
    }
    assert (output["answer"], output["stop_reason"], output["best_round"]) == (
        "Paris",
        "accepted",
        1,
    )
    comment = output["rounds"][0]["critiques"][0]["comments"][0]
    assert (comment["quote"], comment["start"], comment["end"], comment["text"]) == (
        "Lyon",
        0,
        4,
        "It is Paris.",
    )
    assert output["usage"]["calls"] == 6


def test_search_selects_fsbs(tmp_path: Path):
    path = tmp_path / "script.json"
    path.write_text(json.dumps({**SCRIPT, "critique": ["\nLyon\n```\nIt is Paris."] * 28}))
    done = run("The capital?", "--model", f"scripted:{path}", "--search", "fsbs", "--json")
    output = json.loads(done.stdout)
    assert (output["answer"], len(output["rounds"][0]["critiques"])) == ("Paris", 28)
    assert output["capabilities"]["critic"]["prefill"] == "native"
    assert "● 28 critiques" in done.stderr


def test_the_environment_sets_the_default_model(script: str):
    assert run("The capital?", "--quiet", SELFCRITIC_MODEL=script).stdout == "Paris\n"


def test_the_simulated_model_solves_a_task_and_prints_a_notice():
    done = run("What is 128 + 256?", "--model", "simulated?draft_error_rate=0&false_alarm_rate=0")
    assert (done.returncode, done.stdout) == (0, "384\n")
    assert "simulated model: a noisy solver" in done.stderr


def test_events_writes_each_update_to_a_file(script: str, tmp_path: Path):
    path = tmp_path / "events.jsonl"
    run("The capital?", "--model", script, "--events", str(path))
    events = [json.loads(line) for line in path.read_text().splitlines()]
    nodes = ["generate", "classify", "critique", "select", "refine", "classify"]
    assert [event["node"] for event in events] == nodes
    assert events[0]["update"]["rounds"][0]["answer"] == "Lyon"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["  "], 2, "The question is empty"),
        (["q", "--model", "gtp-5"], 2, "There is no model 'gtp-5'"),
        (["q", "--num-critiques", "0"], 2, "--num-critiques"),
        (["q", "--accept-threshold", "1.5"], 2, "--accept-threshold"),
        (["q", "--helpful-threshold", "-0.1"], 2, "--helpful-threshold"),
        (["q", "--max-calls", "0"], 2, "--max-calls"),
        (["q", "--prompts", "nothing"], 2, "There is no prompt set 'nothing'"),
        (["q", "--prompt-dir", "/no/such/folder"], 2, "is not a folder"),
        (["q", "--events", "/no/such/folder/events"], 2, "/no/such/folder/events"),
        (["q", "--context", "/no/such/file"], 2, "/no/such/file"),
        (["q", "--context", "BINARY"], 2, "BINARY is binary: pass text files only"),
        (["q", "--context", "LATIN1"], 2, "LATIN1 is not UTF-8: byte 0xe9 in line 1"),
        (["q", "--api-base", "http://127.0.0.1:1"], 2, "--api-base requires a provider's model"),
        (["q", "--task-type", "summary"], 2, "needs the passage"),
        (["Why is the sky blue?"], 1, "choose a real model: --model"),
        (["q", "--max-rounds"], 2, "--max-rounds"),
    ],
)
def test_rejects_bad_usage_with_a_clear_error(
    arguments: list[str],
    exit_code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    Path("BINARY").write_bytes(b"a\0b")
    Path("LATIN1").write_bytes("café".encode("latin-1"))
    environment = {"COLUMNS": "200", "SELFCRITIC_MODEL": "simulated"}
    result = CliRunner().invoke(app, ["run", *arguments], env=environment)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [["run", "q"], ["batch", "rows.jsonl", "out.jsonl"]])
def test_requires_a_model_and_lists_the_choices(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SELFCRITIC_MODEL", raising=False)
    Path("rows.jsonl").write_text('{"question": "q"}\n')
    result = CliRunner().invoke(app, command)
    assert (result.exit_code, result.stdout) == (2, "")
    for words in ("--model", "SELFCRITIC_MODEL", "local:smollm2", "tiny", "simulated"):
        assert words in result.stderr


def test_rejects_a_question_of_one_megabyte():
    done = run("-", "--model", "simulated", stdin="What is 1 + 1? " * 70_000)
    assert (done.returncode, done.stdout) == (2, "")
    assert "characters together; the limit is 400,000" in done.stderr


@pytest.mark.parametrize(
    ("hanging_prompt", "exit_code", "answer"),
    [("classify", 0, "Lyon\n"), ("generate", 1, "")],
)
def test_ctrl_c_prints_the_best_draft(
    tmp_path: Path, hanging_prompt: str, exit_code: int, answer: str
):
    """Run the command in a program whose model never replies to one of the prompts."""
    program = tmp_path / "hangs.py"
    program.write_text(
        "import asyncio, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # background shells ignore SIGINT\n"
        "from selfcritic.agent import models\n"
        "from selfcritic.agent.models.scripted import ScriptedModel\n"
        "from selfcritic.graphs.cli.app import main\n"
        "from selfcritic.prompts import parse_prompt\n"
        "class Hanging(ScriptedModel):\n"
        "    async def _agenerate(self, messages, *args, **options):\n"
        f"        if parse_prompt(messages).name == {hanging_prompt!r}:\n"
        f"            open({str(tmp_path / 'waiting')!r}, 'w').close()\n"
        "            await asyncio.sleep(60)\n"
        "        return await super()._agenerate(messages, *args, **options)\n"
        "hanging = lambda: Hanging(script=lambda messages: 'Lyon')\n"
        "models.PROVIDERS['hanging'] = models.Provider('hanging', 'hangs', hanging)\n"
        "main()\n"
    )
    command = [sys.executable, str(program), "run", "q", "--model", "hanging", "--quiet"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while not (tmp_path / "waiting").exists():
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (exit_code, answer)
    assert "Traceback" not in stderr


def test_prints_its_version():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"selfcritic {version('selfcritic')}\n")


@pytest.mark.parametrize(
    "command",
    [[], ["run"], ["review"], ["batch"], ["models"], ["models", "check"], ["train", "tiny"]],
)
def test_h_prints_the_help(command: list[str]):
    result = CliRunner().invoke(app, [*command, "-h"])
    assert result.exit_code == 0
    assert "Usage: " in result.stdout


def test_models_lists_the_providers():
    output = CliRunner().invoke(app, ["models"], env={"COLUMNS": "200"}).stdout
    assert "simulated" in output
    assert "scripted:FILE.json" in output


@pytest.mark.parametrize("command", ["run", "review", "batch"])
def test_help_texts_are_short(command: str):
    click_command = typer.main.get_command(app).commands[command]
    texts = {parameter.name: parameter.help for parameter in click_command.params}
    assert all(texts.values())
    assert [name for name, text in texts.items() if len(text) > 60] == []


@pytest.mark.usefixtures("close_clients")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_shows_that_it_waits_for_a_server():
    address = f"http://127.0.0.1:{FakeProvider.refused_port()}/v1"
    arguments = ["x", "--model", "openai/toy", "--api-base", address, "--max-calls", "2"]
    done = CliRunner().invoke(app, ["run", *arguments])
    assert done.exit_code == 1
    assert (
        done.stderr.count(
            f"Waiting for {address} for up to 60 seconds: Connection refused. Wrong port?"
        )
        == 1
    )
    assert "The budget (2 calls) does not cover the next request." in done.stderr
    assert f"Last error: Connection refused. Is the server running at {address}?" in done.stderr
    assert "Waiting" not in CliRunner().invoke(app, ["run", *arguments, "--quiet"]).stderr
