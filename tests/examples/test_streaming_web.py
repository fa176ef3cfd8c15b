"""Serve the streaming example with uvicorn and read it with an HTTP client."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples import streaming_web
from selfcritic.agent.errors import ModelError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "uvicorn", "examples.streaming_web:app", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield read_server_url(process)
        finally:
            process.terminate()


def read_server_url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    log = ""
    for line in process.stderr:
        log += line
        match = re.search(r"http://127\.0\.0\.1:\d+", line)
        if match is not None:
            return match[0]
    raise AssertionError(f"The server did not start:\n{log}")


def stream_events(url: str, question: str) -> list[dict[str, Any]]:
    with httpx.stream("GET", f"{url}/run", params={"question": question}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_streams_every_event_of_a_run(url: str):
    events = stream_events(url, "What is 128 + 256?")
    names = [event["event"] for event in events if event["event"] != "token"]
    assert names[:2] == ["draft", "judged"]
    assert names[-1] == "stopped"
    assert events[-1]["reason"] != "model_error"
    draft = next(event["answer"] for event in events if event["event"] == "draft")
    assert "".join(event["text"] for event in events if event["event"] == "token") == draft
    assert events[-1]["answer"]


def test_unknown_question_ends_with_an_error_event(url: str):
    [event] = stream_events(url, "Why is the sky blue?")
    assert event["event"] == "failed"
    assert "knows only these kinds of task" in event["reason"]


def test_the_reason_of_a_failure_has_no_secret(monkeypatch: pytest.MonkeyPatch):
    async def fail(*_: Any) -> AsyncIterator[Any]:
        raise ModelError("Is the server running at http://user:canary@127.0.0.1:9/v1?")
        yield

    async def events() -> list[Any]:
        return [event async for event in streaming_web.run("Why?")]

    monkeypatch.setattr(streaming_web, "stream_answer", fail)
    [event] = asyncio.run(events())
    assert "running at http://" in event["reason"]
    assert "canary" not in event["reason"]


def test_page_shows_events_as_text(url: str):
    page = httpx.get(url).text
    assert 'new EventSource("/run"' in page
    assert "textContent" in page
    assert "innerHTML" not in page


def test_page_does_not_reconnect(url: str):
    assert "source.onerror = () => source.close()" in httpx.get(url).text
