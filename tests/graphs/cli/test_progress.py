"""Progress of slow steps, notices about retries, and messages next to a spinner."""

import asyncio
import io
import logging
import re
from uuid import uuid4

import pytest
from langchain_core.outputs import LLMResult
from rich.text import Text
from typer.testing import CliRunner

from selfcritic.agent import load
from selfcritic.agent.schemas import Round, Usage
from selfcritic.graphs.cli import console as cli_console
from selfcritic.graphs.cli import progress, terminal
from selfcritic.graphs.cli.app import app
from selfcritic.graphs.cli.notices import NoticeHandler
from selfcritic.graphs.cli.progress import RequestProgress
from selfcritic.graphs.cli.terminal import SafeConsole, wrap_answer
from selfcritic.graphs.cli.trace import Trace
from selfcritic.graphs.self_critique import create_self_critique
from tests.support.fake_provider import FakeProvider, Fault

REPLY = LLMResult(generations=[])
LONG = "The quick brown fox jumps over the lazy dog and runs into the deep dark forest. " * 3


class Terminal(io.StringIO):
    """Output that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def make_terminal() -> SafeConsole:
    return SafeConsole(file=Terminal(), force_terminal=True, width=40)


def run_steps(counter: RequestProgress, seconds: float = 0.0) -> None:
    async def send() -> None:
        runs = [uuid4() for _ in range(3)]
        for run_id in runs:
            await counter.on_chat_model_start({}, [], run_id=run_id)
        await counter.on_llm_end(REPLY, run_id=runs[0])
        await counter.on_llm_error(TimeoutError(), run_id=runs[1])
        await asyncio.sleep(seconds)

    asyncio.run(send())


def test_counts_the_replies_and_seconds_of_a_step(monkeypatch: pytest.MonkeyPatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    counter = RequestProgress(lambda text: None)
    counter.start_step("looking for flaws")
    assert counter.__rich__().plain == "looking for flaws …"
    run_steps(counter)
    now = 95.4
    assert counter.__rich__().plain == "looking for flaws: 1 of 2 replies, 95 s"
    counter.start_step("refining")
    assert counter.__rich__().plain == "refining …"


def test_hints_once_at_a_slow_step(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "HINT_SECONDS", 0.01)
    hints: list[str] = []
    counter = RequestProgress(hints.append)
    run_steps(counter, seconds=0.05)
    counter.start_step("refining")
    run_steps(counter, seconds=0.05)
    assert len(hints) == 1
    assert "--num-critiques 2 --max-rounds 1" in hints[0]
    assert "?timeout=300" in hints[0]


def test_a_fast_step_gives_no_hint(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "HINT_SECONDS", 0.02)
    hints: list[str] = []
    counter = RequestProgress(hints.append)

    async def steps() -> None:
        for _ in range(4):
            await counter.on_chat_model_start({}, [], run_id=uuid4())
            counter.start_step("refining")
            await asyncio.sleep(0.01)

    asyncio.run(steps())
    assert hints == []


def test_a_run_counts_its_requests():
    replies: list[int] = []

    class Recorder(RequestProgress):
        def start_step(self, text: str) -> None:
            replies.append(getattr(self, "_num_replies", 0))
            super().start_step(text)

    counter = Recorder(lambda text: None)
    model = load("simulated", seed=11)
    graph = create_self_critique(model=model, num_critiques=3).compile()
    output = asyncio.run(
        graph.ainvoke({"question": "What is 4,387 + 2,965?"}, {"callbacks": [counter]})
    )
    counter.start_step("end")
    assert sum(replies) == output["usage"].calls > 1


@pytest.mark.usefixtures("close_clients")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_prints_a_line_for_each_retry():
    faults = [Fault("status", 503, message="Busy."), Fault("status", 503, message="Busy.")]
    arguments = ["q", "--max-rounds", "0", "--model"]
    with FakeProvider(0.1, faults=faults) as provider:
        spec = f"openai/toy?api_base={provider.url}&api_key=sk-test"
        done = CliRunner().invoke(app, ["run", *arguments, spec])
        quiet = CliRunner().invoke(app, ["run", *arguments, spec, "--quiet"])
    assert done.exit_code == 0, done.stderr
    assert re.search(r"Attempt 1 failed, next in [\d.]+ s: Busy\.", done.stderr)
    assert re.search(r"Attempt 2 failed, next in [\d.]+ s: Busy\.", done.stderr)
    assert quiet.stderr == ""


def retry_record(level: int, attempt: int, reason: str) -> logging.LogRecord:
    name = "selfcritic.agent.sampling.retry"
    return logging.LogRecord(name, level, "", 1, "Attempt %d: %s", (attempt, reason), None)


def test_equal_failures_of_parallel_requests_are_printed_once():
    lines: list[str] = []
    handler = NoticeHandler(lines.append, shows_retries=True)
    for record in [
        retry_record(logging.INFO, 1, "Busy."),
        retry_record(logging.INFO, 1, "Busy."),
        retry_record(logging.INFO, 2, "Busy."),
        retry_record(logging.WARNING, 1, "Waiting."),
    ]:
        handler.handle(record)
    assert lines == ["Attempt 1: Busy.", "Attempt 2: Busy.", "Attempt 1: Waiting."]
    silent: list[str] = []
    NoticeHandler(silent.append, shows_retries=False).handle(retry_record(logging.INFO, 1, "x"))
    other = logging.LogRecord("selfcritic.other", logging.INFO, "", 1, "x", None, None)
    NoticeHandler(silent.append, shows_retries=True).handle(other)
    assert silent == []


def test_an_error_stops_the_spinner_and_wraps_words(monkeypatch: pytest.MonkeyPatch):
    shared = make_terminal()
    monkeypatch.setattr(cli_console, "create_console", lambda **options: shared)
    with Trace(shared):
        cli_console.print_error(LONG)
        after_error = shared.file.getvalue().rpartition("error: ")[2]
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", after_error)
    assert "drafting" not in text  # the spinner does not follow the message
    lines = text.splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(text.split()) == LONG.strip()


def test_drafts_are_wrapped_on_a_terminal_only():
    for is_terminal in (True, False):
        console = SafeConsole(file=io.StringIO(), force_terminal=is_terminal, width=40)
        with Trace(console) as trace:
            trace.show("generate", {"rounds": [Round(answer=LONG)]})
        text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", console.file.getvalue())
        assert (f"  {LONG}" in text) != is_terminal
        assert ("  lazy dog and runs into the deep dark\n" in text) == is_terminal


def test_the_answer_is_wrapped_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch):
    assert wrap_answer(LONG) == LONG
    monkeypatch.setattr(terminal.sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    wrapped = wrap_answer(LONG)
    assert max(map(len, wrapped.splitlines())) <= 40
    assert wrapped.split() == LONG.split()
    for code in (f"```\n{LONG}\n```", f"    {LONG}"):
        assert wrap_answer(code) == code
    url = "http://127.0.0.1/" + "x" * 60
    assert url in wrap_answer(f"See {url}")  # can be copied


def test_an_accepted_draft_shows_no_next_step():
    console = make_terminal()
    with Trace(console) as trace:
        trace.show("generate", {"rounds": [Round(answer="a")]})
        rounds = [Round(answer="a", p_critiqueable=0.1)]
        trace.show("classify", {"rounds": rounds, "best_round": 0, "stop_reason": "accepted"})
        before_end = console.file.getvalue()
        trace.end("accepted", 0, Usage())
    assert "looking for flaws" not in before_end
    assert Text.from_ansi(before_end).plain.count("judging the draft") >= 1


def test_the_notice_about_self_grading_comes_last_and_explains(tmp_path):
    script = tmp_path / "script.json"
    script.write_text('{"generate": ["Lyon"], "classify": [0.1]}')
    done = CliRunner().invoke(app, ["run", "q", "--model", f"scripted:{script}"])
    lines = done.stderr.splitlines()
    assert lines[0].startswith("● Draft 0")
    assert lines[-1].startswith("Self-graded: one model wrote and criticized the answer")
    assert "Answer" not in done.stderr  # stdout is no terminal
