"""A PostgreSQL server that stops, and threads that are in use."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from selfcritic.agent import models
from selfcritic.agent.errors import InputError
from selfcritic.agent.models.scripted import ScriptedModel
from selfcritic.graphs.checkpoints import lock_thread
from selfcritic.graphs.cli.app import app
from tests.support.postgres_server import PostgresServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as postgres_server:
        yield postgres_server


def test_one_run_per_thread(server: PostgresServer):
    async def lock_twice() -> None:
        async with lock_thread(server.address, "t"):
            async with lock_thread(server.address, "u"):
                pass
            with pytest.raises(InputError, match=r"The thread 't' in PostgreSQL .* is in use"):
                async with lock_thread(server.address.replace("postgresql", "postgres+x"), "t"):
                    pass
        async with lock_thread(server.address, "t"):
            pass

    asyncio.run(lock_twice())


@pytest.mark.parametrize("request_number", [1, 2, 4])
def test_a_stopped_server_loses_no_draft(
    request_number: int, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    requests: list[Any] = []

    def reply(messages: list[Any]) -> str | float:
        requests.append(messages)
        if len(requests) == request_number:
            server.stop()
        text = messages[-1].text
        if "Yes or No" in text:
            return 0.8
        return f"```\nDRAFT\n```\nreply {len(requests)}"

    name = f"stops-at-{request_number}"  # loaded models are cached by name
    provider = models.Provider(name, "stops", lambda: ScriptedModel(script=reply))
    monkeypatch.setitem(models.PROVIDERS, name, provider)
    command = ["run", "Why?", "--model", name, "--num-critiques", "2", "--max-rounds", "1"]
    address = server.address.replace("postgres@", "postgres:CANARY@")
    command += ["--quiet", "--checkpoint", address, "--thread", f"t{request_number}"]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 1, ended.output
    assert isinstance(ended.exception, SystemExit)
    assert "DRAFT" in ended.stdout
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"error: The PostgreSQL server (127.0.0.1:{server.port}, database")
    assert "CANARY" not in ended.output
    paid = len(requests)
    unreachable = CliRunner().invoke(app, command)
    assert unreachable.exit_code == 2
    assert "cannot be used" in unreachable.stderr
    server.start()
    resumed = CliRunner().invoke(app, command)
    assert resumed.exit_code == 0, resumed.output
    assert len(requests) > paid
