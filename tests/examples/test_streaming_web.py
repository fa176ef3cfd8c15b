"""The example of streaming to a page, served by uvicorn and read by an HTTP client as a browser would read it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "streaming_web.py"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "uvicorn", "examples.streaming_web:app", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = ""
            while not (found := re.search(r"http://127\.0\.0\.1:\d+", said)):
                line = process.stderr.readline()
                assert line, f"The server has not come up:\n{said}"
                said += line
            yield found[0]
        finally:
            process.terminate()


def events_of(url: str, question: str) -> list[dict[str, Any]]:
    with httpx.stream("GET", f"{url}/run", params={"question": question}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line.startswith("data: ")]


def test_a_run_is_streamed_event_by_event(url: str):
    events = events_of(url, "What is 128 + 256?")
    kinds = [event["event"] for event in events]
    assert kinds[:2] == ["draft", "judged"]
    assert kinds[-1] == "stopped"
    assert events[-1]["reason"] != "model_error"


def test_a_question_that_the_model_does_not_know_ends_in_words(url: str):
    [event] = events_of(url, "Why is the sky blue?")
    assert event["event"] == "failed"
    assert "knows only these kinds of task" in event["reason"]


def test_the_page_reads_the_stream_and_shows_text_as_text(url: str):
    page = httpx.get(url).text
    assert 'new EventSource("/run"' in page
    assert "textContent" in page
    assert "innerHTML" not in page
    assert "source.onerror = () => source.close()" in page  # else a browser would ask, and pay, again


def test_it_is_short():
    assert len(EXAMPLE.read_text().splitlines()) < 40
