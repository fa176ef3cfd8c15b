import logging
import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation

from selfcritic.agent.errors import InputError
from selfcritic.agent.sampling import disk_cache
from selfcritic.agent.sampling.disk_cache import (
    FILE_NAME,
    DiskCache,
    _decode,
    _encode,
)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DiskCache]:
    opened = DiskCache(tmp_path / "cache")
    yield opened
    opened.close()


def entry(text: str, **metadata: object) -> list[ChatGeneration]:
    message = AIMessage(text, response_metadata=metadata)
    return [ChatGeneration(message=message, generation_info={"tokens": 3, "cost_usd": None})]


def texts(found) -> list[str]:
    return [reply.text for reply in found or []]


def test_replies_survive_reopening(cache: DiskCache):
    logprobs = {"content": [{"token": "Yes", "logprob": -0.1, "top_logprobs": []}]}
    cache.update("p", "m", entry("hello \ud800", logprobs=logprobs))
    with closing(DiskCache(cache.folder)) as again:
        [found] = again.lookup("p", "m") or []
    assert isinstance(found, ChatGeneration)
    assert found.text == "hello \ud800"
    assert found.message.response_metadata["logprobs"] == logprobs
    assert cache.lookup("p", "other") is None
    assert cache.lookup("pm", "") is None


@settings(max_examples=40)
@given(st.text(), st.dictionaries(st.text(), st.floats() | st.text() | st.lists(st.integers())))
def test_what_is_stored_is_read_unchanged(text: str, metadata: dict[str, object]):
    encoded = _encode(entry(text, data=metadata))
    if encoded is not None:
        assert _decode(encoded) == entry(text, data=metadata)


@settings(max_examples=40)
@given(st.text() | st.binary() | st.none())
def test_a_damaged_entry_is_a_miss(content: object):
    assert _decode(content) in (None, [])


def test_the_folder_and_its_files_are_private(cache: DiskCache):
    cache.update("p", "m", entry("a"))
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    names = {path.name for path in cache.folder.iterdir()}
    assert FILE_NAME in names
    for name in names:
        assert stat.S_IMODE((cache.folder / name).stat().st_mode) == 0o600


def test_credentials_are_not_stored(cache: DiskCache, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret-key-1234")
    cache.update("p", "m", entry("the key is very-secret-key-1234"))
    assert cache.lookup("p", "m") is None
    for path in cache.folder.iterdir():
        assert b"very-secret" not in path.read_bytes()


def test_nothing_is_unpickled(cache: DiskCache):
    cache.update("p", "m", entry("a"))
    marker = cache.folder / "executed"

    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    with closing(sqlite3.connect(cache.folder / FILE_NAME)) as db, db:
        db.execute("UPDATE replies SET reply = ?", (pickle.dumps(Attack()),))
    assert cache.lookup("p", "m") is None
    assert not marker.exists()
    cache.update("p", "m", entry("b"))
    assert texts(cache.lookup("p", "m")) == ["b"]


def test_replies_that_are_not_chat_messages_are_not_stored(cache: DiskCache):
    cache.update("p", "m", [Generation(text="a")])
    assert cache.lookup("p", "m") is None


def test_clear_removes_all_entries(cache: DiskCache):
    cache.update("p", "m", entry("a"))
    cache.clear()
    assert cache.lookup("p", "m") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a database, but long enough to look like a file" * 40, "damaged: delete"),
        ("CREATE TABLE replies (key, reply)", "is not a cache of this version"),
        ("CREATE TABLE users (name); PRAGMA user_version = 1", "is not a cache of this version"),
    ],
)
def test_a_foreign_file_is_refused_and_unchanged(
    tmp_path: Path, content: bytes | str, message: str
):
    path = tmp_path / FILE_NAME
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with closing(sqlite3.connect(path)) as db:
            db.executescript(content)
    before = path.read_bytes()
    with pytest.raises(InputError, match=message):
        DiskCache(tmp_path)
    assert path.read_bytes() == before


def test_a_locked_file_is_reported_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(disk_cache, "_BUSY_SECONDS", 0.1)
    DiskCache(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match="Another process blocks it"):
            DiskCache(tmp_path)


def test_a_full_disk_turns_the_cache_off_with_one_warning(
    cache: DiskCache, caplog: pytest.LogCaptureFixture
):
    cache.update("p", "m", entry("a"))
    [pages] = cache._db.execute("PRAGMA page_count").fetchone()
    cache._db.execute(f"PRAGMA max_page_count = {pages}")
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            cache.update("q", str(number), entry("x" * 100_000))
    assert len(caplog.records) == 1
    assert "Free some space on its disk. The run continues without it." in caplog.text
    assert cache.lookup("p", "m") is None


def test_damage_during_a_run_turns_the_cache_off(
    cache: DiskCache, caplog: pytest.LogCaptureFixture
):
    with closing(sqlite3.connect(cache.folder / FILE_NAME)) as db, db:
        db.execute("DROP TABLE replies")
    assert cache.lookup("p", "m") is None
    cache.update("p", "m", entry("a"))
    assert "no such table" in caplog.text


_WRITER = """
import sys
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration
from selfcritic.agent.sampling.disk_cache import DiskCache
cache = DiskCache(sys.argv[1])
print("open", flush=True)
for number in range(int(sys.argv[3])):
    reply = ChatGeneration(message=AIMessage(f"{sys.argv[2]} {number}"))
    cache.update(f"{sys.argv[2]} {number}", "m", [reply])
    if number == 20:
        print("saved", flush=True)
"""


@pytest.mark.slow
def test_processes_share_the_file_and_a_killed_one_damages_nothing(tmp_path: Path):
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    victim = subprocess.Popen([*command, "victim", "1000000"], stdout=subprocess.PIPE, text=True)
    others = [subprocess.Popen([*command, name, "50"]) for name in ("first", "second")]
    assert victim.stdout is not None
    with victim.stdout as lines:
        assert lines.readline() == "open\n"
        assert lines.readline() == "saved\n"
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    assert [other.wait() for other in others] == [0, 0]
    with closing(DiskCache(tmp_path)) as cache:
        for name, count in (("first", 50), ("second", 50), ("victim", 21)):
            for number in range(count):
                assert texts(cache.lookup(f"{name} {number}", "m")) == [f"{name} {number}"]
