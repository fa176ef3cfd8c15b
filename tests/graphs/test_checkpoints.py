"""A killed run resumes without repeating saved requests: real processes, SIGKILL."""

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psycopg
import pytest
from langchain_core.messages import HumanMessage
from typer.testing import CliRunner

from selfcritic.agent.errors import InputError
from selfcritic.agent.schemas import (
    Candidate,
    Capabilities,
    Comment,
    Critique,
    RoleUsage,
    Round,
    Usage,
)
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.checkpoints import open_checkpointer, serializer
from selfcritic.graphs.cli.app import app
from tests.support.postgres_server import PostgresServer
from tests.support.write_checkpoint import QUESTION, model

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
EARLIER_VERSION = "saved by an earlier version of selfcritic"
MAX_IN_FLIGHT = {"natively": 8, "plainly": 40}
"""Concurrent requests: the scores of eight critiques, with five votes each without logprobs."""
FIRST_KILL_LINE = {"natively": 0, "plainly": 60}
"""Log lines after which the model's capabilities are known."""


class Runner:
    """Two warm processes that fork a run each; their standard error goes to the file `stderr`."""

    def __init__(
        self, stack: ExitStack, stderr: Path, processes: int = 2, **environment: str
    ) -> None:
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        command = [sys.executable, "-W", "default", "-m", "tests.support.crashing_run"]
        for _ in range(processes):
            process = subprocess.Popen(
                command,
                cwd=HERE.parents[1],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stack.enter_context(stderr.open("a")),
                text=True,
                env=os.environ | environment,
            )
            self._idle.put(stack.enter_context(process))
            stack.callback(process.stdin.close)  # ends the process

    def __call__(self, job: dict[str, Any]) -> str:
        process = self._idle.get()
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()
        finally:
            self._idle.put(process)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with ExitStack() as stack:
        yield Runner(stack, tmp_path_factory.mktemp("runner") / "stderr")


@dataclass
class Case:
    """One run, which may be killed and resumed several times."""

    runner: Runner
    folder: Path
    how: str = "ainvoke"
    replies: str = "natively"
    durability: str | None = None
    where: str = ""
    thread: str = "t"
    killed: list[Counter[str]] = field(default_factory=list)
    """Requests saved at each kill."""
    has_ended: bool = False
    """Whether the run ended before a kill."""

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.where = self.where or str(self.folder / "db.sqlite")

    @property
    def log(self) -> list[list[str]]:
        path = self.folder / "log"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def run(self, kill: tuple[int, float, int] | None = None) -> str:
        """Start or resume the run; `kill` is log lines, then seconds, then the signal."""
        job = {
            "how": self.how,
            "where": self.where,
            "thread": self.thread,
            "log": str(self.folder / "log"),
            "out": str(self.folder / "out"),
            "replies": self.replies,
            "durability": self.durability,
            "kill": kill,
        }
        return self.runner(job)

    def kill(self, after: int, seconds: float) -> None:
        """Start or resume the run, and kill it some seconds after some more log lines."""
        if self.run((after, seconds, signal.SIGKILL)) == "killed":
            self.killed.append(self.saved())
        else:
            self.has_ended = True

    def saved(self) -> Counter[str]:
        """Return the requests whose replies are in the file."""
        loaded = [serializer().loads_typed(row) for row in self._rows()]
        return Counter(saved["replies"][0].additional_kwargs["key"] for saved in loaded)

    def _rows(self) -> list[tuple[str, bytes]]:
        """Read the replies of the requests without LangGraph."""
        if self.where.startswith("postgresql"):
            query = "SELECT type, blob FROM checkpoint_writes WHERE channel = '__return__' AND thread_id = %s"
            with psycopg.connect(self.where) as postgres:
                return postgres.execute(query, (self.thread,)).fetchall()
        with closing(sqlite3.connect(self.where)) as sqlite:
            if not sqlite.execute("SELECT 1 FROM sqlite_master WHERE name = 'writes'").fetchall():
                return []
            query = "SELECT type, value FROM writes WHERE channel = '__return__' AND thread_id = ?"
            return sqlite.execute(query, (self.thread,)).fetchall()

    def count_charges(self) -> int:
        """Count the charges in the file, each saved before its request was sent."""
        query = "SELECT count(*) FROM {} WHERE channel = 'selfcritic:charge' AND thread_id = {}"
        if self.where.startswith("postgresql"):
            with psycopg.connect(self.where) as postgres:
                query = query.format("checkpoint_writes", "%s")
                [count] = postgres.execute(query, (self.thread,)).fetchall()[0]
                return int(count)
        with closing(sqlite3.connect(self.where)) as sqlite:
            return sqlite.execute(query.format("writes", "?"), (self.thread,)).fetchone()[0]

    @property
    def calls(self) -> int:
        """Calls in the usage of the run's output."""
        return json.loads((self.folder / "out").read_text())["usage"]["calls"]

    @property
    def output(self) -> dict[str, Any]:
        """Output of the run, without fields that differ from run to run."""
        output: dict[str, Any] = json.loads((self.folder / "out").read_text())
        del output["usage"]["seconds"]
        del output["usage"]["calls"]
        for usage in output["usage"]["by_role"].values():
            del usage["calls"]
        for message in output["messages"]:
            del message["id"]
        return output

    def requests(self, start: int = 0) -> Counter[str]:
        """Return the requests in the log from line `start`."""
        return Counter(key for _, event, key in self.log[start:] if event == "ask")


def draw_kill(seed: int, first: int, last: int) -> tuple[int, float]:
    """Draw log lines and seconds for a kill."""
    rng = random.Random(seed)
    return rng.randrange(first, last), rng.uniform(0, 0.008)


@pytest.fixture(scope="module")
def undisturbed(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Case]:
    """Return a function that runs a case without a kill, once per kind."""
    cases: dict[tuple[str, str], Case] = {}

    def run(how: str = "ainvoke", replies: str = "natively") -> Case:
        if (how, replies) not in cases:
            case = Case(runner, tmp_path_factory.mktemp("undisturbed"), how, replies)
            assert case.run() == "ended"
            cases[how, replies] = case
        return cases[how, replies]

    return run


def check(case: Case, baseline: Case) -> None:
    """Assert that the case resumes to the same output and sends exactly the requests that were not saved."""
    before = len(case.log)
    assert case.run() == "ended"
    assert case.output == baseline.output
    if case.has_ended:
        assert case.requests(start=before) == Counter()
    elif case.killed:
        assert case.requests(start=before) == baseline.requests() - case.killed[-1]
    max_in_flight = MAX_IN_FLIGHT[case.replies] * len(case.killed)
    assert (case.requests() - baseline.requests()).total() <= max_in_flight
    check_calls(case)
    assert case.calls - case.requests().total() <= max_in_flight


def check_calls(case: Case) -> None:
    """Assert that the usage has every request, and no other calls than saved charges."""
    assert case.calls == case.count_charges()
    assert case.calls >= case.requests().total()


def check_all(cases: Sequence[tuple[int, Case]], baseline: Case) -> None:
    """Kill and resume the cases, two at a time; every third case is killed twice."""

    def kill_and_check(numbered_case: tuple[int, Case]) -> None:
        seed, case = numbered_case
        lines = len(baseline.log)
        case.kill(*draw_kill(seed, FIRST_KILL_LINE[case.replies], lines))
        if seed % 3 == 0:
            case.kill(*draw_kill(seed + 100, 1, max(2, lines - len(case.log))))
        check(case, baseline)

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(kill_and_check, numbered_case) for numbered_case in cases]
    failures = []
    for (seed, _), future in zip(cases, futures, strict=True):
        error = future.exception()
        if error is not None:
            failures.append(f"seed {seed}: {error}")
    assert not failures, "\n".join(failures)
    assert sum(len(case.killed) for _, case in cases) >= len(cases) / 2


@pytest.mark.parametrize(
    ("how", "replies", "count"),
    [("ainvoke", "natively", 20), ("cli", "natively", 20), ("ainvoke", "plainly", 8)],
)
def test_resumes_after_a_kill_at_any_time(
    how: str,
    replies: str,
    count: int,
    runner: Runner,
    undisturbed: Callable[..., Case],
    tmp_path: Path,
):
    cases = [
        (seed, Case(runner, tmp_path / str(seed), how, replies, "sync")) for seed in range(count)
    ]
    check_all(cases, undisturbed(how, replies))


@pytest.mark.parametrize(("how", "durability"), [("ainvoke", None), ("invoke", "sync")])
def test_returns_the_same_output_with_weaker_durability(
    how: str,
    durability: str | None,
    runner: Runner,
    undisturbed: Callable[..., Case],
    tmp_path: Path,
):
    """LangGraph's default may lose a step's first replies, `invoke` a whole step's: at most eight requests."""
    baseline = undisturbed("ainvoke")

    def kill_and_resume(seed: int) -> None:
        case = Case(runner, tmp_path / str(seed), how, durability=durability)
        case.kill(*draw_kill(seed, 1, len(baseline.log)))
        assert case.run() == "ended"
        assert case.output == baseline.output
        assert (case.requests() - baseline.requests()).total() <= 8
        if durability == "sync":
            check_calls(case)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(kill_and_resume, range(6)))


def test_two_runs_in_one_file_are_independent(
    runner: Runner, undisturbed: Callable[..., Case], tmp_path: Path
):
    where = str(tmp_path / "both.sqlite")
    cases = [
        Case(runner, tmp_path / name, "cli", durability="sync", where=where, thread=name)
        for name in "ab"
    ]
    check_all([(seed, case) for seed, case in enumerate(cases, 1)], undisturbed("cli"))


def test_the_same_command_resumes_after_ctrl_c(
    runner: Runner, undisturbed: Callable[..., Case], tmp_path: Path
):
    baseline = undisturbed("cli")
    case = Case(runner, tmp_path / "case", "cli")
    assert case.run((len(baseline.log) // 2, 0.0, signal.SIGINT)) == "ended"
    assert case.output["stop_reason"] == "interrupted"
    case.killed.append(case.saved())
    check(case, baseline)


def test_prints_a_finished_thread_without_requests(runner: Runner, tmp_path: Path):
    case = Case(runner, tmp_path / "case", "cli")
    case.run()
    printed, log = (case.folder / "out").read_text(), case.log
    (case.folder / "out").unlink()
    case.run()
    assert (case.folder / "out").read_text() == printed
    assert case.log == log


@pytest.mark.parametrize("strict", ["false", "true"])
def test_restores_all_records_without_warnings(strict: str, tmp_path: Path):
    """Inspect the checkpoints of a killed run, saved requests included."""
    with ExitStack() as stack:
        runner = Runner(stack, tmp_path / "stderr", 1, LANGGRAPH_STRICT_MSGPACK=strict)
        case = Case(runner, tmp_path / "case", durability="sync")
        case.kill(50, 0.002)
        assert case.run() == "ended"
        assert Case(runner, case.folder, "look").run() == "ended"
    types = json.loads((case.folder / "out").read_text())
    assert {
        "rounds[]: Round",
        "rounds[].candidates[]: Candidate",
        "rounds[].critiques[]: Critique",
        "rounds[].critiques[].comments[]: Comment",
        "__return__.replies[]: AIMessage",
        "messages[]: AIMessage",
        "capabilities.judge: Capabilities",
        "usage: Usage",
        "usage.by_role.critic: RoleUsage",
    } <= set(types)
    assert (tmp_path / "stderr").read_text() == ""


def test_serializer_restores_every_record(caplog: pytest.LogCaptureFixture):
    comment = Comment(quote="a", text="b")
    critique = Critique(text="c", comments=[comment], ungrounded=[comment])
    round_ = Round(answer="d", candidates=[Candidate(answer="e")], critiques=[critique])
    usage = Usage(by_role={"judge": RoleUsage()})
    records = [round_, usage, Capabilities(rejected=["n"]), HumanMessage("f")]
    assert serializer().loads_typed(serializer().dumps_typed(records)) == records
    assert caplog.records == []


@pytest.mark.parametrize(
    ("version", "options"),
    # Version 2 has no `judged_by` of critiques, and scored critiques that quote nothing. Up to version 3, each
    # checkpoint holds all rounds, without their index.
    [(2, {"allow_ungrounded": True}), (3, {}), (4, {})],
)
def test_reads_and_resumes_checkpoints(version: int, options: dict[str, Any], tmp_path: Path):
    """Read a file written by `python -m tests.support.write_checkpoint tests/graphs/data/checkpoint-v4.sqlite`.

    The files are never rewritten: a version that saves another format adds a file.
    """
    path = shutil.copy(HERE / "data" / f"checkpoint-v{version}.sqlite", tmp_path)
    scripted: Any = model()
    for name in ("generate", "classify", "classify", "critique", "critique"):
        scripted.script[name].pop(0)

    async def read() -> list[dict[str, Any]]:
        async with open_checkpointer(str(path)) as saver:
            builder = create_self_critique(model=scripted, num_drafts=2, num_critiques=2, **options)
            graph = builder.compile(checkpointer=saver)
            finished: Any = {"configurable": {"thread_id": "finished"}}
            stopped: Any = {"configurable": {"thread_id": "stopped"}}
            assert (await graph.aget_state(finished)).next == ()
            assert (await graph.aget_state(stopped)).next == ("select",)
            return [
                (await graph.aget_state(finished)).values,
                await graph.ainvoke(None, stopped, durability="sync"),
            ]

    finished, resumed = asyncio.run(read())
    assert finished["question"] == QUESTION["question"]
    assert len(scripted.requests) == 4  # two scores, a refinement, a verdict
    for output in (finished, resumed):
        assert (output["answer"], output["stop_reason"], output["best_round"]) == (
            "Paris",
            "accepted",
            1,
        )
        assert output["usage"].calls == 8
        first, second = output["rounds"]
        assert [candidate.answer for candidate in first.candidates] == ["Nice", "Lyon"]
        assert [critique.helpfulness for critique in first.critiques] == pytest.approx([0.8, 0.3])
        assert (first.critiques[0].comments[0].text, second.answer) == ("It is Paris.", "Paris")
    if version == 4:
        assert resumed["rounds"] == finished["rounds"]


@pytest.mark.parametrize("thread", ["finished", "stopped"])
def test_rejects_a_thread_of_an_earlier_version_with_a_clear_message(thread: str, tmp_path: Path):
    path = shutil.copy(HERE / "data" / "checkpoint-v1.sqlite", tmp_path)
    config: Any = {"configurable": {"thread_id": thread}}
    scripted = model()

    async def resume() -> None:
        async with open_checkpointer(str(path)) as saver:
            graph = create_self_critique(model=scripted).compile(checkpointer=saver)
            with pytest.raises(InputError, match=EARLIER_VERSION):
                await graph.aget_state(config)
            with pytest.raises(InputError, match=EARLIER_VERSION):
                await graph.ainvoke(None, config)

    asyncio.run(resume())
    assert scripted.requests == []


def test_accepts_text_that_names_a_record_of_an_earlier_version():
    text = "selfcritic.agent.schemas Draft selfcritic.agent.schemas\xb8Draft"
    assert serializer().loads_typed(serializer().dumps_typed([text])) == [text]


@pytest.fixture
def postgres() -> Iterator[str]:
    """Run a PostgreSQL server and yield its address."""
    with PostgresServer() as server:
        yield server.address


def test_resumes_from_postgres(
    postgres: str, runner: Runner, undisturbed: Callable[..., Case], tmp_path: Path
):
    case = Case(runner, tmp_path / "case", "cli", where=postgres)
    case.kill(40, 0.003)
    assert case.killed
    check(case, undisturbed("cli"))


PLAIN_TEXT = "This text is long enough to have the size of a database header. " * 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint", "FOLDER/db"], "--checkpoint and --thread go together"),
        (["--thread", "t"], "--checkpoint and --thread go together"),
        (
            ["--checkpoint", "FOLDER/no/such/folder/db", "--thread", "t"],
            "Check that its folder exists",
        ),
        (["--checkpoint", "FOLDER", "--thread", "t"], "unable to open database file"),
        (["--checkpoint", "FOLDER/text", "--thread", "t"], "file is not a database"),
        (["--checkpoint", "FOLDER/another", "--thread", "finished"], "holds another question"),
        (["--checkpoint", "FOLDER/earlier", "--thread", "finished"], EARLIER_VERSION),
        (["--checkpoint", "postgresql://127.0.0.1:1/none", "--thread", "t"], "cannot be used"),
    ],
)
def test_rejects_an_unusable_checkpoint_with_a_clear_message(
    arguments: list[str], message: str, tmp_path: Path
):
    (tmp_path / "text").write_text(PLAIN_TEXT)
    shutil.copy(HERE / "data" / "checkpoint-v1.sqlite", tmp_path / "earlier")
    shutil.copy(HERE / "data" / "checkpoint-v2.sqlite", tmp_path / "another")
    arguments = [argument.replace("FOLDER", str(tmp_path)) for argument in arguments]
    environment = {"COLUMNS": "200", "SELFCRITIC_MODEL": "simulated"}
    result = CliRunner().invoke(app, ["run", "What is 1 + 1?", *arguments], env=environment)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
