"""An address is not taken for a path: its password must not become the name of a file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfcritic.agent.addresses import is_address, is_misplaced_address, reject_address
from selfcritic.agent.context import Context
from selfcritic.agent.errors import InputError
from selfcritic.agent.sampling.disk_cache import DiskCache
from selfcritic.graphs.batch.ledger import Ledger

SECRET = "Canary"  # noqa: S105 - not a password of any server
ADDRESSES = [
    f"postgresql://u:{SECRET}@127.0.0.1:9/db",
    f"redis:/u:{SECRET}@127.0.0.1:9",
    f" s3://bucket/x?password={SECRET}",
    f"u:{SECRET}@127.0.0.1:9",
    f"postgres:u:{SECRET}@h/db",
    f"host=h sslpassword={SECRET}",
    f"PASSWORD = {SECRET}",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_recognizes_addresses(address: str):
    assert is_address(address)
    assert is_address(str(Path(address)))


@pytest.mark.parametrize(
    "path",
    [
        "runs.sqlite",
        "/home/a b/c.db",
        "C:/x/y@z.db",
        "C:\\x\\y@z.db",
        "a=b.sqlite",
        "./x@y",
        ":memory:",
        "user=5/rows.jsonl",
        "12:30.txt",
        "~/a@b:c",
    ],
)
def test_takes_other_values_for_paths(path: str):
    assert not is_address(path)


@pytest.mark.parametrize("address", ADDRESSES)
def test_names_the_option_without_the_address(address: str):
    with pytest.raises(InputError, match=r"^--out takes a path, .* such as \./NAME\.$") as raised:
        reject_address(Path(address), "--out")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_file_is_created_for_an_address(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="`cache`"):
        DiskCache(address)
    with pytest.raises(InputError, match="`ledger`"):
        Ledger(Path(address), {})
    for option in ("cache", "prompt_dir"):
        with pytest.raises(InputError, match=f"`{option}`") as raised:
            Context.model_validate({option: address})
        assert SECRET not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


EXISTING = ["a:b@c.py", "gpt:4o@v1.jsonl", "postgres:dump.json", "reset password=flow.md"]


@pytest.mark.parametrize("name", EXISTING)
def test_an_existing_file_is_a_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert is_misplaced_address(name)
    Path(name).touch()
    reject_address(name, "--out")
    assert not is_misplaced_address(name)
    Path(name).unlink()
    Path(name).mkdir()
    DiskCache(name).close()
    assert Context.model_validate({"cache": name}).cache == name


def test_a_file_left_from_an_address_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for address in ("postgresql://u:pw@h/db", "redis:/u:pw@h"):
        Path(address).mkdir(parents=True)
        assert Path(address).exists()
        for spelling in (address, str(Path(address))):
            with pytest.raises(InputError, match="takes a path"):
                reject_address(spelling, "--out")


@pytest.mark.parametrize("end", ["\0", "x" * 5_000])
def test_an_impossible_name_is_an_address(end: str):
    assert is_misplaced_address(f"u:pw@h{end}")


@given(st.text() | st.from_regex(r"[a-z]{1,5}:/{0,2}[a-z:]{0,5}@.*", fullmatch=True))
def test_any_text_is_a_path_or_an_address(text: str):
    assert is_address(text) >= is_misplaced_address(text)
