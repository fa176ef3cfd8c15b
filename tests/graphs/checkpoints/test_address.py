"""PostgreSQL addresses in all spellings: recognized, and never printed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from selfcritic.agent.errors import InputError
from selfcritic.graphs.checkpoints.address import is_database_address, parse_address
from selfcritic.graphs.cli.app import app

SECRET = "CANARY"  # noqa: S105 - not a password of any server
REFUSED = [
    f"postgresql://u:{SECRET}%zz@127.0.0.1:1/db",
    f"postgresql://u:{SECRET}/x@127.0.0.1:1/db",
    f"postgresql://u:x@{SECRET}@127.0.0.1:1/db",
    f"postgresql://u:x#{SECRET}@127.0.0.1:1/db",
    f"postgresql://u:x?{SECRET}@127.0.0.1:1/db",
    f"postgresql://u:{SECRET}/db",
    f"postgresql://127.0.0.1:1/db?user=u&password={SECRET}&bogus=1",
    f"mysql://u:{SECRET}@127.0.0.1:1/db",
    f"sqlite:///{SECRET}.sqlite",
    f"postgres:u:{SECRET}@127.0.0.1/db",
    f"u:{SECRET}@127.0.0.1/db",
    f"://u:{SECRET}@127.0.0.1/db",
    f"PASSWORD = {SECRET}",
    f"host=127.0.0.1 passwrd={SECRET}",
]
UNREACHABLE = [
    f"postgresql+psycopg://u:{SECRET}@127.0.0.1:1/runs",
    f"PostgreSQL://u:{SECRET}@127.0.0.1:1/runs",
    f"postgres://u:{SECRET}@127.0.0.1:1/runs",
    f"host=127.0.0.1 port=1 user=u password={SECRET} dbname=runs",
    f"postgresql://u:{SECRET}%40x@127.0.0.1:1/runs",
    f"postgresql://127.0.0.1:1/runs?user=u&password={SECRET}",
]


@pytest.mark.parametrize("where", REFUSED)
def test_refuses_an_ambiguous_address_without_printing_it(where: str):
    assert is_database_address(where)
    with pytest.raises(InputError) as raised:
        parse_address(where)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("where", UNREACHABLE)
def test_describes_host_port_and_database(where: str):
    assert is_database_address(where)
    assert str(parse_address(where)) == "127.0.0.1:1, database runs"
    assert SECRET not in repr(parse_address(where))


def test_names_a_service():
    assert str(parse_address("service=prod")) == "service prod"


@pytest.mark.parametrize(
    "path", ["runs.sqlite", "/home/a b/c.db", "C:/x/y.db", "a=b.sqlite", "./x@y", ":memory:"]
)
def test_takes_other_values_for_files(path: str):
    assert not is_database_address(path)


@given(
    st.sampled_from(["postgresql://", "postgres+psycopg://", "POSTGRESQL://"]),
    st.text(st.sampled_from("aA1/@:?#%&= é"), min_size=1, max_size=8),
)
def test_never_prints_a_password(scheme: str, password: str):
    secret = f"{password}CANARY{password}"
    try:
        described = repr(parse_address(f"{scheme}u:{secret}@h:1/runs"))
    except InputError as error:
        described = str(error)
    assert "CANARY" not in described


@pytest.mark.parametrize("where", [*REFUSED, UNREACHABLE[0], UNREACHABLE[3]])
def test_the_command_neither_prints_nor_creates_it(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    options = ["--model", "simulated", "--checkpoint", where, "--thread", "t"]
    result = CliRunner().invoke(app, ["run", "What is 1 + 1?", *options])
    assert (result.exit_code, result.stdout) == (2, "")
    assert isinstance(result.exception, SystemExit)
    assert SECRET not in result.stderr
    assert list(tmp_path.iterdir()) == []
