"""Checkpoint files that are broken, foreign or in use."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from selfcritic.agent.errors import CheckpointError, InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs import create_self_critique
from selfcritic.graphs.checkpoints import lock_thread, open_checkpointer
from selfcritic.graphs.cli.app import app

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(thread: str = "t") -> Any:
    options = ["--model", "simulated?seed=1", "--checkpoint", "c.sqlite", "--thread", thread]
    return CliRunner().invoke(app, ["run", "What is 128 + 256?", "--quiet", *options])


def flip(data: bytes, start: int) -> bytes:
    return data[:start] + bytes(byte ^ 0x5A for byte in data[start:])


@pytest.mark.parametrize(
    "breakage",
    [
        lambda data: b"This is a long text and no database. " * 50,
        lambda data: data[: len(data) // 2 + 100],
        lambda data: flip(data, 100),
        lambda data: flip(data, 4096),
        lambda data: flip(data, 12_288),
    ],
)
def test_names_a_broken_file(breakage: Callable[[bytes], bytes]):
    assert run().exit_code == 0
    path = Path("c.sqlite")
    path.write_bytes(breakage(path.read_bytes()))
    result = run()
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stderr.startswith("error: The checkpoint file 'c.sqlite' is damaged")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE bookmarks (url)", "is a SQLite database of another program"),
        ("CREATE TABLE checkpoints (a)", "is a SQLite database of another program"),
        ("CREATE TABLE writes (a)", "is a SQLite database of another program"),
    ],
)
def test_refuses_a_database_of_another_program(statement: str, message: str):
    with closing(sqlite3.connect("c.sqlite")) as db:
        db.execute(statement)
    before = Path("c.sqlite").read_bytes()
    result = run()
    assert result.exit_code == 2
    assert message in result.stderr
    assert Path("c.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE checkpoints SET checkpoint = x'ff00ff'",
        "UPDATE checkpoints SET type = 'unknown'",
        "UPDATE checkpoints SET metadata = x'7b'",
        "UPDATE checkpoints SET checkpoint = NULL",
        "UPDATE checkpoints SET checkpoint = x'80'",
    ],
)
def test_names_a_payload_of_another_program(statement: str):
    assert run().exit_code == 0
    with closing(sqlite3.connect("c.sqlite")) as db:
        db.execute(statement)
        db.commit()
    result = run()
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit), result.exception
    assert "'c.sqlite' cannot be read or saved" in result.stderr


def test_names_a_run_of_another_program():
    async def save() -> None:
        async with open_checkpointer("c.sqlite") as saver:
            graph = create_self_critique().compile(checkpointer=saver)
            config: Any = {"configurable": {"thread_id": "t"}}
            state: Any = {"question": "What is 128 + 256?", "usage": "none", "stop_reason": "x"}
            await graph.aupdate_state(config, state, as_node="generate")

    asyncio.run(save())
    result = run()
    assert result.exit_code == 2
    assert "The thread 't' holds a run of another program or version" in result.stderr


def test_an_app_gets_a_checkpoint_error():
    async def run_until_broken() -> None:
        async with open_checkpointer("c.sqlite") as saver:
            config: Any = {"configurable": {"thread_id": "t"}}

            def reply(messages: list[Any]) -> str:
                with closing(sqlite3.connect("c.sqlite")) as db:
                    db.execute("DROP TABLE IF EXISTS writes")
                return "draft"

            graph = create_self_critique(model=ScriptedModel(script=reply)).compile(
                checkpointer=saver
            )
            await graph.ainvoke({"question": "Why?"}, config, durability="sync")

    with pytest.raises(CheckpointError, match=r"The checkpoint file 'c\.sqlite' cannot be used"):
        asyncio.run(run_until_broken())


def test_one_run_per_thread():
    async def lock_twice() -> None:
        async with lock_thread("c.sqlite", "t"):
            async with lock_thread("c.sqlite", "u"):
                pass
            with pytest.raises(InputError, match=r"'t' in '.*c\.sqlite' is in use by another run"):
                async with lock_thread(str(Path.cwd() / "c.sqlite"), "t"):
                    pass
        async with lock_thread("c.sqlite", "t"):
            pass

    asyncio.run(lock_twice())
    assert list(Path().iterdir()) == []


def test_the_command_refuses_a_thread_in_use_until_its_process_dies():
    program = (
        "import asyncio, sys\n"
        "from selfcritic.graphs.checkpoints import lock_thread\n"
        "async def main():\n"
        "    async with lock_thread('c.sqlite', 't'):\n"
        "        print('locked', flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        refused = run()
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "The thread 't' in 'c.sqlite' is in use by another run" in refused.stderr
        assert run("other").exit_code == 0
        process.kill()
    assert run().exit_code == 0
