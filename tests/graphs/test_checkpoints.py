"""A run that is killed goes on where it was, and pays again for nothing that was saved: real processes, SIGKILL."""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
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

from selfcritic.agent.schemas import Candidate, Capabilities, Comment, Critique, RoleUsage, Round, Usage
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.checkpoints import open_checkpointer, serializer
from selfcritic.graphs.cli.app import app
from tests.support.write_checkpoint import QUESTION, model

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
AT_ONCE = {"natively": 8, "plainly": 40}
"""Requests in flight at most: the scorings of eight critiques, of five votes each where there are no log-probs."""
SETTLED = {"natively": 0, "plainly": 60}
"""Lines of the log from which on it is known what the model can do."""


class Runner:
    """Two warm processes that fork a run each, at once; what goes to their standard error is kept in `said`."""

    def __init__(self, open_: ExitStack, said: Path, processes: int = 2, **environment: str) -> None:
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        self.said = said
        command = [sys.executable, "-W", "default", "-m", "tests.support.crashing_run"]
        for _ in range(processes):
            process = subprocess.Popen(
                command, cwd=HERE.parents[1], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=open_.enter_context(said.open("a")),
                text=True, env=os.environ | environment,
            )  # fmt: skip
            self._idle.put(open_.enter_context(process))
            open_.callback(process.stdin.close)  # which ends it

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
    with ExitStack() as open_:
        yield Runner(open_, tmp_path_factory.mktemp("runner") / "stderr")


@dataclass
class Case:
    """One run, as often as it is killed."""

    runner: Runner
    folder: Path
    how: str = "ainvoke"
    replies: str = "natively"
    durability: str | None = None
    where: str = ""
    thread: str = "t"
    killed: list[Counter[str]] = field(default_factory=list)
    """What had been saved at each kill."""

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.where = self.where or str(self.folder / "db.sqlite")

    @property
    def log(self) -> list[list[str]]:
        path = self.folder / "log"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def go(self, kill: tuple[int, float, int] | None = None) -> str:
        return self.runner(
            {"how": self.how, "where": self.where, "thread": self.thread, "log": str(self.folder / "log"),
             "out": str(self.folder / "out"), "replies": self.replies, "durability": self.durability, "kill": kill}
        )  # fmt: skip

    def kill(self, after: int, seconds: float) -> None:
        """Start the run, or go on with it, and kill it so long after so many lines of its log."""
        if self.go((after, seconds, signal.SIGKILL)) == "killed":
            self.killed.append(self.saved())

    def saved(self) -> Counter[str]:
        """The requests whose replies stand in the file."""
        loaded = [serializer().loads_typed(row) for row in self._rows()]
        return Counter(one["replies"][0].additional_kwargs["key"] for one in loaded)

    def _rows(self) -> list[tuple[str, bytes]]:
        """The requests' replies, read without LangGraph."""
        if self.where.startswith("postgresql"):
            query = "SELECT type, blob FROM checkpoint_writes WHERE channel = '__return__' AND thread_id = %s"
            with psycopg.connect(self.where) as postgres:
                return postgres.execute(query, (self.thread,)).fetchall()
        with closing(sqlite3.connect(self.where)) as sqlite:
            if not sqlite.execute("SELECT 1 FROM sqlite_master WHERE name = 'writes'").fetchall():
                return []
            query = "SELECT type, value FROM writes WHERE channel = '__return__' AND thread_id = ?"
            return sqlite.execute(query, (self.thread,)).fetchall()

    @property
    def output(self) -> dict[str, Any]:
        """What the run came to, without what differs from run to run."""
        output: dict[str, Any] = json.loads((self.folder / "out").read_text())
        del output["usage"]["seconds"]
        for message in output["messages"]:
            del message["id"]
        return output

    def asked(self, since: int = 0) -> Counter[str]:
        """The requests made, from a line of the log on."""
        return Counter(key for _, what, key in self.log[since:] if what == "ask")


def moment(seed: int, first: int, last: int) -> tuple[int, float]:
    """A seeded moment: lines of the log, and seconds after."""
    draw = random.Random(seed)
    return draw.randrange(first, last), draw.uniform(0, 0.008)


@pytest.fixture(scope="module")
def undisturbed(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Case]:
    """A run of the kind that is never killed, each kind once."""
    done: dict[tuple[str, str], Case] = {}

    def run(how: str = "ainvoke", replies: str = "natively") -> Case:
        if (how, replies) not in done:
            case = done[how, replies] = Case(runner, tmp_path_factory.mktemp("undisturbed"), how, replies)
            assert case.go() == "ended"
        return done[how, replies]

    return run


def check(case: Case, whole: Case) -> None:
    """The case goes on to the same end, and asks for what had not been saved and for nothing else."""
    before = len(case.log)
    assert case.go() == "ended"
    assert case.output == whole.output
    if case.killed:
        assert case.asked(since=before) == whole.asked() - case.killed[-1]
    assert (case.asked() - whole.asked()).total() <= AT_ONCE[case.replies] * len(case.killed)


def check_all(cases: Sequence[tuple[int, Case]], whole: Case) -> None:
    """Kill and continue two cases at once, each third one killed twice."""

    def one(numbered: tuple[int, Case]) -> None:
        seed, case = numbered
        lines = len(whole.log)
        case.kill(*moment(seed, SETTLED[case.replies], lines))
        if seed % 3 == 0:
            case.kill(*moment(seed + 100, 1, max(2, lines - len(case.log))))
        check(case, whole)

    with ThreadPoolExecutor(2) as pool:
        outcomes = [pool.submit(one, numbered) for numbered in cases]
    failed = {seed: error for (seed, _), done in zip(cases, outcomes, strict=True) if (error := done.exception())}
    assert not failed, "\n".join(f"moment {seed}: {error}" for seed, error in failed.items())
    assert sum(len(case.killed) for _, case in cases) >= len(cases) / 2


@pytest.mark.parametrize(
    ("how", "replies", "count"), [("ainvoke", "natively", 20), ("cli", "natively", 20), ("ainvoke", "plainly", 8)]
)
def test_killed_at_any_moment_it_goes_on(
    how: str, replies: str, count: int, runner: Runner, undisturbed: Callable[..., Case], tmp_path: Path
):
    cases = [(seed, Case(runner, tmp_path / str(seed), how, replies, "sync")) for seed in range(count)]
    check_all(cases, undisturbed(how, replies))


@pytest.mark.parametrize(("how", "durability"), [("ainvoke", None), ("invoke", "sync")])
def test_saved_less_often_the_result_is_still_the_same(
    how: str, durability: str | None, runner: Runner, undisturbed: Callable[..., Case], tmp_path: Path
):
    """LangGraph's default may lose a step's first replies, `invoke` a whole step's: eight requests at most."""
    whole = undisturbed("ainvoke")

    def one(seed: int) -> None:
        case = Case(runner, tmp_path / str(seed), how, durability=durability)
        case.kill(*moment(seed, 1, len(whole.log)))
        assert case.go() == "ended"
        assert case.output == whole.output
        assert (case.asked() - whole.asked()).total() <= 8

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(6)))


def test_two_runs_on_one_file_do_not_meet(runner: Runner, undisturbed: Callable[..., Case], tmp_path: Path):
    where = str(tmp_path / "both.sqlite")
    cases = [Case(runner, tmp_path / name, "cli", durability="sync", where=where, thread=name) for name in "ab"]
    check_all([(seed, case) for seed, case in enumerate(cases, 1)], undisturbed("cli"))


def test_after_ctrl_c_the_same_command_continues(runner: Runner, undisturbed: Callable[..., Case], tmp_path: Path):
    whole = undisturbed("cli")
    case = Case(runner, tmp_path / "case", "cli")
    assert case.go((len(whole.log) // 2, 0.0, signal.SIGINT)) == "ended"
    assert case.output["stop_reason"] == "interrupted"
    case.killed.append(case.saved())
    check(case, whole)


def test_a_finished_thread_is_printed_again_without_a_request(runner: Runner, tmp_path: Path):
    case = Case(runner, tmp_path / "case", "cli")
    case.go()
    printed, log = (case.folder / "out").read_text(), case.log
    (case.folder / "out").unlink()
    case.go()
    assert (case.folder / "out").read_text() == printed
    assert case.log == log


@pytest.mark.parametrize("strict", ["false", "true"])
def test_all_records_come_back_as_records_without_a_warning(strict: str, tmp_path: Path):
    """A run that was killed, then what its checkpoints hold, saved requests included."""
    with ExitStack() as open_:
        runner = Runner(open_, tmp_path / "stderr", 1, LANGGRAPH_STRICT_MSGPACK=strict)
        case = Case(runner, tmp_path / "case", durability="sync")
        case.kill(50, 0.002)
        assert case.go() == "ended"
        assert Case(runner, case.folder, "look").go() == "ended"
    found = json.loads((case.folder / "out").read_text())
    rounds = ["rounds[]: Draft", "rounds[].candidates[]: Candidate", "rounds[].critiques[]: Critique",
              "rounds[].critiques[].comments[]: Comment"]  # fmt: skip
    saved = ["__return__.replies[]: AIMessage", "messages[]: AIMessage", "methods.judge: Method", "usage: Usage",
             "usage.by_role.critic: RoleUsage"]  # fmt: skip
    assert set(rounds + saved) <= set(found)
    assert (tmp_path / "stderr").read_text() == ""


def test_every_record_of_a_run_is_read_back(caplog: pytest.LogCaptureFixture):
    comment = Comment(quote="a", text="b")
    critique = Critique(text="c", comments=[comment], ungrounded=[comment])
    draft = Round(answer="d", candidates=[Candidate(answer="e")], critiques=[critique])
    everything = [draft, Usage(by_role={"judge": RoleUsage()}), Capabilities(rejected=["n"]), HumanMessage("f")]
    assert serializer().loads_typed(serializer().dumps_typed(everything)) == everything
    assert caplog.records == []


def test_what_an_earlier_version_saved_is_read_and_continued(tmp_path: Path):
    """Written once by `python -m tests.support.write_checkpoint tests/graphs/data/checkpoint-v1.sqlite`.

    The file stays as it is; a version that saves otherwise adds a file of its own beside it.
    """
    path = shutil.copy(HERE / "data" / "checkpoint-v1.sqlite", tmp_path)
    asked: Any = model()
    for role in ("generate", "classify", "classify", "critique", "critique"):
        asked.script[role].pop(0)

    async def read() -> list[dict[str, Any]]:
        async with open_checkpointer(str(path)) as saver:
            graph = create_self_critique(model=asked, num_drafts=2, num_critiques=2).compile(checkpointer=saver)
            finished: Any = {"configurable": {"thread_id": "finished"}}
            stopped: Any = {"configurable": {"thread_id": "stopped"}}
            assert (await graph.aget_state(finished)).next == ()
            assert (await graph.aget_state(stopped)).next == ("select",)
            return [(await graph.aget_state(finished)).values, await graph.ainvoke(None, stopped, durability="sync")]

    finished, continued = asyncio.run(read())
    assert finished["question"] == QUESTION["question"]
    assert len(asked.requests) == 4  # two scorings, a mend, a verdict
    for output in (finished, continued):
        assert (output["answer"], output["stop_reason"], output["best_round"]) == ("Paris", "accepted", 1)
        assert output["usage"].calls == 8
        first, second = output["rounds"]
        assert [one.answer for one in first.candidates] == ["Nice", "Lyon"]
        assert [one.helpfulness for one in first.critiques] == pytest.approx([0.8, 0.3])
        assert (first.critiques[0].comments[0].text, second.answer) == ("It is Paris.", "Paris")
    for one in continued["rounds"][0].critiques:
        assert one.reward == one.helpfulness  # which that version did not save
        one.reward = None
    assert continued["rounds"] == finished["rounds"]


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server of its own, on a port that was free."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    su = shutil.which("su")
    if not found or os.getuid() != 0 or su is None:
        pytest.skip("PostgreSQL's initdb is not installed, or this is not root, who may become postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        shutil.chown(folder, "postgres")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        control = found[-1].parent / "pg_ctl"

        def as_postgres(command: str) -> None:
            subprocess.run([su, "postgres", "-c", command], check=True, stdout=subprocess.DEVNULL, cwd="/")

        as_postgres(f"{found[-1]} -D {folder}/data -A trust -U postgres --no-sync")
        as_postgres(f"{control} -D {folder}/data -o '{options}' -l {folder}/log -w start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            as_postgres(f"{control} -D {folder}/data -m immediate -w stop")


def test_postgres_by_the_same_code(postgres: str, runner: Runner, undisturbed: Callable[..., Case], tmp_path: Path):
    case = Case(runner, tmp_path / "case", "cli", where=postgres)
    case.kill(40, 0.003)
    assert case.killed
    check(case, undisturbed("cli"))


NO_DATABASE = "This is a text, and it is long enough to be seen as no header of a database file at all. " * 20


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--checkpoint", "FOLDER/db"], "--checkpoint and --thread go together"),
        (["--thread", "t"], "--checkpoint and --thread go together"),
        (["--checkpoint", "FOLDER/no/such/folder/db", "--thread", "t"], "unable to open database file"),
        (["--checkpoint", "FOLDER", "--thread", "t"], "unable to open database file"),
        (["--checkpoint", "FOLDER/text", "--thread", "t"], "file is not a database"),
        (["--checkpoint", "FOLDER/another", "--thread", "finished"], "holds another question"),
        (["--checkpoint", "postgresql://127.0.0.1:1/none", "--thread", "t"], "cannot be used"),
    ],
)
def test_what_cannot_be_saved_to_is_a_clear_error(arguments: list[str], complaint: str, tmp_path: Path):
    (tmp_path / "text").write_text(NO_DATABASE)
    shutil.copy(HERE / "data" / "checkpoint-v1.sqlite", tmp_path / "another")
    named = [argument.replace("FOLDER", str(tmp_path)) for argument in arguments]
    result = CliRunner().invoke(app, ["run", "What is 1 + 1?", *named], env={"COLUMNS": "200"})
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr
